// SPDX-License-Identifier: Apache-2.0
// What the engine writes: log files, frames, events, progress; and what is written to cgroups.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "docker/events.hpp"
#include "docker/freezer.hpp"
#include "docker/json_file.hpp"
#include "docker/multiplexed.hpp"
#include "docker/pause_image.hpp"
#include "docker/pull_progress.hpp"

namespace berth::docker {
namespace {

TEST(DockerTime, IsNanoseconds) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), 1'500'000'000);
  EXPECT_EQ(parse_time("2024-02-29T23:59:59.123456789Z"), 1709251199123456789);
  // The same second again, with another fraction.
  EXPECT_EQ(parse_time("2024-02-29T23:59:59.000000001Z"), 1709251199000000001);
  for (const char* bad :
       {"", "2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29 00:00:00Z",
        "2024-02-29T00:00:00", "2024-02-29T00:00:00.1x3Z", "1969-01-01T00:00:00Z",
        "2024-02-29T00:00:00+01:00", "9999-02-29T00:00:00Z"}) {
    EXPECT_EQ(parse_time(bad), -1) << bad;
  }
}

struct Line {
  int stream;
  std::int64_t time;
  bool partial;
  std::string text;
  bool operator==(const Line&) const = default;
};

std::optional<Line> line_of(std::string_view text) {
  LogRecord record;
  std::string scratch;
  if (!parse_json_line(text, record, scratch)) return std::nullopt;
  return Line{record.stream, record.time_ns, record.partial, std::string(record.text)};
}

constexpr char kTime[] = R"("time":"1970-01-01T00:00:01Z"})";

TEST(DockerJsonLine, IsUnderstood) {
  const auto out = [](const std::string& text) {
    return R"({"log":")" + text + R"(","stream":"stdout",)" + kTime;
  };
  const std::int64_t t = 1'000'000'000;
  EXPECT_EQ(line_of(out(R"(hello\n)")), (Line{1, t, false, "hello"}));
  EXPECT_EQ(line_of(out("hello")), (Line{1, t, true, "hello"}));
  EXPECT_EQ(line_of(out(R"(\n)")), (Line{1, t, false, ""}));
  EXPECT_EQ(line_of(out("")), (Line{1, t, true, ""}));
  EXPECT_EQ(line_of(out(R"(a\tb\"c\\d\n)")), (Line{1, t, false, "a\tb\"c\\d"}));
  EXPECT_EQ(line_of(out(R"(\\n)")), (Line{1, t, true, "\\n"}));
  EXPECT_EQ(line_of(out(R"(one\ntwo\n)")), (Line{1, t, false, "one\ntwo"}));
  EXPECT_EQ(line_of(out(R"(\u003c\u00e9\u20ac\ud83d\ude00\ud83d\n)")),
            (Line{1, t, false, "<\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd"}));
  EXPECT_EQ(line_of(R"({"log":"e\n","stream":"stderr",)" + std::string(kTime)),
            (Line{2, t, false, "e"}));
  // Other members, another order, spaces.
  EXPECT_EQ(line_of(R"({"log":"x\n","stream":"stderr","attrs":{"tag":"y"},)" + std::string(kTime)),
            (Line{2, t, false, "x"}));
  EXPECT_EQ(line_of(R"({ "stream": "stderr", "log": "x\n", )" + std::string(kTime)),
            (Line{2, t, false, "x"}));
  for (const std::string bad :
       {"", "{", "[]", R"({"log":"x)", R"({"log":"x\q","stream":"stdout","time":"t"})",
        R"({"log":"x\n","stream":"stdout","time":"never"})", R"({"log":1,"time":""})",
        "\0\0\0\0"}) {
    EXPECT_EQ(line_of(bad), std::nullopt) << bad;
  }
}

