// SPDX-License-Identifier: Apache-2.0
// The CLI's parts that need no berthd. The commands themselves are tested in
// tests/integration/rest.
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/base64.hpp"
#include "code_file.hpp"
#include "environment.hpp"
#include "exit_code.hpp"
#include "folder_zip.hpp"
#include "http.hpp"
#include "output.hpp"
#include "parameters.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    std::string pattern = (fs::temp_directory_path() / "berth-cli-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    for (const char* name :
         {"BERTH_DATA_DIR", "BERTH_APIHOST", "BERTH_AUTH", "BERTH_PLUGINS__DIRECTORY"}) {
      ::unsetenv(name);
    }
  }
  ~CliTest() override { fs::remove_all(folder); }

  std::string file(const std::string& name, const std::string& content) {
    const fs::path path = folder / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  static ExitCode code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Exit& end) {
      return end.code();
    }
    return ExitCode::kOk;
  }

  fs::path folder;
};

TEST_F(CliTest, GuessesKinds) {
  EXPECT_EQ(guess_kind("a.py", ""), "python:default");
  EXPECT_EQ(guess_kind("dir.zip/a.js", ""), "nodejs:default");
  EXPECT_EQ(guess_kind("program",
                       "\x7f"
                       "ELF\x02"),
            "native:default");
  EXPECT_EQ(guess_kind("script", "#!/bin/sh\n"), "native:default");
  EXPECT_EQ(guess_kind("script.py", "#!/usr/bin/python3\n"), "python:default");
  EXPECT_EQ(guess_kind("code.zip", "PK\x03\x04"), "");
  EXPECT_EQ(guess_kind("-", "def main"), "");
}

// Read back by another program's eyes: the names and contents stand in the central directory.
TEST_F(CliTest, AFolderIsAZipThatIsAlwaysTheSame) {
  const auto fill = [this](const std::string& name) {
    fs::create_directories(folder / name / "lib");
    fs::create_directories(folder / name / ".git");
    file(name + "/index.js", "exports.main = require('./lib/a');");
    file(name + "/lib/a.js", "module.exports = () => ({});");
    file(name + "/.git/config", "secret");
    file(name + "/.DS_Store", "x");
  };
  fill("one");
  fill("two");
  fs::last_write_time(folder / "two/index.js", fs::file_time_type() + std::chrono::hours(1));
  const std::string bytes = zip_folder(folder / "one");
  EXPECT_TRUE(bytes.starts_with("PK\x03\x04"));
  EXPECT_EQ(bytes, zip_folder(folder / "two"));
  EXPECT_NE(bytes.find("lib/a.js"), std::string::npos);
  EXPECT_EQ(bytes.find("config"), std::string::npos);
  EXPECT_EQ(bytes.find("DS_Store"), std::string::npos);
  file("two/lib/a.js", "module.exports = () => 1;");
  EXPECT_NE(bytes, zip_folder(folder / "two"));

  const Code code = read_code((folder / "one").string(), "");
  EXPECT_EQ(code.kind, "nodejs:default");
  EXPECT_TRUE(code.binary);
  EXPECT_EQ(code.text, base64_encode(bytes));
  fs::create_directory(folder / "empty");
  EXPECT_EQ(code_of([&] { zip_folder(folder / "empty"); }), ExitCode::kUsage);
  fs::create_directory_symlink(folder / "one", folder / "two" / "link");
  EXPECT_EQ(code_of([&] { zip_folder(folder / "two"); }), ExitCode::kUsage);
}

TEST_F(CliTest, EncodesWhatIsNoText) {
  const Code text = read_code(file("a.py", "def main(a): return {'ä': 1}\n"), "");
  EXPECT_FALSE(text.binary);
  EXPECT_EQ(text.text, "def main(a): return {'ä': 1}\n");
  const Code archive = read_code(file("a.zip", "PK\x03\x04more"), "python:3");
  EXPECT_TRUE(archive.binary);
  EXPECT_EQ(archive.kind, "python:3");
  EXPECT_EQ(archive.text, base64_encode("PK\x03\x04more"));
  EXPECT_TRUE(read_code(file("script", "#!/bin/sh\n"), "").binary);
  EXPECT_TRUE(is_binary("\xff\xfe", "python:3"));
  EXPECT_TRUE(is_binary("\xc3", "python:3"));
  EXPECT_TRUE(is_binary(std::string_view("a\0b", 3), "python:3"));
}

