// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands.hpp"

namespace berth::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

// The real commands, and a server that has one of each kind.
class CompletionTest : public testing::Test {
 protected:
  CompletionTest() : program_("", "berth") {
    const auto options = std::make_shared<GlobalOptions>();
    program_.add_option("--data-dir", options->data_dir)->type_name("DIR");
    program_.add_option("--apihost", options->api_host);
    program_.add_flag("-i,--insecure", options->insecure);
    program_.add_flag("--json", options->json);
    program_.fallthrough();
    add_action_commands(program_, options);
    add_activation_commands(program_, options);
    add_deploy_commands(program_, options);
    add_namespace_commands(program_, options);
    add_package_commands(program_, options);
    add_plugin_commands(program_, options);
    add_rule_commands(program_, options);
    add_trigger_commands(program_, options);
    add_completion_commands(program_);
  }

  Completion whole(std::vector<std::string> words) {
    return complete(
        program_, words,
        [this](const GlobalOptions& options, std::string_view kind, const std::string& begin) {
          asked_with_ = options;
          begin_ = begin;
          if (kind == "NAME" || kind == "TEXT") return std::vector<Candidate>{};
          return std::vector<Candidate>{{"my" + std::string(kind), "of the server"}};
        });
  }
  std::vector<std::string> texts(std::vector<std::string> words) {
    std::vector<std::string> found;
    for (const Candidate& candidate : whole(std::move(words)).candidates) {
      found.push_back(candidate.text);
    }
    return found;
  }

  CLI::App program_;
  GlobalOptions asked_with_;
  std::string begin_;
};

TEST_F(CompletionTest, Commands) {
  EXPECT_THAT(texts({""}), IsSupersetOf({"action", "activation", "deploy", "rule", "completion"}));
  EXPECT_THAT(texts({"act"}), ElementsAre("action", "activation"));
  EXPECT_THAT(texts({"action", "in"}), ElementsAre("invoke"));
  EXPECT_THAT(texts({"--json", "action", "in"}), ElementsAre("invoke"));
  EXPECT_THAT(texts({"namespace", "key", ""}),
              ElementsAre("show", "list", "create", "rotate", "delete"));
  EXPECT_THAT(texts({"nothing-of-that-name", "x"}), IsEmpty());
  EXPECT_THAT(texts({}), Contains("action"));
  EXPECT_EQ(whole({"action", "inv"}).candidates[0].help, "run an action");
}

TEST_F(CompletionTest, NamesByWhatTheArgumentIs) {
  EXPECT_THAT(texts({"action", "invoke", ""}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"action", "create", ""}), IsEmpty());  // it is new
  EXPECT_THAT(texts({"action", "update", "my"}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"package", "delete", ""}), ElementsAre("myPACKAGE"));
  EXPECT_THAT(texts({"trigger", "fire", ""}), ElementsAre("myTRIGGER"));
  EXPECT_THAT(texts({"rule", "create", "new", ""}), ElementsAre("myTRIGGER"));
  EXPECT_THAT(texts({"rule", "create", "new", "t", ""}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"rule", "create", "new", "t", "a", ""}), IsEmpty());
  EXPECT_THAT(texts({"activation", "logs", ""}), ElementsAre("myACTIVATION"));
  EXPECT_THAT(texts({"namespace", "limits", ""}), ElementsAre("myNAMESPACE"));
  EXPECT_THAT(texts({"action", "invoke", "other"}), IsEmpty());  // begins otherwise
}

TEST_F(CompletionTest, Options) {
  EXPECT_THAT(texts({"action", "invoke", "--"}),
              IsSupersetOf({"--param", "--result", "--json", "--help", "--data-dir"}));
  EXPECT_THAT(texts({"action", "invoke", "-"}), IsSupersetOf({"-p", "-r", "--result"}));
  EXPECT_THAT(texts({"action", "invoke", "--r"}), ElementsAre("--result"));
  EXPECT_THAT(texts({"action", "get", "--"}), Not(Contains("--result")));
  // After "--" there are only arguments.
  EXPECT_THAT(texts({"action", "invoke", "--", "--r"}), IsEmpty());
  EXPECT_THAT(texts({"action", "invoke", "--", ""}), ElementsAre("myACTION"));
}