TEST(DockerJsonLine, OfTheUsualFormIsReadTheShortWay) {
  TimeReader times;
  LogRecord record;
  const std::string usual = R"({"log":"a b\n","stream":"stderr","time":"1970-01-01T00:00:01.5Z"})"
                            "\n";
  const std::string twice = usual + usual;
  EXPECT_EQ(parse_usual_line(twice, record, times), usual.size());
  EXPECT_EQ(record.text, "a b");
  EXPECT_EQ(record.stream, 2);
  EXPECT_EQ(record.time_ns, 1'500'000'000);
  EXPECT_FALSE(record.partial);
  // Everything shorter waits for its rest, and other forms take the long way.
  for (std::size_t n = 0; n < usual.size(); ++n) {
    EXPECT_EQ(parse_usual_line(std::string_view(usual).substr(0, n), record, times), 0u) << n;
  }
  for (const char* text : {"part", R"(a\tb\n)", R"(a\\n)", R"(\"\n)", ""}) {
    const std::string other = R"({"log":")" + std::string(text) +
                              R"(","stream":"stdout","time":"1970-01-01T00:00:01Z"})"
                              "\n";
    EXPECT_EQ(parse_usual_line(other, record, times), 0u) << text;
  }
  const std::string empty = R"({"log":"\n","stream":"stdout","time":"1970-01-01T00:00:01Z"})"
                            "\n";
  EXPECT_EQ(parse_usual_line(empty, record, times), empty.size());
  EXPECT_EQ(record.text, "");
}

class DockerJsonFile : public ::testing::Test {
 protected:
  DockerJsonFile() {
    char name[] = "/tmp/bdj-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ / "x-json.log";
  }
  ~DockerJsonFile() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  void write_line(const std::string& text) {
    write(R"({"log":")" + text + R"(\n","stream":"stdout",)" + kTime + "\n");
  }
  void rotate() {
    std::filesystem::rename(path_.string() + ".1", path_.string() + ".2", ignored_);
    std::filesystem::rename(path_, path_.string() + ".1");
  }
  // What the next read gives: texts, or the error's name.
  std::vector<std::string> read(JsonLogFile& file, std::uint64_t bytes = 1 << 20) {
    sdk::LogBatch batch;
    const sdk::Status status = file.read(cursor_, bytes, batch);
    if (!status.ok()) return {std::string(sdk::to_string(status.code()))};
    // A batch shows its records only to the host; their number and bytes are enough here.
    return {std::to_string(batch.size()) + " records, " + std::to_string(batch.bytes()) + " bytes"};
  }

  std::filesystem::path directory_, path_;
  std::error_code ignored_;
  FileCursor cursor_;
};

using Got = std::vector<std::string>;

TEST_F(DockerJsonFile, IsReadAsItGrows) {
  JsonLogFile file(path_);
  EXPECT_EQ(read(file), Got{"NOT_FOUND"});
  write("");
  EXPECT_EQ(read(file), Got{"0 records, 0 bytes"});
  write_line("one");
  write(R"({"log":"tw)");
  EXPECT_EQ(read(file), Got{"1 records, 3 bytes"});
  EXPECT_EQ(read(file), Got{"0 records, 0 bytes"});
  write("o\\n\",\"stream\":\"stdout\"," + std::string(kTime) + "\nnonsense\n");
  EXPECT_EQ(read(file), Got{"1 records, 3 bytes"});
  EXPECT_EQ(read(file), Got{"0 records, 0 bytes"});
}

TEST_F(DockerJsonFile, IsReadOnByAnotherReaderFromTheCursor) {
  for (int i = 0; i < 10; ++i) write_line("12345");
  {
    JsonLogFile file(path_);
    EXPECT_EQ(read(file, 12), Got{"3 records, 15 bytes"});
  }
  FileCursor parsed;
  ASSERT_TRUE(FileCursor::parse(cursor_.text(), parsed));
  EXPECT_EQ(parsed, cursor_);
  JsonLogFile file(path_);
  EXPECT_EQ(read(file), Got{"7 records, 35 bytes"});
}

TEST_F(DockerJsonFile, SaysThatItWasEmptiedInPlace) {
  JsonLogFile file(path_);
  write_line("one");
  write_line("two");
  EXPECT_EQ(read(file), Got{"2 records, 6 bytes"});
  std::filesystem::resize_file(path_, 0);
  EXPECT_EQ(read(file), Got{"OUT_OF_RANGE"});
  cursor_ = {};
  EXPECT_EQ(read(file), Got{"0 records, 0 bytes"});
  write_line("three");
  EXPECT_EQ(read(file), Got{"1 records, 5 bytes"});
  // And grown beyond the place since.
  std::filesystem::resize_file(path_, 0);
  write_line("something longer than what was there before");
  EXPECT_EQ(read(file), Got{"OUT_OF_RANGE"});
  cursor_ = {};
  EXPECT_EQ(read(file), Got{"1 records, 43 bytes"});
}

