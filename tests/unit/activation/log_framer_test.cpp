// SPDX-License-Identifier: Apache-2.0
#include "activation/log_framer.hpp"

#include <gtest/gtest.h>

#include "activation/utf8.hpp"

namespace berth::activation {
namespace {

using plugin::Stream;

TEST(Utf8, ValidTextIsLeftAlone) {
  for (const char* text : {"", "plain", "é€😀", "\xf4\x8f\xbf\xbf", "12345678é"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(to_utf8(text), text);
  }
}

TEST(Utf8, WrongPartsAreReplaced) {
  EXPECT_EQ(to_utf8("a\xff"
                    "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(to_utf8("\xc3"), "\xef\xbf\xbd");
  EXPECT_EQ(to_utf8("\xe2\x82z"), "\xef\xbf\xbdz") << "one for the whole beginning";
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "surrogate";
  EXPECT_EQ(to_utf8("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd") << "overlong";
  EXPECT_EQ(to_utf8("\xf5"), "\xef\xbf\xbd");
  EXPECT_FALSE(is_utf8("12345678\x80"));
  EXPECT_TRUE(is_utf8(to_utf8("\xf0\x9f\x98 \xf0\x9f\x98\x80")));
}

TEST(Utf8, CutsAtACharacter) {
  EXPECT_EQ(utf8_cut("abc", 2), 2u);
  EXPECT_EQ(utf8_cut("abc", 9), 3u);
  EXPECT_EQ(utf8_cut("aé", 2), 1u);
  EXPECT_EQ(utf8_cut("😀x", 3), 0u);
  EXPECT_EQ(utf8_cut("😀x", 4), 4u);
  EXPECT_EQ(utf8_cut("\x80\x80\x80\x80\x80\x80", 5), 5u);
}

class Framing : public testing::Test, public LogFramer::Sink {
 protected:
  void on_line(Stream stream, std::int64_t time_ns, bool, std::string text) override {
    seen.push_back((stream == Stream::kStderr ? "err " : "out ") + text);
    times.push_back(time_ns);
  }
  void on_sentinel(Stream stream) override {
    seen.push_back(stream == Stream::kStderr ? "err END" : "out END");
    times.push_back(0);
  }
  void feed(std::string bytes, bool partial = false, Stream stream = Stream::kStdout,
            std::int64_t time_ns = 1) {
    plugin::LogRecord record;
    record.stream = stream;
    record.partial_line = partial;
    record.time_ns = time_ns;
    record.bytes = bytes;
    framer.feed(record, *this);
  }
  using Seen = std::vector<std::string>;

  LogFramer framer{100};
  Seen seen;
  std::vector<std::int64_t> times;
  const std::string end{kSentinel};
};

TEST_F(Framing, LinesAndSentinels) {
  feed("hello");
  feed("");
  feed(end);
  feed("oops", false, Stream::kStderr);
  feed(end, false, Stream::kStderr);
  EXPECT_EQ(seen, (Seen{"out hello", "out ", "out END", "err oops", "err END"}));
}

TEST_F(Framing, OutputGluedToTheSentinelIsKept) {
  feed("no newline" + end);
  EXPECT_EQ(seen, (Seen{"out no newline", "out END"}));
}

TEST_F(Framing, OnlyTheEndOfALineIsASentinel) {
  feed(end + " said the function");
  feed("XXX_THE_END");
  feed(end + "\r");
  EXPECT_EQ(seen, (Seen{"out " + end + " said the function", "out XXX_THE_END", "out END"}));
}

TEST_F(Framing, PiecesAreJoinedByStream) {
  feed("a", true, Stream::kStdout, 7);
  feed("x", true, Stream::kStderr, 8);
  feed("b", true, Stream::kStdout, 9);
  feed("c", false, Stream::kStdout, 10);
  feed("y", false, Stream::kStderr, 11);
  EXPECT_EQ(seen, (Seen{"out abc", "err xy"}));
  EXPECT_EQ(times, (std::vector<std::int64_t>{7, 8})) << "a line has the time of its beginning";
}

TEST_F(Framing, ASentinelInPieces) {
  feed("tail" + end.substr(0, 5), true);
  feed(end.substr(5), true);
  feed("");
  EXPECT_EQ(seen, (Seen{"out tail", "out END"}));
}

TEST_F(Framing, LineEndsInsideARecord) {
  feed("one\ntwo\nthr", true);
  feed("ee\n" + end + "\nnext", true);
  feed("");
  EXPECT_EQ(seen, (Seen{"out one", "out two", "out three", "out END", "out next"}));
}

TEST_F(Framing, ARecordThatKeepsItsLineEnd) {
  feed("one\n");
  feed("two\n");
  EXPECT_EQ(seen, (Seen{"out one", "out two"}));
}

TEST_F(Framing, LongLinesAreCutAndMemoryIsBounded) {
  feed(std::string(250, 'x'));
  EXPECT_EQ(seen, (Seen{"out " + std::string(100, 'x'), "out " + std::string(100, 'x'),
                        "out " + std::string(50, 'x')}));
  seen.clear();
  for (int i = 0; i < 1000; ++i) feed("0123456789", true);
  EXPECT_GE(seen.size(), 98u);
  for (const std::string& line : seen) EXPECT_LE(line.size(), 104u);
}

TEST_F(Framing, ACutNeverGoesThroughASentinelOrACharacter) {
  for (std::size_t before = 60; before < 140; ++before) {
    seen.clear();
    feed(std::string(before, 'x'), true);
    for (const char c : end) feed(std::string(1, c), true);
    feed("");
    ASSERT_EQ(seen.back(), "out END") << before;
    std::size_t bytes = 0;
    for (const std::string& line : seen) bytes += line.size() - 4;
    ASSERT_EQ(bytes, before + 3);
  }
  seen.clear();
  std::string euros;
  for (int i = 0; i < 200; ++i) euros += "€";
  feed(euros);
  std::string joined;
  for (const std::string& line : seen) {
    EXPECT_TRUE(is_utf8(line));
    joined += line.substr(4);
  }
  EXPECT_EQ(joined, euros);
}

TEST_F(Framing, BytesThatAreNoTextAreReplaced) {
  feed(
      "a\xff"
      "b");
  EXPECT_EQ(seen, (Seen{"out a\xef\xbf\xbd"
                        "b"}));
}

TEST_F(Framing, FlushMakesALineOfWhatStands) {
  feed("half", true);
  framer.flush(Stream::kStderr, *this);
  EXPECT_TRUE(seen.empty());
  framer.flush(Stream::kStdout, *this);
  framer.flush(Stream::kStdout, *this);
  EXPECT_EQ(seen, (Seen{"out half"}));
  feed("lost", true);
  framer.reset();
  feed("kept");
  EXPECT_EQ(seen.back(), "out kept");
}

}  // namespace
}  // namespace berth::activation