TEST_F(CompletionTest, ValuesOfOptions) {
  EXPECT_THAT(texts({"action", "create", "a", "--web", ""}),
              ElementsAre("yes", "true", "no", "false", "raw"));
  EXPECT_THAT(texts({"action", "create", "a", "--web", "r"}), ElementsAre("raw"));
  EXPECT_THAT(texts({"action", "create", "a", "--web=r"}), ElementsAre("--web=raw"));
  EXPECT_THAT(texts({"action", "create", "a", "--kind", ""}), ElementsAre("myKIND"));
  EXPECT_THAT(texts({"trigger", "create", "t", "-f", ""}), ElementsAre("myFEED"));
  EXPECT_THAT(texts({"action", "update", "a", "--sequence", "x,y,my"}),
              ElementsAre("x,y,myACTION"));
  EXPECT_EQ(begin_, "my");
  EXPECT_THAT(texts({"action", "update", "a", "--sequence=x,"}),
              ElementsAre("--sequence=x,myACTION"));
  EXPECT_THAT(texts({"action", "update", "a", "--nothing=x"}), IsEmpty());
}

TEST_F(CompletionTest, WordsOfOptionsAreNoArguments) {
  EXPECT_THAT(texts({"action", "invoke", "-p", "key", "value", ""}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"action", "invoke", "-p", "key", ""}), IsEmpty());
  EXPECT_THAT(texts({"action", "invoke", "-pkey", "value", ""}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"action", "invoke", "-br", ""}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"action", "invoke", "--wait=5", "my"}), ElementsAre("myACTION"));
  EXPECT_THAT(texts({"action", "invoke", "my-name", "-"}), Contains("--result"));
}

TEST_F(CompletionTest, Files) {
  EXPECT_TRUE(whole({"deploy", ""}).files);
  EXPECT_TRUE(whole({"action", "create", "a", ""}).files);
  EXPECT_TRUE(whole({"action", "create", "a", "-P", "x"}).files);
  EXPECT_FALSE(whole({"action", "invoke", ""}).files);
  const Completion plugin = whole({"plugin", "inspect", ""});
  EXPECT_TRUE(plugin.files);
  EXPECT_EQ(plugin.candidates.at(0).text, "myPLUGIN");
}

TEST_F(CompletionTest, TheServerIsAskedAsTheLineSays) {
  texts({"--data-dir", "/there", "action", "-i", "--apihost=host:1", "invoke", ""});
  EXPECT_EQ(asked_with_.data_dir, "/there");
  EXPECT_EQ(asked_with_.api_host, "host:1");
  EXPECT_TRUE(asked_with_.insecure);
}

TEST_F(CompletionTest, EachNameIsWhatTheParserTakes) {
  // What is offered for a command is one of its commands or options, so it cannot drift.
  for (const std::string& word : texts({""})) {
    EXPECT_NE(program_.get_subcommand(word), nullptr);
    for (const std::string& option : texts({word, "--"})) {
      const CLI::App* command = program_.get_subcommand(word);
      EXPECT_TRUE(command->get_option_no_throw(option) != nullptr ||
                  program_.get_option_no_throw(option) != nullptr)
          << word << ' ' << option;
    }
  }
}

TEST(CompletionLines, OneEach) {
  EXPECT_EQ(to_lines({{{"a", "help"}, {"b\nc", ""}}, false}), "a\thelp\nb?c\n");
  EXPECT_EQ(to_lines({{}, true}), ":files\n");
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_THAT(std::string(completion_script(shell)), testing::HasSubstr(kCompleteWord));
  }
}

}  // namespace
}  // namespace berth::cli