TEST_F(DockerJsonFile, FollowsRotations) {
  JsonLogFile file(path_);
  write_line("a");
  EXPECT_EQ(read(file), Got{"1 records, 1 bytes"});
  write_line("bb");
  rotate();
  write_line("ccc");
  rotate();
  write_line("dddd");
  EXPECT_EQ(read(file), Got{"1 records, 2 bytes"});
  EXPECT_EQ(read(file), Got{"1 records, 3 bytes"});
  EXPECT_EQ(read(file), Got{"1 records, 4 bytes"});
  EXPECT_EQ(read(file), Got{"0 records, 0 bytes"});
  // A reader from the oldest on.
  cursor_ = {};
  JsonLogFile all(path_);
  EXPECT_EQ(read(all), Got{"2 records, 3 bytes"});
}

TEST_F(DockerJsonFile, SaysWhenSomethingIsLost) {
  JsonLogFile file(path_);
  write_line("a");
  EXPECT_EQ(read(file), Got{"1 records, 1 bytes"});
  const FileCursor before = cursor_;
  // Held open, its end is still read; where it went on nobody knows.
  write_line("bb");
  std::filesystem::rename(path_, directory_ / "away");
  write_line("ccc");
  EXPECT_EQ(read(file), Got{"1 records, 2 bytes"});
  EXPECT_EQ(read(file), Got{"OUT_OF_RANGE"});
  cursor_ = before;
  JsonLogFile late(path_);
  EXPECT_EQ(read(late), Got{"OUT_OF_RANGE"});
  // The inode is there, the place is not a line's begin.
  cursor_ = {};
  EXPECT_EQ(read(late), Got{"1 records, 3 bytes"});
  cursor_.offset -= 2;
  JsonLogFile other(path_);
  EXPECT_EQ(read(other), Got{"OUT_OF_RANGE"});
  FileCursor cursor;
  for (const char* bad : {"x", "f", "f1", "f1.", "f0.1", "f1.2x", "t1.2"}) {
    EXPECT_FALSE(FileCursor::parse(bad, cursor)) << bad;
  }
}

TEST_F(DockerJsonFile, PassesOverWhatNoEngineWrote) {
  write(std::string(3u << 20, 'x'));
  write("\n");
  write_line("good");
  JsonLogFile file(path_);
  EXPECT_EQ(read(file), Got{"1 records, 4 bytes"});
}

std::string frame(int stream, const std::string& payload) {
  const auto n = payload.size();
  return std::string{static_cast<char>(stream),
                     0,
                     0,
                     0,
                     static_cast<char>(n >> 24),
                     static_cast<char>(n >> 16),
                     static_cast<char>(n >> 8),
                     static_cast<char>(n)} +
         payload;
}

TEST(DockerFrames, ComeInAnyPieces) {
  const std::string bytes = frame(1, "1970-01-01T00:00:01Z one\n") +
                            frame(2, "1970-01-01T00:00:02Z two") +
                            frame(2, "1970-01-01T00:00:02Z \n");
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    std::vector<Line> lines;
    FrameDecoder decoder([&](const LogRecord& r) {
      lines.push_back({r.stream, r.time_ns / 1'000'000'000, r.partial, std::string(r.text)});
    });
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      ASSERT_TRUE(decoder.feed(std::string_view(bytes).substr(at, piece)));
    }
    EXPECT_EQ(lines,
              (std::vector<Line>{{1, 1, false, "one"}, {2, 2, true, "two"}, {2, 2, false, ""}}));
  }
}

TEST(DockerFrames, RefuseWhatMakesNoSense) {
  for (const std::string& bad : {frame(3, "1970-01-01T00:00:01Z x"), frame(1, "no time"),
                                 frame(1, "nospace"), std::string("\1\0\0\0\xff\xff\xff\xff", 8)}) {
    FrameDecoder decoder([](const LogRecord&) { FAIL(); });
    EXPECT_FALSE(decoder.feed(bad));
    EXPECT_FALSE(decoder.feed(frame(1, "1970-01-01T00:00:01Z good")));
  }
}

