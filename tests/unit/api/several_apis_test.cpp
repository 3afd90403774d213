// SPDX-License-Identifier: Apache-2.0
// Several Apis of one server, as each of its threads has one.
#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kManage = "/api/v1/web/whisk.system/apimgmt/";
const std::string kHello = "/api/v1/namespaces/_/actions/hello";

class SeveralApisTest : public ApiTest {
 protected:
  ~SeveralApisTest() override {
    if (!other_) return;
    on_server([this] {
      other_server_.reset();
      other_.reset();
    });
  }
  // Of the second one, as guest.
  int ask_other(const std::string& method, const std::string& target) {
    if (!other_) {
      on_server([this] {
        other_ = make_api();
        other_server_ = serve(*other_);
      });
    }
    return ask(other_server_->port(), method, target, {{"Authorization", basic(kGuest)}}, "")
        .status;
  }

 private:
  std::unique_ptr<Api> other_;
  std::unique_ptr<http::Server> other_server_;
};

TEST_F(SeveralApisTest, EachSeesWhatAnotherOneChanged) {
  create("page", R"(,"annotations":[{"key":"web-export","value":true}])");
  EXPECT_EQ(ask_other("GET", "/api/v1/gw/guest/b/p"), 404);
  const Reply made = post(
      kManage + "createApi.http?responsetype=json",
      R"({"apidoc":{"namespace":"_","gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET",)"
      R"("id":"API:_:/b","action":{"name":"page","namespace":"_","backendMethod":"GET",)"
      R"("backendUrl":"http://h/api/v1/web/_/default/page.http","authkey":"k"}}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(ask_other("GET", "/api/v1/gw/guest/b/p"), 200);
  EXPECT_EQ(remove(kManage + "deleteApi.http?basepath=/b").status, 200);
  EXPECT_EQ(ask_other("GET", "/api/v1/gw/guest/b/p"), 404);
}

TEST_F(SeveralApisTest, TheyThrottleTogether) {
  throttles.concurrent_invocations = 1;
  create("hello");
  on_server([this] { invoker.hold = true; });
  EXPECT_EQ(post(kHello).status, 202);
  EXPECT_EQ(ask_other("POST", kHello), 429);
  on_server([this] { invoker.release(); });
  EXPECT_EQ(ask_other("POST", kHello), 202);
  on_server([this] { invoker.release(); });
}

}  // namespace
}  // namespace berth::api
