// SPDX-License-Identifier: Apache-2.0
// What a key may, and what of a namespace answers when it is blocked.
#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kActions = "/api/v1/namespaces/_/actions";

class RightsTest : public ApiTest {
 protected:
  void allow(const std::string& words) {
    const auto rights = entity::parse_rights(words);
    ASSERT_TRUE(rights);
    on_server([&] { auth.known.at("guest").rights = *rights; });
  }
};

TEST_F(RightsTest, EachMethodNeedsItsOwn) {
  create("a");
  const std::string body = R"({"exec":{"kind":"nodejs:default","code":"x"}})";
  const std::string put_path = kActions + "/a?overwrite=true";
  const auto statuses = [&] {
    return std::vector<int>{get(kActions + "/a").status, put(put_path, body).status,
                            post(kActions + "/a?blocking=true", "{}").status,
                            remove(kActions + "/none").status};
  };
  EXPECT_EQ(statuses(), (std::vector<int>{200, 200, 200, 404}));
  allow("read");
  EXPECT_EQ(statuses(), (std::vector<int>{200, 403, 403, 403}));
  allow("activate");
  EXPECT_EQ(statuses(), (std::vector<int>{403, 403, 200, 403}));
  allow("put");
  EXPECT_EQ(statuses(), (std::vector<int>{403, 200, 403, 403}));
  allow("delete");
  EXPECT_EQ(statuses(), (std::vector<int>{403, 403, 403, 404}));
  EXPECT_EQ(get(kActions + "/a").error(),
            "The supplied authentication is not authorized to access 'guest/a'.");
  EXPECT_EQ(get(kActions).error(),
            "The supplied authentication is not authorized to access this resource.");
  // Whose it is a key may always tell.
  EXPECT_EQ(get("/api/v1/namespaces").body, R"(["guest"])");
}

TEST_F(RightsTest, HoldForPackagesOfOthersToo) {
  const Headers other = {{"Authorization", basic(kOther)}};
  ASSERT_EQ(put("/api/v1/namespaces/_/packages/p", R"({"publish":true})").status, 200);
  create("p/a");
  const std::string path = "/api/v1/namespaces/guest/actions/p/a";
  EXPECT_EQ(get(path, other).status, 200);
  on_server([&] { auth.known.at("other").rights = *entity::parse_rights("read"); });
  EXPECT_EQ(get(path, other).status, 200);
  EXPECT_EQ(post(path + "?blocking=true", "{}", other).status, 403);
}

TEST_F(RightsTest, HoldForApis) {
  const std::string manage = "/api/v1/web/whisk.system/apimgmt/";
  const std::string doc =
      R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET","action":{"name":"a"}}})";
  start();
  allow("read");
  EXPECT_EQ(get(manage + "getApi.http").status, 200);
  EXPECT_EQ(post(manage + "createApi.http", doc).status, 403);
  allow("put");
  EXPECT_EQ(get(manage + "getApi.http").status, 403);
  EXPECT_EQ(post(manage + "createApi.http", doc).status, 200);
  EXPECT_EQ(remove(manage + "deleteApi.http?basepath=/b").status, 403);
  allow("delete");
  EXPECT_EQ(remove(manage + "deleteApi.http?basepath=/b").status, 200);
}

TEST_F(RightsTest, OfABlockedNamespaceNothingAnswers) {
  create("page", R"(,"annotations":[{"key":"web-export","value":true}])");
  const std::string doc =
      R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET","action":{"name":"page"}}})";
  ASSERT_EQ(post("/api/v1/web/whisk.system/apimgmt/createApi.http", doc).status, 200);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/page.json", {}).status, 200);
  EXPECT_EQ(request("GET", "/api/v1/gw/guest/b/p", {}).status, 200);
  on_server([&] { auth.known.at("guest").blocked = true; });
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/page.json", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/gw/guest/b/p", {}).status, 404);
  Status fired;
  on_server(
      [&] { api->fire_trigger("guest/t", "{}", [&](const Status& status) { fired = status; }); });
  EXPECT_EQ(fired.code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace berth::api
