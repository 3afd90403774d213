// SPDX-License-Identifier: Apache-2.0
// Files of the serverless framework: what is made of them, and that each mistake is told.
#include "serverless_file.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/base64.hpp"
#include "exit_code.hpp"
#include "serverless_package.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class ServerlessFile : public testing::Test {
 protected:
  ServerlessFile() {
    folder_ = fs::temp_directory_path() / ("bth-sls-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "src");
    write("src/index.js", "exports.hello = () => ({})");
    write("one.py", "def main(args): return {}");
    write("all.zip", std::string("PK\x03\x04", 4) + std::string("\0zip", 4));
  }
  ~ServerlessFile() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  Project read(const std::string& text) {
    write("serverless.yml", text);
    return read_project((folder_ / "serverless.yml").string());
  }
  // What is wrong, from the line on.
  std::string error(const std::string& text) {
    try {
      read(text);
    } catch (const Exit& end) {
      EXPECT_EQ(end.code(), ExitCode::kUsage);
      const std::string message = end.what();
      const std::string file = (folder_ / "serverless.yml").string();
      EXPECT_TRUE(message.starts_with(file)) << message;
      return message.substr(file.size());
    }
    return "";
  }
  static const ProjectEntity& find(const Project& project, EntityKind kind,
                                   const std::string& name) {
    for (const ProjectEntity& entity : project.entities) {
      if (entity.kind == kind && entity.name == name) return entity;
    }
    throw std::runtime_error("there is no " + name);
  }

  fs::path folder_;
};

TEST_F(ServerlessFile, FunctionsAreActions) {
  const Project project = read(R"(
service: shop
frameworkVersion: "3"
plugins: [serverless-openwhisk]
provider: {name: openwhisk, runtime: "nodejs:default", memory: 128, ignore_certs: true}
functions:
  hello:
    handler: src/index.hello
    timeout: 1.5
    parameters: {greeting: Hi, n: 3}
    annotations: {web-export: true}
  count:
    name: tools/counter
    handler: one.main
    runtime: python@3
    memory: 256
  both: {sequence: [hello, count, /whisk.system/utils/echo]}
  image: {handler: "me/image:1", runtime: docker}
)");
  EXPECT_EQ(project.name, "shop-dev");
  const ProjectEntity& hello = find(project, EntityKind::kAction, "shop-dev-hello");
  EXPECT_EQ(hello.exec, json::parse(R"x({"kind":"nodejs:default","binary":false,"main":"hello",
                                        "code":"exports.hello = () => ({})"})x"));
  EXPECT_EQ(hello.limits, json::parse(R"({"timeout":1500,"memory":128})"));
  EXPECT_EQ(hello.inputs, json::parse(R"({"greeting":"Hi","n":3})"));
  EXPECT_EQ(hello.annotations, json::parse(R"({"berth-project":"shop-dev","web-export":true})"));
  EXPECT_EQ(hello.line, 7);
  const ProjectEntity& count = find(project, EntityKind::kAction, "tools/counter");
  EXPECT_EQ(count.exec.at("kind"), "python:3");
  EXPECT_EQ(count.exec.at("main"), "main");
  EXPECT_EQ(count.limits, json::parse(R"({"memory":256})"));
  // Nothing describes the package, and it is made all the same, before what is in it.
  EXPECT_EQ(project.entities.at(0).kind, EntityKind::kPackage);
  EXPECT_EQ(project.entities.at(0).name, "tools");
  const ProjectEntity& both = find(project, EntityKind::kAction, "shop-dev-both");
  EXPECT_EQ(both.exec.at("components"),
            json::parse(R"(["/_/shop-dev-hello","/_/tools/counter","/whisk.system/utils/echo"])"));
  const ProjectEntity& image = find(project, EntityKind::kAction, "shop-dev-image");
  EXPECT_EQ(image.exec, json::parse(R"({"kind":"blackbox","image":"me/image:1"})"));
}