TEST(DockerEvents, TellDeaths) {
  std::vector<std::string> told;
  EventParser parser([&](const Event& e) {
    told.push_back(e.id + " " + std::to_string(static_cast<int>(e.kind)) + " " +
                   std::to_string(e.exit_code) + " " + std::to_string(e.time_ns));
  });
  const std::string text =
      R"({"Action":"die","id":"a","Actor":{"ID":"a","Attributes":{"exitCode":"137"}},"timeNano":5})"
      "\r\n"
      R"({"Action":"oom","Actor":{"ID":"b"},"timeNano":6})"
      "\nnonsense\n[]\n{}\n"
      R"({"status":"die","id":"c"})"
      "\n"
      R"({"Action":"die","id":"d","Actor":{"Attributes":{"exitCode":"999"}}})"
      "\n"
      R"({"Action":"start","id":"e"})"
      "\n";
  for (const char c : text) ASSERT_TRUE(parser.feed(std::string_view(&c, 1)));
  EXPECT_EQ(told, (std::vector<std::string>{"a 0 137 5", "b 1 -1 6", "c 0 -1 0", "d 0 -1 0",
                                            "e 2 -1 0"}));
  EXPECT_FALSE(parser.feed(std::string(2u << 20, 'x')));
}

TEST(DockerPullProgress, TellsHowFarItIsAndWhyNot) {
  PullProgress progress;
  EXPECT_TRUE(progress.feed(
      R"({"status":"Pulling from a/b","id":"latest"})"
      "\n"
      R"({"status":"Downloading","id":"l1","progressDetail":{"current":1048576,"total":3145728}})"
      "\n{\"status\":\"Already exists\",\"id\":\"l2\"}\nnonsense\n"));
  EXPECT_EQ(progress.summary(), "1 of 3 MB, 1 of 2 layers");
  EXPECT_EQ(progress.error(), "");
  EXPECT_TRUE(progress.feed(R"({"errorDetail":{"message":"manifest unknown"}})"));
  progress.finish();
  EXPECT_EQ(progress.error(), "manifest unknown");
  EXPECT_FALSE(progress.feed(std::string(2u << 20, 'x')));
}

TEST(DockerPauseImage, IsATarOfOneFile) {
  const std::string tar = pause_image_tar();
  EXPECT_EQ(tar.substr(0, 5), "pause");
  EXPECT_EQ(tar.substr(257, 5), "ustar");
  EXPECT_EQ(tar.size() % 512, 0u);
  EXPECT_EQ(tar.substr(512, 4),
            "\x7f"
            "ELF");
  EXPECT_LT(tar.size(), 16384u);
  EXPECT_TRUE(pause_image_name().starts_with("berth/pause:"));
}

class DockerFreezer : public ::testing::Test {
 protected:
  DockerFreezer() {
    char name[] = "/tmp/bdf-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~DockerFreezer() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string get(const std::string& path) const {
    std::ifstream file(root_ / path);
    std::string line;
    std::getline(file, line);
    return line;
  }
  std::filesystem::path root_;
  const std::string id_ = std::string(64, 'a');
};

TEST_F(DockerFreezer, FindsAndWritesTheGroup) {
  EXPECT_FALSE(Freezer::find(id_, 0, root_));
  const std::string v1 = "freezer/docker/" + id_ + "/";
  put(v1 + "freezer.state", "THAWED\n");
  put(v1 + "cgroup.procs", "");
  EXPECT_FALSE(Freezer::find(id_, 0, root_)) << "an empty group freezes nobody";
  put(v1 + "cgroup.procs", "1\n");
  auto freezer = Freezer::find(id_, 0, root_);
  ASSERT_TRUE(freezer);
  EXPECT_TRUE(freezer->thawed());
  EXPECT_TRUE(freezer->freeze().ok());
  EXPECT_EQ(get(v1 + "freezer.state").substr(0, 6), "FROZEN");
  EXPECT_TRUE(freezer->frozen());

  const std::string v2 = "system.slice/docker-" + id_ + ".scope/";
  put(v2 + "cgroup.freeze", "0\n");
  put(v2 + "cgroup.events", "populated 1\nfrozen 1\n");
  put(v2 + "cgroup.procs", "1\n");
  freezer = Freezer::find(id_, 0, root_);
  ASSERT_TRUE(freezer);
  EXPECT_TRUE(freezer->thawed());
  EXPECT_TRUE(freezer->freeze().ok());
  EXPECT_EQ(get(v2 + "cgroup.freeze").substr(0, 1), "1");
  EXPECT_TRUE(freezer->frozen());
  EXPECT_TRUE(freezer->thaw().ok());
  EXPECT_EQ(get(v2 + "cgroup.freeze").substr(0, 1), "0");
  std::filesystem::remove_all(root_ / "system.slice");
  EXPECT_EQ(freezer->freeze().code(), sdk::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace berth::docker
