// SPDX-License-Identifier: Apache-2.0
// Replays what real clients sent to a real OpenWhisk (tests/data/clients, one request a line with
// the status it got) and expects the same statuses. The invoker is a fake that ends as recorded.
// Left out: bodies that the recording cut off.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>

#include "fixture.hpp"

namespace berth::api {
namespace {

struct Recorded {
  std::string method;
  std::string target;
  int status = 0;
  Headers headers;
  std::string body;
};

// "PUT /api/v1/... -> 200  {"accept": ...}  body=..."
std::optional<Recorded> parse_line(const std::string& line) {
  const std::size_t arrow = line.find(" -> ");
  const std::size_t headers = line.find("  {", arrow);
  const std::size_t body = line.find("}  body=", headers);
  if (arrow == std::string::npos || headers == std::string::npos || body == std::string::npos) {
    return std::nullopt;
  }
  Recorded recorded;
  const std::size_t space = line.find(' ');
  recorded.method = line.substr(0, space);
  recorded.target = line.substr(space + 1, arrow - space - 1);
  recorded.status = std::stoi(line.substr(arrow + 4, 3));
  recorded.body = line.substr(body + 8);
  boost::system::error_code error;
  const auto object = boost::json::parse(line.substr(headers + 2, body - headers - 1), error);
  if (error) return std::nullopt;
  for (const auto& [name, value] : object.as_object()) {
    const std::string key(name);
    if (key == "Connection" || key == "authorization" || key == "Authorization") continue;
    recorded.headers.emplace_back(key, std::string(value.as_string()));
  }
  return recorded;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// What this version answers as that server did.
bool is_covered(const Recorded& recorded) {
  // The recording has "<guest uuid>" in place of one.
  if (has(recorded.target, " ")) return false;
  // That server had no gateway.
  if (has(recorded.target, "/apimgmt/")) return false;
  if (recorded.status == 413 || recorded.status == 429) return false;
  boost::system::error_code error;
  const auto ignored = boost::json::parse(recorded.body, error);
  return recorded.body.empty() || !error;
}

class ReplayTest : public ApiTest {
 protected:
  int replay(const std::string& file) {
    std::ifstream lines(std::filesystem::path(BERTH_SOURCE_DIR) / "tests/data/clients" / file);
    EXPECT_TRUE(lines.good()) << file;
    int replayed = 0;
    for (std::string line; std::getline(lines, line);) {
      auto recorded = parse_line(line);
      if (!recorded || !is_covered(*recorded)) continue;
      if (replay_one(std::move(*recorded))) ++replayed;
    }
    return replayed;
  }

 private:
  bool replay_one(Recorded recorded) {
    recorded.headers.emplace_back("Authorization",
                                  basic(recorded.status == 401 ? "no-uuid:at-all" : kGuest));
    replace_id(recorded);
    const bool invokes = recorded.method == "POST";
    // An action that was made by a line this test leaves out is made here.
    if (recorded.status != 404 && recorded.status != 401 &&
        (recorded.method != "PUT" || recorded.status == 409) && has(recorded.target, "/actions/")) {
      make(recorded.target.substr(0, recorded.target.find('?')));
    }
    if (recorded.status == 200) make_components(recorded);
    on_server([&] {
      invoker.outcome =
          recorded.status == 502 ? entity::Outcome::kDeveloperError : entity::Outcome::kSuccess;
    });
    const Reply reply = request(recorded.method, recorded.target, recorded.headers, recorded.body);
    EXPECT_EQ(reply.status, recorded.status) << recorded.method << ' ' << recorded.target << '\n'
                                             << reply.body;
    if (invokes && reply.status < 500) last_id_ = reply.header("x-openwhisk-activation-id");
    if (reply.status >= 400 && !invokes) {
      EXPECT_FALSE(reply.error().empty()) << reply.body;
    }
    return true;
  }

  // Those of a sequence that lines of other clients made.
  void make_components(const Recorded& recorded) {
    if (!has(recorded.body, "\"sequence\"")) return;
    const boost::json::value body = boost::json::parse(recorded.body);
    for (const auto& component : body.at("exec").at("components").as_array()) {
      const std::string name(component.as_string());
      make("/api/v1/namespaces/_/actions/" + name.substr(name.rfind('/') + 1));
    }
  }

  void make(const std::string& path) {
    if (get(path).status == 404) {
      put(path, R"({"exec":{"kind":"nodejs:default","code":"function main(){}"}})");
    }
  }

  // Ids of that server are none of ours.
  void replace_id(Recorded& recorded) const {
    const std::string_view marker = "/activations/";
    const std::size_t at = recorded.target.find(marker);
    if (at == std::string::npos) return;
    const std::size_t begin = at + marker.size();
    const std::size_t end = std::min(recorded.target.find('/', begin), recorded.target.size());
    const std::size_t size = std::min(end, recorded.target.find('?')) - begin;
    if (recorded.status == 400) return;
    const bool unknown = recorded.status == 404 || last_id_.empty();
    recorded.target.replace(begin, size, unknown ? std::string(32, '0') : last_id_);
  }

  std::string last_id_;
};

TEST_F(ReplayTest, NpmClient) {
  start();
  EXPECT_GE(replay("rec-client-js.txt"), 80);
}

TEST_F(ReplayTest, Wsk) {
  start();
  EXPECT_GE(replay("rec-wsk.txt"), 15);
}

TEST_F(ReplayTest, Serverless) {
  start();
  EXPECT_GE(replay("rec-serverless3.txt"), 5);
}

}  // namespace
}  // namespace berth::api