TEST_F(CliTest, RefusesFilesThatAreNone) {
  EXPECT_EQ(code_of([this] { read_code((folder / "absent").string(), ""); }), ExitCode::kUsage);
  EXPECT_EQ(code_of([this] { read_code(file("empty.py", ""), ""); }), ExitCode::kUsage);
}

TEST_F(CliTest, ReadsValuesAsJsonOrText) {
  EXPECT_EQ(parse_value("1"), boost::json::value(1));
  EXPECT_EQ(parse_value("true"), boost::json::value(true));
  EXPECT_EQ(parse_value("hello world"), boost::json::value("hello world"));
  EXPECT_EQ(parse_value("\"1\""), boost::json::value("1"));
  EXPECT_EQ(boost::json::serialize(parse_value("[1,{\"a\":null}]")), "[1,{\"a\":null}]");
  EXPECT_EQ(parse_value("{broken"), boost::json::value("{broken"));
  EXPECT_EQ(parse_value(""), boost::json::value(""));
}

TEST_F(CliTest, PutsPairsOverTheFile) {
  const std::string path = file("p.json", R"({"a": 1, "b": 2})");
  const auto parameters = parse_parameters(path, {{"b", "x"}, {"c", "3"}});
  EXPECT_EQ(boost::json::serialize(parameters), R"({"a":1,"b":"x","c":3})");
  EXPECT_EQ(boost::json::serialize(to_list(parse_parameters("", {{"k", "v"}}), true)),
            R"([{"key":"k","value":"v","init":true}])");
  EXPECT_EQ(code_of([&] { parse_parameters(file("bad.json", "{"), {}); }), ExitCode::kUsage);
  EXPECT_EQ(code_of([&] { parse_parameters(file("list.json", "[]"), {}); }), ExitCode::kUsage);
  EXPECT_EQ(code_of([&] { parse_parameters("", {{"", "x"}}); }), ExitCode::kUsage);
}

TEST_F(CliTest, IndentsJson) {
  EXPECT_EQ(pretty(boost::json::parse(R"({"b":[1,{"c":"x\"y"}],"a":{},"e":[]})")),
            "{\n  \"b\": [\n    1,\n    {\n      \"c\": \"x\\\"y\"\n    }\n  ],\n  \"a\": {},\n"
            "  \"e\": []\n}\n");
  EXPECT_EQ(pretty(boost::json::value(nullptr)), "null\n");
}

TEST_F(CliTest, AlignsTables) {
  EXPECT_EQ(table({{"NAME", "X"}, {"ä", "1"}, {"longer", "2"}}),
            "NAME    X\nä       1\nlonger  2\n");
  EXPECT_EQ(table({{"a\x1b[31m\n", "b"}}),
            "a?[31m?  b\n");  // no escapes of the server's reach the terminal
}

TEST_F(CliTest, TablesFitTheTerminal) {
  const std::string id(32, 'a');
  const Rows rows = {{"ACTIVATION ID", "NAME", "STATUS"},
                     {id, "a-name-that-is-quite-long", "success"}};
  EXPECT_EQ(table(rows, {.width = 200}), table(rows));
  EXPECT_EQ(table(rows, {.width = 58}),
            "ACTIVATION ID                     NAME             STATUS\n" + id +
                "  a-name-that-is…  success\n");
  // An id is never cut, nor anything to nothing.
  EXPECT_EQ(table(rows, {.width = 10}), "ACTIVATION ID                     NAME          STATUS\n" +
                                            id + "  a-name-that…  success\n");
  EXPECT_EQ(table({{"NAME"}, {"ääääääääääääää"}}, {.width = 12}), "NAME\näääääääääää…\n");
  EXPECT_EQ(table({}), "");
}