TEST_F(ServerlessFile, EventsAreTriggersAndRules) {
  const Project project = read(R"(
service: {name: shop}
provider: openwhisk
functions:
  hello:
    handler: src/index.hello
    events:
      - schedule: cron(0 9 * * *)
      - trigger: visitor
      - trigger: {name: order, rule: order-rule}
      - schedule:
          rate: cron(*/5 * * * *)
          trigger: often
          rule: often-rule
          timezone: Europe/Berlin
          params: {from: clock}
resources:
  triggers:
    order: {parameters: {currency: EUR}}
    feeding: {feed: /whisk.system/alarms/once, feed_parameters: {date: 7}}
  packages:
    bound: {binding: /whisk.system/utils, parameters: {lines: []}}
    mine: {name: real-name, shared: true, annotations: {a: 1}}
)");
  const ProjectEntity& daily = find(project, EntityKind::kTrigger, "shop_hello_schedule_trigger");
  EXPECT_EQ(daily.feed, "/whisk.system/alarms/alarm");
  EXPECT_EQ(daily.inputs, json::parse(R"({"cron":"0 9 * * *","trigger_payload":"{}"})"));
  const ProjectEntity& often = find(project, EntityKind::kTrigger, "often");
  EXPECT_EQ(often.inputs, json::parse(R"({"timezone":"Europe/Berlin","cron":"*/5 * * * *",
                                          "trigger_payload":"{\"from\":\"clock\"}"})"));
  EXPECT_TRUE(find(project, EntityKind::kTrigger, "visitor").inputs.empty());
  EXPECT_EQ(find(project, EntityKind::kTrigger, "order").inputs,
            json::parse(R"({"currency":"EUR"})"));
  EXPECT_EQ(find(project, EntityKind::kTrigger, "feeding").inputs, json::parse(R"({"date":7})"));
  const auto rule = [&project](const char* name) {
    const ProjectEntity& found = find(project, EntityKind::kRule, name);
    return found.trigger + " -> " + found.action;
  };
  EXPECT_EQ(rule("shop_hello_schedule_rule"),
            "/_/shop_hello_schedule_trigger -> /_/shop-dev-hello");
  EXPECT_EQ(rule("shop_visitor_to_hello"), "/_/visitor -> /_/shop-dev-hello");
  EXPECT_EQ(rule("order-rule"), "/_/order -> /_/shop-dev-hello");
  EXPECT_EQ(rule("often-rule"), "/_/often -> /_/shop-dev-hello");
  const ProjectEntity& bound = find(project, EntityKind::kPackage, "bound");
  EXPECT_EQ(bound.binding, "/whisk.system/utils");
  EXPECT_TRUE(find(project, EntityKind::kPackage, "real-name").is_public);
}

TEST_F(ServerlessFile, CodeMayBeAZip) {
  const Project project = read(R"(
service: shop
provider: {name: openwhisk, stage: prod}
package: {artifact: all.zip}
functions:
  hello: {handler: src/index.hello}
  own: {handler: one.main, runtime: python, package: {artifact: all.zip}}
)");
  const ProjectEntity& hello = find(project, EntityKind::kAction, "shop-prod-hello");
  EXPECT_EQ(hello.exec.at("binary"), true);
  EXPECT_EQ(hello.exec.at("main"), "src/index.hello");
  EXPECT_EQ(find(project, EntityKind::kAction, "shop-prod-own").exec.at("main"), "main");
}

