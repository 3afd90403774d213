// SPDX-License-Identifier: Apache-2.0
#include "http/message.hpp"

#include <gmock/gmock.h>

#include "http/response_head.hpp"

namespace berth::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

TEST(MessageTest, DecodesPercentEscapes) {
  EXPECT_EQ(percent_decode("a%20b%2Fc%c3%A4+d"), "a b/c\xc3\xa4+d");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const char* broken : {"%", "a%2", "%g0", "%0g", "%%20"}) {
    EXPECT_EQ(percent_decode(broken), std::nullopt) << broken;
  }
}

TEST(MessageTest, ParsesQueries) {
  EXPECT_THAT(*parse_query("a=1&b=x%26y&c&=d&a=2=3&&"),
              ElementsAre(Pair("a", "1"), Pair("b", "x&y"), Pair("c", ""), Pair("", "d"),
                          Pair("a", "2=3")));
  EXPECT_TRUE(parse_query("")->empty());
  EXPECT_EQ(parse_query("a=%2"), std::nullopt);
  EXPECT_EQ(parse_query("%zz=1"), std::nullopt);
}

TEST(MessageTest, NamesStatuses) {
  EXPECT_EQ(reason(404), "Not Found");
  EXPECT_EQ(reason(502), "Bad Gateway");
  EXPECT_EQ(reason(299), "Unknown");
}

std::string head_of(const Response& response, const ResponseFraming& framing = {}) {
  std::string head;
  append_head(head, response, framing);
  return head;
}

TEST(ResponseHeadTest, WritesStatusLengthAndFields) {
  Response response;
  response.status = 202;
  response.body = "{}";
  response.headers = {{"X-Request-ID", "7"}};
  EXPECT_EQ(head_of(response),
            "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            "X-Request-ID: 7\r\n\r\n");
  EXPECT_THAT(head_of(response, {.keep_alive = false}), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(head_of(response, {.http_1_0 = true}), HasSubstr("\r\nConnection: keep-alive\r\n"));
  response.content_type = "";
  EXPECT_THAT(head_of(response), Not(HasSubstr("Content-Type")));
}

TEST(ResponseHeadTest, LeavesOutWhatWouldForgeOrBreakAMessage) {
  Response response;
  response.headers = {{"X-A", "b\r\nX-Evil: 1"},
                      {"X-B\r\nX-Evil", "1"},
                      {"X C", "1"},
                      {"", "1"},
                      {"X-D", std::string(1, '\0')},
                      {"content-length", "77"},
                      {"Transfer-Encoding", "chunked"},
                      {"Connection", "upgrade"},
                      {"Set-Cookie", "a=b"}};
  const std::string head = head_of(response);
  EXPECT_EQ(head,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
            "Set-Cookie: a=b\r\n\r\n");
}

TEST(ResponseHeadTest, SendsNoBodyWhereNoneMayBe) {
  Response response;
  response.body = "{}";
  EXPECT_TRUE(sends_body(response, {}));
  EXPECT_FALSE(sends_body(response, {.head_request = true}));
  EXPECT_THAT(head_of(response, {.head_request = true}), HasSubstr("Content-Length: 2\r\n"));
  response.status = 204;
  EXPECT_FALSE(sends_body(response, {}));
  EXPECT_EQ(head_of(response), "HTTP/1.1 204 No Content\r\n\r\n");
  response.status = 304;
  EXPECT_FALSE(sends_body(response, {}));
  response.status = 205;
  EXPECT_FALSE(sends_body(response, {}));
  EXPECT_THAT(head_of(response), HasSubstr("Content-Length: 0\r\n"));
}

TEST(ResponseHeadTest, AnswersOnlyFinalStatuses) {
  for (const int status : {-1, 0, 100, 101, 199, 600, 70000}) {
    Response response;
    response.status = status;
    EXPECT_THAT(head_of(response), HasSubstr("HTTP/1.1 500 ")) << status;
  }
}

}  // namespace
}  // namespace berth::http
