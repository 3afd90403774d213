// SPDX-License-Identifier: Apache-2.0
#include "parser_samples.hpp"

#include <string_view>

namespace berth::http::testing {
namespace {

using namespace std::string_literals;

// A request of this start line and these fields, with a Host.
std::string with(const std::string& fields, const std::string& body = "",
                 const std::string& line = "POST /run HTTP/1.1") {
  return line + "\r\nHost: h\r\n" + fields + "\r\n" + body;
}
std::string chunked(const std::string& body) {
  return with("Transfer-Encoding: chunked\r\n", body);
}

std::vector<Sample> accepted_requests() {
  return {
      {"get", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"get with query", "GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: h:80\r\n\r\n"},
      {"http 1.0", "GET / HTTP/1.0\r\n\r\n"},
      {"http 1.0 with Host", "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"},
      {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
      {"IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:3233\r\n\r\n"},
      {"blank line in front", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"body", with("Content-Length: 5\r\n", "hello"), 0, "hello"},
      {"empty body", with("Content-Length: 0\r\n"), 0, ""},
      {"leading zeros", with("Content-Length: 0005\r\n", "hello"), 0, "hello"},
      {"pipelined", with("Content-Length: 5\r\n", "helloGET / HTTP/1.1\r\n"), 0, "hello",
       "GET / HTTP/1.1\r\n"},
      {"pipelined without a body", "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /b", 0, "", "GET /b"},
      {"spaces and tabs around a value", with("X-A: \t a b\tc \t\r\n")},
      {"empty value", with("X-A:\r\nX-B: \r\n")},
      {"obs-text in a value", with("X-A: \xc3\xa4\xff\r\n")},
      {"odd token characters", with("X!#$%&'*+-.^_`|~9: v\r\n", "", "M-SEARCH / HTTP/1.1")},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"absolute form", "GET http://h:80/a?b HTTP/1.1\r\nHost: H:80\r\n\r\n"},
      {"absolute form without path", "GET https://h HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"connection list", with("Connection: close, X-Foo ,, te\r\n")},
      {"expect", with("Expect: 100-continue\r\nContent-Length: 2\r\n", "ab"), 0, "ab"},
      {"chunked", chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 0, "hello world"},
      {"chunked and pipelined", chunked("1\r\nx\r\n0\r\n\r\nGET /"), 0, "x", "GET /"},
      {"chunked and empty", chunked("0\r\n\r\n"), 0, ""},
      {"chunk size in both cases", chunked("0a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n"), 0,
       "01234567890123456789"},
      {"chunk that holds line ends", chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n"), 0, "\r\n\r\n"},
      {"chunk extensions", chunked("1;a;b=c;d=\"e f\"\r\nx\r\n0;z\r\n\r\n"), 0, "x"},
      {"trailers", chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nX-More: \r\n\r\n"), 0, "x"},
      {"coding in other case", with("transfer-encoding:Chunked\r\n", "1\r\nx\r\n0\r\n\r\n"), 0,
       "x"},
  };
}

std::vector<Sample> refused_lines() {
  return {
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/0.9", "GET /\r\n", 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"HTTP/3.0", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
      {"lower case version", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"long version", "GET / HTTP/1.11\r\nHost: h\r\n\r\n", 400},
      {"two blank lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"bare LF in fields", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"CR CR LF", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400},
      {"CR in a value", with("X-A: b\rc\r\n"), 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space behind", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
      {"tab", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space in front", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"method is no token", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"endless method", std::string(33, 'M') + " / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"connect", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"s, 400},
      {"byte above ASCII in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"asterisk of GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute form of another scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute form of another host", "GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute form with a user", "GET http://u@h/ HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
      {"absolute form without authority", "GET http:///a HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"absolute form, query, no path", "GET http://h?a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"long target", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"endless target", "GET /" + std::string(9000, 'a'), 414},
  };
}

std::vector<Sample> refused_fields() {
  return {
      {"no Host", "GET / HTTP/1.1\r\nX-A: b\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
      {"two names in Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"path in Host", "GET / HTTP/1.1\r\nHost: h/a\r\n\r\n", 400},
      {"user in Host", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
      {"space before the colon", with("X-A : b\r\n"), 400},
      {"space before the colon of a length", with("Content-Length : 5\r\n", "hello"), 400},
      {"tab before the colon of a coding", with("Transfer-Encoding\t: chunked\r\n"), 400},
      {"folded line", with("X-A: b\r\n c\r\n"), 400},
      {"folded line in front", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"no colon", with("X-A\r\n"), 400},
      {"no name", with(": b\r\n"), 400},
      {"name with a space", with("X A: b\r\n"), 400},
      {"name above ASCII", with("X-\xc3\xa4: b\r\n"), 400},
      {"NUL in a value", with("X-A: b\0c\r\n"s), 400},
      {"NUL in a name", with("X\0A: b\r\n"s), 400},
      {"escape in a value", with("X-A: \x1b[0m\r\n"), 400},
      {"DEL in a value", with("X-A: \x7f\r\n"), 400},
      {"malformed Connection", with("Connection: close; x\r\n"), 400},
      {"too many fields",
       [] {
         std::string fields;
         for (int i = 0; i < 256; ++i) fields += "a: b\r\n";
         return with(fields);
       }(),
       431},
      {"endless fields", "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(70'000, 'x'), 431},
      {"large header", with("X: " + std::string(70'000, 'x') + "\r\n"), 431},
  };
}

// What two parsers in a row could read differently.
std::vector<Sample> refused_framing() {
  return {
      {"length and coding",
       with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"coding and length",
       with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
      {"two lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400},
      {"the same length twice", with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"list of lengths", with("Content-Length: 5, 5\r\n", "hello"), 400},
      {"negative length", with("Content-Length: -1\r\n"), 400},
      {"length with a plus", with("Content-Length: +5\r\n", "hello"), 400},
      {"hexadecimal length", with("Content-Length: 0x5\r\n", "hello"), 400},
      {"length with a space", with("Content-Length: 5 5\r\n", "hello"), 400},
      {"no length", with("Content-Length:\r\n"), 400},
      {"length above 64 bits", with("Content-Length: 18446744073709551621\r\n", "hello"), 400},
      {"length above the limit", with("Content-Length: 1000001\r\n", "hello"), 413},
      {"two codings", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"coding beside identity",
       with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400},
      {"chunked not last", with("Transfer-Encoding: chunked, gzip\r\n"), 501},
      {"chunked twice", with("Transfer-Encoding: chunked, chunked\r\n"), 501},
      {"gzip", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"identity", with("Transfer-Encoding: identity\r\n"), 501},
      {"quoted coding", with("Transfer-Encoding: \"chunked\"\r\n"), 501},
      {"coding with a parameter", with("Transfer-Encoding: chunked;q=1\r\n"), 501},
      {"xchunked", with("Transfer-Encoding: xchunked\r\n"), 501},
      {"no coding", with("Transfer-Encoding:\r\n"), 501},
      {"vertical tab", with("Transfer-Encoding: \vchunked\r\n"), 400},
      {"coding in HTTP/1.0",
       with("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "POST /run HTTP/1.0"), 400},
      {"chunk without a size", chunked("\r\nx\r\n0\r\n\r\n"), 400},
      {"chunk size is no number", chunked("g\r\nx\r\n0\r\n\r\n"), 400},
      {"chunk size with 0x", chunked("0x1\r\nx\r\n0\r\n\r\n"), 400},
      {"negative chunk size", chunked("-1\r\nx\r\n0\r\n\r\n"), 400},
      {"space before a chunk size", chunked(" 1\r\nx\r\n0\r\n\r\n"), 400},
      {"space behind a chunk size", chunked("1 \r\nx\r\n0\r\n\r\n"), 400},
      {"chunk size of 17 digits", chunked("00000000000000001\r\nx\r\n0\r\n\r\n"), 400},
      {"chunk size above 64 bits", chunked("ffffffffffffffff1\r\nx"), 400},
      {"chunk size of 64 bits", chunked("ffffffffffffffff\r\nx"), 413},
      {"chunks above the limit", chunked("f4240\r\n" + std::string(1'000'000, 'x') + "\r\n1\r\n"),
       413},
      {"bare LF behind a chunk size", chunked("1\nx\r\n0\r\n\r\n"), 400},
      {"bare LF behind a chunk", chunked("1\r\nx\n0\r\n\r\n"), 400},
      {"chunk longer than its size", chunked("1\r\nxy\r\n0\r\n\r\n"), 400},
      {"bare CR behind a chunk", chunked("1\r\nx\rx0\r\n\r\n"), 400},
      {"malformed chunk extension", chunked("1;\r\nx\r\n0\r\n\r\n"), 400},
      {"chunk extension with an open quote", chunked("1;a=\"b\r\nx\r\n0\r\n\r\n"), 400},
      {"chunk extension with a control", chunked("1;a=\"\x01\"\r\nx\r\n0\r\n\r\n"), 400},
      {"endless chunk extension", chunked("1;" + std::string(2000, 'a')), 400},
      {"many chunk extensions",
       [] {
         std::string body;
         for (int i = 0; i < 20; ++i) body += "1;" + std::string(900, 'a') + "\r\nx\r\n";
         return chunked(body);
       }(),
       400},
      {"length as a trailer", chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
      {"coding as a trailer", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
      {"Host as a trailer", chunked("0\r\nHost: evil\r\n\r\n"), 400},
      {"malformed trailer", chunked("0\r\nX y: 1\r\n\r\n"), 400},
      {"folded trailer", chunked("0\r\nX: 1\r\n 2\r\n\r\n"), 400},
      {"bare LF behind the trailers", chunked("0\r\nX: 1\r\n\n"), 400},
      {"endless trailers", chunked("0\r\nX: " + std::string(9000, 'a')), 431},
      {"many trailers",
       [] {
         std::string body = "0\r\n";
         for (int i = 0; i < 1000; ++i) body += "X-A: 12345\r\n";
         return chunked(body);
       }(),
       431},
  };
}

std::string answer(const std::string& fields, const std::string& body = "",
                   const std::string& line = "HTTP/1.1 200 OK") {
  return line + "\r\n" + fields + "\r\n" + body;
}

}  // namespace

const std::vector<Sample>& request_samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> samples = accepted_requests();
    for (const auto& more : {refused_lines(), refused_fields(), refused_framing()}) {
      samples.insert(samples.end(), more.begin(), more.end());
    }
    return samples;
  }();
  return all;
}

const std::vector<Sample>& response_samples() {
  static const std::vector<Sample> all = {
      {"length", answer("Content-Length: 2\r\n", "{}"), 0, "{}"},
      {"no reason phrase", answer("Content-Length: 0\r\n", "", "HTTP/1.1 403 "), 0, ""},
      {"reason phrase of several words",
       answer("Content-Length: 0\r\n", "", "HTTP/1.0 502 Bad  Gateway \xc3\xa4"), 0, ""},
      {"as Node.js answers",
       answer("X-Powered-By: Express\r\nContent-Type: application/json; charset=utf-8\r\n"
              "Content-Length: 11\r\nETag: W/\"b-2MeHc\"\r\nConnection: keep-alive\r\n"
              "Keep-Alive: timeout=5\r\n",
              "{\"OK\":true}"),
       0, "{\"OK\":true}"},
      {"chunked", answer("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 0, "{}"},
      {"until the end", answer("Connection: close\r\n", "hello\r\n\r\n"), 0, "hello\r\n\r\n"},
      {"nothing until the end", answer(""), 0, ""},
      {"no content", answer("", "HTTP/1.1", "HTTP/1.1 204 No Content"), 0, "", "HTTP/1.1"},
      {"not modified", answer("Content-Length: 5\r\n", "", "HTTP/1.1 304 Not Modified"), 0, ""},
      {"interim", answer("", "HTTP/1.1 200", "HTTP/1.1 100 Continue"), 0, "", "HTTP/1.1 200"},
      {"cut body", answer("Content-Length: 5\r\n", "hell"), 400},
      {"cut chunk", answer("Transfer-Encoding: chunked\r\n", "2\r\n{"), 400},
      {"cut head", "HTTP/1.1 200 OK\r\nContent-Le", 400},
      {"HTTP/2", answer("Content-Length: 0\r\n", "", "HTTP/2.0 200 OK"), 505},
      {"no space behind the status", answer("Content-Length: 0\r\n", "", "HTTP/1.1 200"), 400},
      {"status of two digits", answer("Content-Length: 0\r\n", "", "HTTP/1.1 20 OK"), 400},
      {"status of four digits", answer("Content-Length: 0\r\n", "", "HTTP/1.1 2000 OK"), 400},
      {"status 099", answer("Content-Length: 0\r\n", "", "HTTP/1.1 099 No"), 400},
      {"status 600", answer("Content-Length: 0\r\n", "", "HTTP/1.1 600 No"), 400},
      {"control in the reason", answer("Content-Length: 0\r\n", "", "HTTP/1.1 200 \x01"), 400},
      {"blank line in front", "\r\n" + answer("Content-Length: 0\r\n"), 400},
      {"length and coding",
       answer("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"two lengths", answer("Content-Length: 2\r\nContent-Length: 3\r\n", "{}x"), 400},
      {"unknown coding", answer("Transfer-Encoding: gzip\r\n", "x"), 501},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 400},
  };
  return all;
}

}  // namespace berth::http::testing