TEST(Glob, IsThatOfTheFramework) {
  const auto matches = [](std::string_view pattern, std::string_view path) {
    return matches_glob(pattern, path);
  };
  EXPECT_TRUE(matches("**", "a/b/c"));
  EXPECT_TRUE(matches("a/**", "a/b/c"));
  EXPECT_TRUE(matches("**/*.js", "x.js"));
  EXPECT_TRUE(matches("**/*.js", "a/b/x.js"));
  EXPECT_TRUE(matches("a/*/c.?s", "a/b/c.js"));
  EXPECT_TRUE(matches("**/test/**", "a/test/b/c"));
  EXPECT_FALSE(matches("*.js", "a/x.js"));
  EXPECT_FALSE(matches("a/*", "a/b/c"));
  EXPECT_FALSE(matches("a/**", "b/a/c"));
  EXPECT_FALSE(matches("**/*.js", "x.jsx"));
  EXPECT_FALSE(matches("a?b", "a/b"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("**a**a**a**a**a**a**a**a**b", std::string(500, 'a'))) << "and ends";
}

TEST_F(ServerlessFile, PatternsMakeAZipOfTheFolder) {
  write("src/words.js", "exports.a = 1;");
  write("notes.txt", "none of it");
  write(".env", "SECRET=1");
  const Project project = read(R"(
service: shop
provider: openwhisk
package: {patterns: ["!*.txt", "!all.zip"]}
functions:
  hello: {handler: src/index.hello}
  own: {handler: one.main, runtime: python, package: {patterns: ["!**", "one.py"]}}
)");
  const auto archive = [&](const char* name) {
    const ProjectEntity& action = find(project, EntityKind::kAction, name);
    EXPECT_EQ(action.exec.at("binary"), true);
    return base64_decode(std::string(action.exec.at("code").as_string())).value();
  };
  const std::string hello = archive("shop-dev-hello");
  for (const char* file : {"src/index.js", "src/words.js", "one.py"}) {
    EXPECT_NE(hello.find(file), std::string::npos) << file;
  }
  for (const char* file : {"notes.txt", ".env", "serverless.yml", "all.zip"}) {
    EXPECT_EQ(hello.find(file), std::string::npos) << file;
  }
  EXPECT_EQ(find(project, EntityKind::kAction, "shop-dev-hello").exec.at("main"),
            "src/index.hello");
  const std::string own = archive("shop-dev-own");
  EXPECT_NE(own.find("__main__.py"), std::string::npos);
  EXPECT_EQ(own.find("index.js"), std::string::npos);
  EXPECT_EQ(find(project, EntityKind::kAction, "shop-dev-own").exec.at("main"), "main");

  const auto wrong = [this](const std::string& patterns) {
    return error("service: s\nprovider: openwhisk\npackage: {patterns: " + patterns +
                 "}\nfunctions:\n  f: {handler: src/index.hello}\n");
  };
  EXPECT_NE(wrong("['!src/**']").find(":5: function 'f': src/index.js is left out"),
            std::string::npos);
  EXPECT_NE(wrong("['{a,b}']").find(":3: package: '{a,b}' is no pattern"), std::string::npos);
  EXPECT_NE(wrong("x").find("must be a list of patterns"), std::string::npos);
}

TEST_F(ServerlessFile, HandlersArePathsOfTheFolder) {
  const auto with = [this](const std::string& handler, const std::string& more) {
    return read("service: s\nprovider: openwhisk\nfunctions:\n  f: {handler: " + handler + more +
                "}\n");
  };
  const auto code_of = [](const Project& project) {
    const ProjectEntity& action = find(project, EntityKind::kAction, "s-dev-f");
    return base64_decode(std::string(action.exec.at("code").as_string())).value();
  };
  const Project node = with("./src/../src/index.hello", ", package: {patterns: ['!**', 'src/**']}");
  EXPECT_EQ(find(node, EntityKind::kAction, "s-dev-f").exec.at("main"), "src/index.hello");
  const std::string python = code_of(
      with("./one.main", ", runtime: python, package: {patterns: ['!**', '*.py', '**/.env']}"));
  EXPECT_NE(python.find("__main__.py"), std::string::npos);
  fs::create_directories(folder_ / "deep");
  write("deep/.env", "SECRET=1");
  EXPECT_EQ(code_of(with("src/index.hello", ", package: {patterns: ['!x']}")).find(".env"),
            std::string::npos);
  EXPECT_NE(error("service: s\nprovider: openwhisk\nfunctions:\n  f: {handler: ../x.main}\n")
                .find("must be a file of this file's folder"),
            std::string::npos);
  write("__main__.py", "");
  EXPECT_NE(error("service: s\nprovider: openwhisk\nfunctions:\n  f: {handler: one.main, runtime: "
                  "python, package: {patterns: ['!x']}}\n")
                .find("would be in the way of one.py"),
            std::string::npos);
}

TEST_F(ServerlessFile, AFunctionsPackageGoesBeforeThatOfAll) {
  const Project project = read(R"(
service: s
provider: openwhisk
package: {artifact: all.zip}
functions:
  all: {handler: src/index.hello}
  own: {handler: src/index.hello, package: {patterns: ["!**", "src/**"]}}
)");
  const auto size = [&](const char* name) {
    return find(project, EntityKind::kAction, name).exec.at("code").as_string().size();
  };
  EXPECT_GT(size("s-dev-own"), size("s-dev-all"));
}

TEST_F(ServerlessFile, Variables) {
  ::setenv("BTH_SLS_SECRET", "s3cret", 1);
  ::unsetenv("BTH_SLS_NONE");
  const Project project = read(R"(
service: shop
custom:
  name: shop-${sls:stage}
  mb: 256
  deep: ${self:custom.name}!
provider: {name: openwhisk, stage: "${opt:stage, 'test'}"}
functions:
  hello:
    handler: src/index.hello
    memory: ${self:custom.mb}
    parameters:
      secret: ${env:BTH_SLS_SECRET}
      inner: {list: ["a-${env:BTH_SLS_SECRET}"]}
      none: "${env:BTH_SLS_NONE, 'other'}"
      deep: ${self:custom.deep}
      stage: ${opt:stage, 'dev'}
)");
  const ProjectEntity& hello = find(project, EntityKind::kAction, "shop-test-hello");
  EXPECT_EQ(hello.limits.at("memory"), 256);
  EXPECT_EQ(hello.inputs, json::parse(R"({"secret":"s3cret","inner":{"list":["a-s3cret"]},
      "none":"other","deep":"shop-test!","stage":"dev"})"));
  EXPECT_EQ(hello.hidden, (std::set<std::string>{"inner", "secret"}));
}

TEST_F(ServerlessFile, VariablesThatDoNotEndOrExplode) {
  const auto with = [this](const std::string& custom) {
    return error("service: s\nprovider: openwhisk\ncustom:\n" + custom);
  };
  EXPECT_NE(with("  a: ${self:custom.a}\n").find(":4: variables stand for variables"),
            std::string::npos);
  EXPECT_NE(with("  a: ${env:BTH_SLS_NONE}\n").find(":4: ${env:BTH_SLS_NONE} has no value"),
            std::string::npos);
  EXPECT_NE(with("  a: ${file(x.yml)}\n").find(":4: ${file(x.yml)} is not known"),
            std::string::npos);
  EXPECT_NE(with("  a: ${self:custom\n").find("has no '}'"), std::string::npos);
  EXPECT_NE(with("  a: ${self:custom}\n").find("only single values"), std::string::npos);
  EXPECT_NE(with("  a: ${env:BTH_SLS_NONE, x}\n").find("in quotes"), std::string::npos);
  // A few lines that would stand for gigabytes, or for nothing endlessly often.
  for (const std::string last : {"xxxxxxxx", ""}) {
    std::string text;
    for (int i = 0; i < 9; ++i) {
      const std::string next = "${self:custom.v" + std::to_string(i + 1) + "}";
      text += "  v" + std::to_string(i) + ": \"";
      for (int k = 0; k < 20; ++k) text += next;
      text += "\"\n";
    }
    EXPECT_NE(with(text + "  v9: '" + last + "'\n").find("more than a megabyte"),
              std::string::npos);
  }
}

TEST_F(ServerlessFile, HttpEventsAreAnApi) {
  const std::string functions = R"(
service: shop
provider: openwhisk
functions:
  hello:
    handler: src/index.hello
    events:
      - http: GET /hello
      - http: {method: post, path: "hello/{name}", resp: http}
  open:
    handler: src/index.hello
    annotations: {require-whisk-auth: false, final: false}
    events:
      - http: DELETE /hello
  alone: {handler: src/index.hello}
)";
  const Project project = read(functions);
  const ProjectEntity& api = find(project, EntityKind::kApi, "/");
  EXPECT_EQ(&api, &project.entities.back()) << "made last";
  EXPECT_EQ(api.title, "shop");
  EXPECT_EQ(api.line, 8);
  EXPECT_FALSE(api.cors);
  std::string all;
  for (const ApiOperation& one : api.operations) {
    all += one.method + ' ' + one.path + ' ' + one.action + ' ' + one.response_type + '\n';
  }
  EXPECT_EQ(all,
            "GET /hello /_/shop-dev-hello json\nPOST /hello/{name} /_/shop-dev-hello http\n"
            "DELETE /hello /_/shop-dev-open json\n");
  const ProjectEntity& hello = find(project, EntityKind::kAction, "shop-dev-hello");
  EXPECT_TRUE(hello.has_secret);
  EXPECT_EQ(hello.annotations.at("web-export"), true);
  EXPECT_EQ(hello.annotations.at("final"), true);
  const ProjectEntity& open = find(project, EntityKind::kAction, "shop-dev-open");
  EXPECT_FALSE(open.has_secret);
  EXPECT_EQ(open.annotations.at("final"), false);
  const ProjectEntity& alone = find(project, EntityKind::kAction, "shop-dev-alone");
  EXPECT_FALSE(alone.has_secret || alone.annotations.contains("web-export"));

  const Project named =
      read(functions + "resources: {apigw: {name: Shop, basepath: /v1, cors: no}}\n");
  const ProjectEntity& other = find(named, EntityKind::kApi, "/v1");
  EXPECT_EQ(other.title, "Shop");
  EXPECT_EQ(other.cors, false);
}

