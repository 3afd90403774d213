// SPDX-License-Identifier: Apache-2.0
// Project files: what is read, and that each mistake is told with its line and mend.
#include "deploy_file.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "exit_code.hpp"
#include "project_node.hpp"
#include "project_yaml.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string yaml_error(const std::string& text, const YamlBounds& bounds = {}) {
  try {
    parse_yaml(text, "p.yaml", bounds);
  } catch (const Exit& end) {
    EXPECT_EQ(end.code(), ExitCode::kUsage);
    return end.what();
  }
  return "";
}

json::value yaml(const std::string& text) {
  return to_json(parse_yaml(text, "p.yaml"));
}

TEST(ProjectYaml, ReadsScalarsAsTheCoreSchemaSays) {
  EXPECT_EQ(yaml("[1, -2, +3, 0x1F, 0o17, 1.5, 1e3, .5, true, False, null, ~, ]"),
            json::parse("[1, -2, 3, 31, 15, 1.5, 1000.0, 0.5, true, false, null, null]"));
  EXPECT_EQ(yaml(R"([yes, "1", '2', 1.2.3, -, +, e, inf, nan, 1 2, !!str 3, "null"])"),
            json::parse(R"(["yes","1","2","1.2.3","-","+","e","inf","nan","1 2","3","null"])"));
  EXPECT_EQ(yaml("a: &x {b: [1]}\nc: *x"), json::parse(R"({"a":{"b":[1]},"c":{"b":[1]}})"));
}

TEST(ProjectYaml, KeepsLines) {
  const YamlNode root = parse_yaml("a: 1\n\nb:\n  c: 2\n", "p.yaml");
  EXPECT_EQ(root.members[0].value.line, 1);
  EXPECT_EQ(root.members[1].value.line, 3);
  EXPECT_EQ(root.members[1].value.members[0].value.line, 4);
}

TEST(ProjectYaml, TellsWhatIsNoYaml) {
  EXPECT_TRUE(yaml_error("a: [1\nb: 2").starts_with("p.yaml:"));
  EXPECT_EQ(yaml_error("a: 1\na: 2"), "p.yaml:2: 'a' stands here twice: keep one");
  EXPECT_EQ(yaml_error("a: 1\nb: !secret 2"),
            "p.yaml:2: the tag !secret is not supported: write a plain or quoted value");
  EXPECT_EQ(yaml_error("[1]: 2"), "p.yaml:1: a key must be a word or a quoted text");
  EXPECT_NE(yaml_error("a: &a {b: 1}\nc: {<<: *a}").find("merge keys"), std::string::npos);
  EXPECT_NE(yaml_error("a: 1\n---\nb: 2").find("a second document"), std::string::npos);
  EXPECT_NE(yaml_error("").find("is empty"), std::string::npos);
}