TEST_F(CliTest, ColoursAreOnlyWhereThereAreSome) {
  const Rows rows = {{"STATUS", "X"}, {"success", "1"}, {"failed", "2"}};
  EXPECT_EQ(table(rows).find('\x1b'), std::string::npos);
  EXPECT_EQ(table(rows, {.colours = true}),
            "\x1b[1mSTATUS\x1b[0m   \x1b[1mX\x1b[0m\n\x1b[32msuccess\x1b[0m  1\n"
            "\x1b[31mfailed\x1b[0m   2\n");
}

TEST_F(CliTest, FormatsTimes) {
  EXPECT_EQ(format_time(1'561'397'400'914), "2019-06-24 17:30:00");
  EXPECT_EQ(format_duration(56), "56 ms");
  EXPECT_EQ(format_duration(3'210), "3.2 s");
}

TEST_F(CliTest, EncodesPathSegments) {
  EXPECT_EQ(encode_segment("a b/c?ä"), "a%20b%2Fc%3F%C3%A4");
  EXPECT_EQ(encode_segment("a-b_c.d@e"), "a-b_c.d@e");
}

TEST_F(CliTest, ChoosesTheScheme) {
  EXPECT_EQ(with_scheme("127.0.0.1:3233"), "http://127.0.0.1:3233");
  EXPECT_EQ(with_scheme("localhost"), "http://localhost");
  EXPECT_EQ(with_scheme("[::1]:80"), "http://[::1]:80");
  EXPECT_EQ(with_scheme("berth.example.com"), "https://berth.example.com");
  EXPECT_EQ(with_scheme("localhost.example.com"), "https://localhost.example.com");
  EXPECT_EQ(with_scheme("http://berth.example.com/"), "http://berth.example.com");
}

TEST_F(CliTest, FindsAddressAndKey) {
  GlobalOptions options;
  options.data_dir = folder.string();
  EXPECT_EQ(code_of([&] { api_host(options); }), ExitCode::kUnreachable);
  EXPECT_EQ(code_of([&] { auth_key(options); }), ExitCode::kUnreachable);
  file("apihost", "http://127.0.0.1:4000\n");
  file("guest.auth", "uuid:secret\n");
  EXPECT_EQ(api_host(options), "http://127.0.0.1:4000");
  EXPECT_EQ(auth_key(options), "uuid:secret");
  EXPECT_EQ(admin_socket(options), folder / "admin.sock");
  ::setenv("BERTH_APIHOST", "elsewhere:1", 1);
  ::setenv("BERTH_AUTH", "other:key", 1);
  EXPECT_EQ(api_host(options), "https://elsewhere:1");
  EXPECT_EQ(auth_key(options), "other:key");
  options.api_host = "127.0.0.1:5";
  EXPECT_EQ(api_host(options), "http://127.0.0.1:5");
}

TEST_F(CliTest, FindsTheDataDirectory) {
  GlobalOptions options;
  ::setenv("BERTH_DATA_DIR", "/env", 1);
  EXPECT_EQ(data_directory(options), "/env");
  options.data_dir = "/option";
  EXPECT_EQ(data_directory(options), "/option");
  ::unsetenv("BERTH_DATA_DIR");
  options.data_dir.clear();
  if (::geteuid() == 0) {
    EXPECT_EQ(data_directory(options), "/var/lib/berth");
  } else {
    ::setenv("XDG_STATE_HOME", "/state", 1);
    EXPECT_EQ(data_directory(options), "/state/berth");
  }
}

TEST_F(CliTest, SaysWhoDoesNotAnswer) {
  HttpRequest request;
  request.unix_socket = (folder / "absent.sock").string();
  request.url = "http://localhost/status";
  const auto reply = exchange(request);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code(), StatusCode::kUnavailable);
  EXPECT_NE(reply.error().message().find("absent.sock"), std::string::npos);
  request.unix_socket.clear();
  request.url = "ftp://localhost/";
  EXPECT_FALSE(exchange(request).has_value());
}

}  // namespace
}  // namespace berth::cli