TEST_F(ServerlessFile, SaysWhatIsWrongAndWhere) {
  const auto function = [this](const std::string& body) {
    return error("service: s\nprovider: openwhisk\nfunctions:\n  f:\n    " + body + "\n");
  };
  EXPECT_EQ(function("handler: lost.main"), ":5: function 'f': there is no file " +
                                                (folder_ / "lost.js").string() +
                                                ": paths are relative to this file");
  EXPECT_NE(function("handler: src/index").find(":5: function 'f': 'handler' must be FILE."),
            std::string::npos);
  EXPECT_NE(function("memory: 128").find("either 'handler' or 'sequence'"), std::string::npos);
  EXPECT_NE(function("sequence: [g]").find(":5: function 'f': there is no function 'g'"),
            std::string::npos);
  EXPECT_NE(function("handlr: x").find("the key 'handlr' is not known"), std::string::npos);
  EXPECT_NE(function("handler: src/index.hello\n    timeout: 60s").find("without a unit"),
            std::string::npos);
  const auto event = [&function](const std::string& text) {
    return function("handler: src/index.hello\n    events:\n      - " + text);
  };
  EXPECT_NE(event("http: GET").find(":7: function 'f', events: 'http' must be a method and a path"),
            std::string::npos);
  EXPECT_NE(event("http: 'GET  '").find("'http' must be a method and a path"), std::string::npos);
  EXPECT_NE(event("http: ASK /x").find(":7: function 'f', events: the method must be GET"),
            std::string::npos);
  EXPECT_NE(event("http: {method: GET, path: /x, resp: xml}").find("'xml' is nothing"),
            std::string::npos);
  EXPECT_NE(event("http: {method: GET, path: /x, auth: me}").find("the key 'auth' is not known"),
            std::string::npos);
  EXPECT_NE(event("http: GET /x\n      - http: get x")
                .find(":8: function 'f', events: GET /x is "
                      "answered by s-dev-f already"),
            std::string::npos);
  EXPECT_NE(event("cloudant: {}").find("'cloudant' are not known"), std::string::npos);
  EXPECT_NE(event("schedule: rate(1 hour)").find("must be as \"cron("), std::string::npos);
  EXPECT_NE(event("schedule: {rate: cron(* * * * *), max: 3}").find("'stopDate'"),
            std::string::npos);
  EXPECT_NE(event("schedule: cron(* * * * *)\n      - schedule: cron(* * * * *)")
                .find("give one another name"),
            std::string::npos);
  EXPECT_NE(error("service: s\nprovider: {name: aws}\n").find(":2: provider: is for aws"),
            std::string::npos);
  EXPECT_NE(error("service: s\n").find("'provider' is missing"), std::string::npos);
  EXPECT_NE(error("service: s\nprovider: openwhisk\nresources: {buckets: {}}\n")
                .find("the key 'buckets' is not known"),
            std::string::npos);
}

}  // namespace
}  // namespace berth::cli
