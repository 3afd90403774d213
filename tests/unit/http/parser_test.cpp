// SPDX-License-Identifier: Apache-2.0
#include "http/parser.hpp"

#include <gmock/gmock.h>
#include <string>

#include "parser_samples.hpp"

namespace berth::http {
namespace {

using testing::request_samples;
using testing::response_samples;
using testing::Sample;

ParserLimits small_limits() {
  ParserLimits limits;
  limits.max_body_bytes = 1'000'000;
  return limits;
}

// A parser with its buffer, fed piece by piece.
struct Feed {
  Feed(Parser::Kind kind, const ParserLimits& limits) : parser(kind, limits) {}
  Parser::State add(std::string_view piece) {
    std::string moved;  // never where it was: views into an old buffer would be noticed
    moved.reserve(buffer.size() + piece.size());
    moved.append(buffer).append(piece);
    buffer = std::move(moved);
    std::size_t size = buffer.size();
    const Parser::State state = parser.parse(buffer.data(), size);
    EXPECT_LE(size, buffer.size());
    buffer.resize(size);
    return state;
  }
  Parser parser;
  std::string buffer;
};

void expect_outcome(Feed& feed, const Sample& sample, const std::string& how) {
  SCOPED_TRACE(sample.name + ", " + how);
  if (sample.status != 0) {
    ASSERT_EQ(feed.parser.state(), Parser::State::kError);
    EXPECT_EQ(feed.parser.status(), sample.status) << feed.parser.error();
    EXPECT_FALSE(feed.parser.error().empty());
    return;
  }
  ASSERT_EQ(feed.parser.state(), Parser::State::kDone) << feed.parser.error();
  EXPECT_EQ(feed.parser.body(feed.buffer.data()), sample.body);
  EXPECT_EQ(feed.buffer.substr(feed.parser.message_size()), sample.rest);
}

void check(const Sample& sample, Parser::Kind kind) {
  const std::string_view bytes = sample.bytes;
  {
    Feed whole(kind, small_limits());
    whole.add(bytes);
    if (kind == Parser::Kind::kResponse) whole.parser.finish();
    expect_outcome(whole, sample, "at once");
  }
  const std::size_t step = bytes.size() > 4096 ? bytes.size() / 61 : 1;
  for (std::size_t cut = 1; cut < bytes.size(); cut += step) {
    Feed split(kind, small_limits());
    if (split.add(bytes.substr(0, cut)) != Parser::State::kError) split.add(bytes.substr(cut));
    if (split.parser.state() == Parser::State::kDone && split.buffer.size() < sample.rest.size()) {
      continue;
    }
    if (kind == Parser::Kind::kResponse) split.parser.finish();
    expect_outcome(split, sample, "split at " + std::to_string(cut));
  }
  if (bytes.size() > 4096) return;
  Feed single(kind, small_limits());
  for (const char byte : bytes) {
    // What follows a complete message stays with the owner.
    if (single.parser.state() == Parser::State::kDone) {
      single.buffer.push_back(byte);
    } else if (single.add(std::string_view(&byte, 1)) == Parser::State::kError) {
      break;
    }
  }
  if (kind == Parser::Kind::kResponse) single.parser.finish();
  expect_outcome(single, sample, "byte by byte");
}

TEST(ParserTest, TakesAndRefusesRequestsHoweverTheyAreSplit) {
  for (const Sample& sample : request_samples()) check(sample, Parser::Kind::kRequest);
}

TEST(ParserTest, TakesAndRefusesResponsesHoweverTheyAreSplit) {
  for (const Sample& sample : response_samples()) check(sample, Parser::Kind::kResponse);
}

TEST(ParserTest, ReadsRequestLineFieldsAndBody) {
  Feed feed(Parser::Kind::kRequest, {});
  feed.add(
      "POST /a%20b?x=1?y HTTP/1.1\r\nHost: h\r\nX-Request-ID: \t7 \r\nEmpty:\r\n"
      "content-length: 3\r\n\r\nabc");
  ASSERT_EQ(feed.parser.state(), Parser::State::kDone);
  const Request request = feed.parser.request(feed.buffer.data());
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a%20b?x=1?y");
  EXPECT_EQ(request.path, "/a%20b");
  EXPECT_EQ(request.query, "x=1?y");
  EXPECT_EQ(request.body, "abc");
  ASSERT_EQ(request.headers.size(), 4u);
  EXPECT_EQ(request.header("x-request-id"), "7");
  EXPECT_EQ(request.header("EMPTY"), "");
  EXPECT_EQ(request.header("none"), std::nullopt);
}

TEST(ParserTest, GivesAbsoluteFormAsOriginForm) {
  Feed feed(Parser::Kind::kRequest, {});
  feed.add("GET http://H:80/a?b HTTP/1.1\r\nHost: h:80\r\n\r\n");
  EXPECT_EQ(feed.parser.request(feed.buffer.data()).target, "/a?b");
  Feed bare(Parser::Kind::kRequest, {});
  bare.add("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(bare.parser.request(bare.buffer.data()).path, "/");
}

TEST(ParserTest, KnowsWhetherTheConnectionGoesOn) {
  const auto keeps = [](std::string_view version, std::string_view field) {
    Feed feed(Parser::Kind::kRequest, {});
    feed.add("GET / " + std::string(version) + "\r\nHost: h\r\n" + std::string(field) + "\r\n");
    EXPECT_EQ(feed.parser.state(), Parser::State::kDone);
    return feed.parser.keep_alive();
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: x, close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.1", "Proxy-Connection: close\r\n"));
}

TEST(ParserTest, KnowsExpectations) {
  const auto expectation = [](std::string_view line, std::string_view fields) {
    Feed feed(Parser::Kind::kRequest, {});
    feed.add(std::string(line) + "\r\nHost: h\r\nContent-Length: 1\r\n" + std::string(fields) +
             "\r\n");
    EXPECT_EQ(feed.parser.state(), Parser::State::kBody);
    return feed.parser.expect();
  };
  EXPECT_EQ(expectation("PUT / HTTP/1.1", ""), Parser::Expect::kNothing);
  EXPECT_EQ(expectation("PUT / HTTP/1.1", "Expect: 100-Continue\r\n"), Parser::Expect::kContinue);
  EXPECT_EQ(expectation("PUT / HTTP/1.1", "Expect: tea\r\n"), Parser::Expect::kOther);
  EXPECT_EQ(expectation("PUT / HTTP/1.1", "Expect: tea\r\nExpect: 100-continue\r\n"),
            Parser::Expect::kOther);
  EXPECT_EQ(expectation("PUT / HTTP/1.0", "Expect: 100-continue\r\n"), Parser::Expect::kNothing);
}

TEST(ParserTest, ReadsPipelinedMessagesOneByOne) {
  Feed feed(Parser::Kind::kRequest, {});
  feed.add(
      "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "PUT /2 HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 1\r\n\r\nd");
  ASSERT_EQ(feed.parser.state(), Parser::State::kDone);
  EXPECT_EQ(feed.parser.request(feed.buffer.data()).body, "abc");
  feed.buffer.erase(0, feed.parser.message_size());
  feed.parser.reset();
  ASSERT_EQ(feed.add(""), Parser::State::kDone);
  const Request second = feed.parser.request(feed.buffer.data());
  EXPECT_EQ(second.target, "/2");
  EXPECT_EQ(second.headers.size(), 3u);
  EXPECT_EQ(second.body, "d");
  EXPECT_EQ(feed.buffer.size(), feed.parser.message_size());
}

TEST(ParserTest, CutsABodyAndCountsTheRest) {
  ParserLimits limits;
  limits.max_body_bytes = 4;
  limits.cut_body = true;
  for (const std::string message : {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
                                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                    "chunked\r\n\r\n3\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\n\r\n0123456789"}) {
    for (std::size_t cut = 1; cut < message.size(); ++cut) {
      SCOPED_TRACE(message + " at " + std::to_string(cut));
      Feed feed(Parser::Kind::kResponse, limits);
      feed.add(std::string_view(message).substr(0, cut));
      feed.add(std::string_view(message).substr(cut));
      ASSERT_EQ(feed.parser.finish(), Parser::State::kDone);
      EXPECT_EQ(feed.parser.body(feed.buffer.data()), "0123");
      EXPECT_EQ(feed.parser.body_seen(), 10u);
      EXPECT_EQ(feed.buffer.size(), feed.parser.message_size());
    }
  }
}

TEST(ParserTest, TellsHowMuchOfABodyIsToCome) {
  Feed feed(Parser::Kind::kResponse, {});
  feed.add("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012");
  EXPECT_EQ(feed.parser.body_seen(), 3u);
  EXPECT_EQ(feed.parser.body_remaining(), 7u);
  Feed endless(Parser::Kind::kResponse, {});
  endless.add("HTTP/1.1 200 OK\r\n\r\n012");
  EXPECT_EQ(endless.parser.body_remaining(), 0u);
  EXPECT_FALSE(endless.parser.keep_alive());
}

TEST(ParserTest, FramingDoesNotFillTheBuffer) {
  // Small chunks carry five times their size in framing: only the body may stay.
  Feed feed(Parser::Kind::kRequest, {});
  feed.add("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::size_t head = feed.buffer.size();
  for (int i = 0; i < 1000; ++i) {
    feed.add("1\r\nx\r\n");
    ASSERT_EQ(feed.buffer.size(), head + static_cast<std::size_t>(i) + 1);
  }
}

}  // namespace
}  // namespace berth::http