// Nine times nine times nine...: a few lines that would be billions of values.
TEST(ProjectYaml, RefusesBombs) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias;
    for (int k = 0; k < 8; ++k) text += ", " + alias;
    text += "]\n";
  }
  EXPECT_NE(yaml_error(text).find("aliases expanded"), std::string::npos);
  EXPECT_NE(yaml_error("a: &a " + std::string(1000, 'x') + "\nb: [*a, *a, *a]\n", {.bytes = 3500})
                .find("aliases expanded"),
            std::string::npos);
  EXPECT_NE(yaml_error(std::string(100, '[') + std::string(100, ']')).find("levels deep"),
            std::string::npos);
  EXPECT_NE(yaml_error("a: &a [*a]").find("p.yaml:1: "), std::string::npos);
  EXPECT_NE(yaml_error(std::string(200'000, '[')).find("nested too deep"), std::string::npos);
}

class ProjectFile : public ::testing::Test {
 protected:
  ProjectFile() {
    std::string pattern = (fs::temp_directory_path() / "berth-deploy-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    write("hello.py", "def main(args):\n  return args\n");
    write("code.zip", std::string("PK\x03\x04", 4));
  }
  ~ProjectFile() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }
  Project read(const std::string& text) { return read_project(write("p.yaml", text)); }
  // What follows the file's name.
  std::string error(const std::string& text) {
    try {
      read(text);
    } catch (const Exit& end) {
      EXPECT_EQ(end.code(), ExitCode::kUsage);
      const std::string message = end.what();
      const std::string name = (folder_ / "p.yaml").string();
      EXPECT_TRUE(message.starts_with(name)) << message;
      return message.substr(std::min(name.size(), message.size()));
    }
    return "";
  }
  // Of an action with these lines.
  std::string action_error(const std::string& lines) {
    return error("packages: {p: {actions: {a: {" + lines + "}}}}");
  }

  fs::path folder_;
};

TEST_F(ProjectFile, ReadsAll) {
  const Project project = read(R"(
project: {name: demo}
packages:
  p:
    public: yes
    inputs: {k: 1}
    rules:
      r: {trigger: t, action: s}
    triggers:
      t: {feed: /whisk.system/alarms/alarm, inputs: {cron: "* * * * *"}}
    sequences:
      s: {actions: "first, a, other/b, /x/y"}
      first: {actions: [a]}
    actions:
      a:
        function: hello.py
        main: go
        web: raw
        inputs: {n: {type: integer, value: 2}, m: {value: {x: 1}, y: 2}, d: {default: z}}
        annotations: {final: false, x: [1]}
        limits: {timeout: 5000, memorySize: 128, logSize: 1}
  default:
    actions:
      d: {docker: some/image, function: code.zip}
      e: {function: hello.py, runtime: python@3.11}
)");
  EXPECT_EQ(project.name, "demo");
  std::vector<std::string> names;
  for (const ProjectEntity& entity : project.entities) {
    names.push_back(std::string(word_of(entity.kind)) + ' ' + entity.name);
    EXPECT_EQ(entity.annotations.at(kProjectAnnotation), "demo") << entity.name;
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"package p", "action p/a", "action d", "action e",
                                      "action p/first", "action p/s", "trigger t", "rule r"}));
  EXPECT_TRUE(project.entities[0].is_public);
  EXPECT_EQ(project.entities[0].inputs, json::parse(R"({"k":1})"));
  const ProjectEntity& action = project.entities[1];
  EXPECT_EQ(json::value(action.exec),
            json::parse(R"({"kind":"python:default","code":"def main(args):\n  return args\n",
                            "binary":false,"main":"go"})"));
  EXPECT_EQ(json::value(action.inputs),
            json::parse(R"({"n":2,"m":{"value":{"x":1},"y":2},"d":"z"})"));
  EXPECT_EQ(json::value(action.annotations),
            json::parse(R"({"final":false,"x":[1],"web-export":true,"raw-http":true,
                            "berth-project":"demo"})"));
  EXPECT_EQ(json::value(action.limits), json::parse(R"({"timeout":5000,"memory":128,"logs":1})"));
  EXPECT_EQ(
      json::value(project.entities[2].exec),
      json::parse(R"({"kind":"blackbox","image":"some/image","code":"UEsDBA==","binary":true})"));
  EXPECT_EQ(project.entities[3].exec.at("kind"), "python:3.11");
  EXPECT_EQ(project.entities[5].exec.at("components"),
            json::parse(R"(["/_/p/first","/_/p/a","/_/other/b","/x/y"])"));
  EXPECT_EQ(project.entities[6].feed, "/whisk.system/alarms/alarm");
  EXPECT_EQ(project.entities[7].trigger, "/_/t");
  EXPECT_EQ(project.entities[7].action, "/_/p/s");
}

// Who takes a project away may have none of its code any more.
TEST_F(ProjectFile, TellsItsNameWithoutItsParts) {
  const auto name_of = [this](const std::string& text) {
    const std::string path = (folder_ / "name.yaml").string();
    std::ofstream(path) << text;
    return read_project_name(path);
  };
  const std::string packages =
      "packages: {p: {actions: {a: {function: gone.py, inputs: {k: $BERTH_TEST_GONE}}}}}\n";
  EXPECT_EQ(name_of("project: {name: demo}\n" + packages), "demo");
  EXPECT_EQ(name_of("project: {name: demo, " + packages.substr(0, packages.size() - 1) + "}\n"),
            "demo");
  EXPECT_EQ(name_of(packages), "");
  EXPECT_EQ(name_of("service: shop\nprovider: openwhisk\nfunctions:\n  f: {handler: gone.main, "
                    "memory: \"${env:BERTH_TEST_GONE}\"}\n"),
            "shop-dev");
  EXPECT_EQ(name_of("service: shop\nprovider: {name: openwhisk, stage: prod}\n"), "shop-prod");
}

TEST_F(ProjectFile, ReadsApis) {
  const Project project = read(R"(
project: {name: demo}
packages:
  p:
    actions:
      a: {function: hello.py, web: true}
    apis:
      Club:
        club:
          books:
            a: get
            /_/other: {method: POST, response: http}
          /books/{isbn}:
            a: GET
  default:
    apis:
      More: {/club: {more: {q/b: put}}}
)");
  const ProjectEntity& api = project.entities.back();
  EXPECT_EQ(std::count_if(project.entities.begin(), project.entities.end(),
                          [](const auto& one) { return one.kind == EntityKind::kApi; }),
            1);
  EXPECT_EQ(api.name, "/club");
  EXPECT_EQ(api.title, "Club");
  std::string all;
  for (const ApiOperation& one : api.operations) {
    all += one.method + ' ' + one.path + ' ' + one.action + ' ' + one.response_type + '\n';
  }
  EXPECT_EQ(all,
            "GET /books /_/p/a json\nPOST /books /_/other http\nGET /books/{isbn} /_/p/a json\n"
            "PUT /more /_/q/b json\n");
  EXPECT_NE(
      error("packages: {p: {apis: {A: {b: {c: {d: ask}}}}}}\n").find(":1: api 'A', c: the method"),
      std::string::npos);
  EXPECT_NE(error("packages: {p: {apis: {A: {b: {c: {}}}}}}\n").find(":1: api 'A': an API must"),
            std::string::npos);
}

TEST_F(ProjectFile, PutsTheEnvironmentIntoInputs) {
  ::setenv("BERTH_TEST_DEPLOY", "secret", 1);
  const Project project = read(
      "packages: {p: {inputs: {a: $BERTH_TEST_DEPLOY, b: ['x-${BERTH_TEST_DEPLOY}-y'],"
      "c: $$BERTH_TEST_DEPLOY, d: cost 5$ or $5}}}");
  ::unsetenv("BERTH_TEST_DEPLOY");
  const ProjectEntity& package = project.entities[0];
  EXPECT_EQ(json::value(package.inputs),
            json::parse(R"({"a":"secret","b":["x-secret-y"],"c":"$BERTH_TEST_DEPLOY",
                            "d":"cost 5$ or $5"})"));
  EXPECT_EQ(package.hidden, (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(error("packages:\n p:\n  inputs:\n   a: 1\n   b: $BERTH_TEST_DEPLOY\n"),
            ":5: package 'p', inputs: $BERTH_TEST_DEPLOY is not set: export it, or write "
            "$$BERTH_TEST_DEPLOY if these characters are meant");
  EXPECT_NE(error("packages: {p: {inputs: {a: '${B-C}'}}}").find("names no variable"),
            std::string::npos);
  EXPECT_NE(error("packages: {p: {inputs: {a: '${B'}}}").find("has no '}'"), std::string::npos);
}

TEST_F(ProjectFile, TellsMistakesWithLineAndMend) {
  EXPECT_EQ(error("packages:\n p:\n  actions:\n   a:\n    funktion: hello.py\n"),
            ":5: action 'a': the key 'funktion' is not known here: there are function, runtime, "
            "kind, main, docker, web, inputs, annotations, limits, description");
  EXPECT_EQ(error("packages:\n p:\n  actions:\n   a:\n    function: lost.py\n"),
            ":5: action 'a': there is no file " + (folder_ / "lost.py").string() +
                ": paths are relative to this file");
  EXPECT_NE(action_error("function: .").find("Give it, for example 'runtime:"), std::string::npos);
  EXPECT_NE(action_error("function: /dev/null").find("neither a file nor a folder"),
            std::string::npos);
  EXPECT_NE(action_error("function: code.zip").find("Give it, for example 'runtime:"),
            std::string::npos);
  EXPECT_NE(action_error("function: 5").find("must be a text"), std::string::npos);
  EXPECT_NE(action_error("main: x").find("'function' is missing"), std::string::npos);
  EXPECT_NE(action_error("function: hello.py, limits: {timeout: 5 s}").find("without a unit"),
            std::string::npos);
  EXPECT_NE(action_error("function: hello.py, web: maybe").find("must be true or false"),
            std::string::npos);
  EXPECT_NE(action_error("function: hello.py, docker: i, runtime: python").find("exclude"),
            std::string::npos);
  EXPECT_NE(action_error("function: hello.py, inputs: {a: {type: string}}").find("no value"),
            std::string::npos);
  EXPECT_NE(action_error("function: hello.py, inputs: [1]").find("must be a map"),
            std::string::npos);
  EXPECT_NE(
      action_error("function: hello.py, annotations: {berth-project: x}").find("leave it out"),
      std::string::npos);
  EXPECT_NE(error("packages: {p: {triggers: {t: {annotations: {feed: x}}}}}").find("'feed: NAME'"),
            std::string::npos);
  EXPECT_NE(error("packages: {default: {inputs: {a: 1}}}").find("a name of its own"),
            std::string::npos);
  EXPECT_NE(error("packages: {p: {rules: {r: {trigger: t}}}}").find("'action' is missing"),
            std::string::npos);
  EXPECT_NE(error("packages: {p: {sequences: {s: {actions: 'a,,b'}}}}").find("an empty name"),
            std::string::npos);
  EXPECT_NE(error("project: {name: x}").find("'packages' is missing"), std::string::npos);
  EXPECT_NE(error("packages: {p: {actions: {a/b: {function: hello.py}}}}").find("no '/'"),
            std::string::npos);
}

TEST_F(ProjectFile, RefusesWhatIsThereTwiceOrNamesItself) {
  EXPECT_EQ(error("packages:\n p:\n  actions:\n   a: {function: hello.py}\n"
                  "  sequences:\n   a: {actions: b}\n"),
            ":6: sequence 'a': is in the file already, in line 4: give one of them another name");
  EXPECT_NE(error("packages: {p: {sequences: {a: {actions: b}, b: {actions: a}}}}")
                .find("has itself among its actions"),
            std::string::npos);
}

TEST_F(ProjectFile, BoundsSequencesInSequences) {
  std::string text = "packages:\n p:\n  sequences:\n";
  for (int i = 0; i < 5000; ++i) {
    text += "   s" + std::to_string(i) + ": {actions: s" + std::to_string(i + 1) + "}\n";
  }
  EXPECT_NE(error(text).find("50 deep"), std::string::npos);
}

TEST_F(ProjectFile, RefusesLargeAndMissingFiles) {
  EXPECT_NE(error("a: " + std::string(1024 * 1024, 'x')), "");
  EXPECT_THROW(read_project((folder_ / "none.yaml").string()), Exit);
}

}  // namespace
}  // namespace berth::cli
