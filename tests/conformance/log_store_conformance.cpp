// SPDX-License-Identifier: Apache-2.0
#include "conformance/log_store_conformance.hpp"

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <thread>

#include "berth/plugin/log_store.h"

namespace berth::conformance {

using plugin::ActivationRef;
using plugin::LogLine;
using plugin::LogPage;
using plugin::Stream;

void LogStoreConformance::SetUp() {
  subject_ = GetParam()();
  ASSERT_NE(subject_, nullptr) << "the service that the store needs did not start";
  plugin_ = std::make_unique<PluginUnderTest>(subject_->plugin_file);
  open();
}

void LogStoreConformance::TearDown() {
  plugin_.reset();
  subject_.reset();
}

void LogStoreConformance::open() {
  const auto instance = plugin_->open(subject_->config);
  ASSERT_TRUE(instance) << instance.error().to_string();
  store_ = (*instance)->log_store();
  ASSERT_NE(store_, nullptr);
  const auto started = await(store_->start(later()));
  ASSERT_TRUE(started) << started.error().to_string();
}

ActivationRef LogStoreConformance::new_activation(const std::string& space) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  return {new_activation_id(), space, new_uuid(), space + "/demo/hello", "c1", now, now + 5};
}

std::vector<LogLine> LogStoreConformance::lines_of(const std::vector<std::string>& texts,
                                                   std::uint64_t first) {
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  std::vector<LogLine> lines;
  for (const std::string& text : texts) {
    const std::uint64_t sequence = first + lines.size();
    lines.push_back({sequence % 2 == 0 ? Stream::kStdout : Stream::kStderr,
                     now + static_cast<std::int64_t>(sequence), sequence, text});
  }
  return lines;
}

Result<void> LogStoreConformance::append(const ActivationRef& activation,
                                         const std::vector<LogLine>& lines, bool final) {
  return await(store().append(activation, lines, final, later()));
}

Result<LogPage> LogStoreConformance::fetch(const ActivationRef& activation, std::size_t count,
                                           std::uint64_t max_bytes) {
  const SteadyTime until = later(subject_->patience);
  for (;;) {
    LogPage all;
    Status error;
    std::string cursor;
    do {
      auto page = await(store().fetch(activation, cursor, max_bytes, later()));
      if (!page) {
        error = page.error();
        break;
      }
      EXPECT_FALSE(page->lines.empty() && !page->next_cursor.empty()) << "a page without a line";
      all.lines.insert(all.lines.end(), page->lines.begin(), page->lines.end());
      all.partial |= page->partial;
      cursor = page->next_cursor;
    } while (!cursor.empty());
    const bool there = error.ok() && all.lines.size() >= count && !all.partial;
    if (there || std::chrono::steady_clock::now() >= until) {
      if (!error.ok()) return error;
      return all;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void LogStoreConformance::expect_same(const std::vector<LogLine>& got,
                                      const std::vector<LogLine>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(got[i].text, wanted[i].text) << "line " << i;
    ASSERT_EQ(got[i].stream, wanted[i].stream) << "line " << i;
    ASSERT_EQ(got[i].time_ns, wanted[i].time_ns) << "line " << i;
    ASSERT_EQ(got[i].sequence, wanted[i].sequence) << "line " << i;
  }
}

namespace {

TEST_P(LogStoreConformance, LinesComeBackAsTheyWere) {
  const ActivationRef activation = new_activation();
  const auto lines = lines_of({"hello", "", "  spaces  ", "tab\tand\rreturn", "grüße 😀 \u2028",
                               R"(quotes " and \ and \n)", R"({"log":"json","activationId":"x"})",
                               R"(" | delete index=* | search ")", "%s%n ${x} `x`"});
  ASSERT_TRUE(append(activation, lines));
  const auto page = fetch(activation, lines.size());
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_FALSE(page->partial);
  expect_same(page->lines, lines);
}

TEST_P(LogStoreConformance, ControlBytesAndNulSurvive) {
  const ActivationRef activation = new_activation();
  std::vector<std::string> texts;
  for (int byte = 0; byte < 0x20; ++byte) {
    if (byte == '\n') continue;
    texts.push_back(std::string("a") + static_cast<char>(byte) + "b");
  }
  texts.push_back("\x7f\x1b[31mred\x1b[0m");
  const auto lines = lines_of(texts);
  ASSERT_TRUE(append(activation, lines));
  const auto page = fetch(activation, lines.size());
  ASSERT_TRUE(page) << page.error().to_string();
  expect_same(page->lines, lines);
}

// The core hands over valid UTF-8 only; a store meets it again from other hosts and old files.
TEST_P(LogStoreConformance, WhatIsNoUtf8IsMadeValid) {
  const ActivationRef activation = new_activation();
  ASSERT_TRUE(append(activation, lines_of({"a\xff"
                                           "b",
                                           "after"})));
  const auto page = fetch(activation, 2);
  ASSERT_TRUE(page) << page.error().to_string();
  ASSERT_EQ(page->lines.size(), 2u);
  EXPECT_EQ(page->lines[0].text,
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(page->lines[1].text, "after");
}

TEST_P(LogStoreConformance, PartsAreJoinedInTheirOrder) {
  const ActivationRef activation = new_activation();
  std::vector<LogLine> all;
  for (std::uint64_t part = 0; part < 20; ++part) {
    const auto lines = lines_of({"part " + std::to_string(part), "second"}, part * 2);
    ASSERT_TRUE(append(activation, lines, part == 19));
    all.insert(all.end(), lines.begin(), lines.end());
  }
  const auto page = fetch(activation, all.size());
  ASSERT_TRUE(page) << page.error().to_string();
  expect_same(page->lines, all);
}

TEST_P(LogStoreConformance, LinesOfOneTimeKeepTheirOrder) {
  const ActivationRef activation = new_activation();
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back(std::to_string(i));
  auto lines = lines_of(texts);
  for (LogLine& line : lines) line.time_ns = lines.front().time_ns;
  ASSERT_TRUE(append(activation, lines));
  const auto page = fetch(activation, lines.size());
  ASSERT_TRUE(page) << page.error().to_string();
  expect_same(page->lines, lines);
}

TEST_P(LogStoreConformance, PagesMakeTheWhole) {
  const ActivationRef activation = new_activation();
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 60; ++i) texts.push_back(std::string(i * 7 % 90, 'x'));
  const auto lines = lines_of(texts);
  ASSERT_TRUE(append(activation, lines));
  ASSERT_TRUE(fetch(activation, lines.size()));
  for (const std::uint64_t max_bytes : {std::uint64_t{1}, std::uint64_t{300}}) {
    const auto page = fetch(activation, lines.size(), max_bytes);
    ASSERT_TRUE(page) << page.error().to_string();
    expect_same(page->lines, lines);
  }
}

TEST_P(LogStoreConformance, ALineOfAMegabyteIsOneLine) {
  const ActivationRef activation = new_activation();
  std::string text;
  while (text.size() < (1 << 20)) text += "é" + std::to_string(text.size()) + "\t\"";
  const auto lines = lines_of({"before", text, "after"});
  ASSERT_TRUE(append(activation, lines));
  const auto page = fetch(activation, lines.size());
  ASSERT_TRUE(page) << page.error().to_string();
  expect_same(page->lines, lines);
}

TEST_P(LogStoreConformance, AnActivationWithoutOutputIsKnown) {
  const ActivationRef activation = new_activation();
  ASSERT_TRUE(append(activation, {}));
  const auto page = fetch(activation, 0);
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_TRUE(page->lines.empty());
  EXPECT_FALSE(page->partial);
}

TEST_P(LogStoreConformance, AnUnknownActivationIsNotFound) {
  const auto page = await(store().fetch(new_activation(), "", 1000, later()));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code(), StatusCode::kNotFound) << page.error().to_string();
}

TEST_P(LogStoreConformance, AnotherNamespaceSeesNothing) {
  const ActivationRef activation = new_activation();
  ASSERT_TRUE(append(activation, lines_of({"secret"})));
  ASSERT_TRUE(fetch(activation, 1));
  ActivationRef other = activation;
  other.namespace_name = "other";
  const auto page = await(store().fetch(other, "", 1000, later()));
  if (page) {
    EXPECT_TRUE(page->lines.empty());
  } else {
    EXPECT_EQ(page.error().code(), StatusCode::kNotFound) << page.error().to_string();
  }
}

// A caller that did not hear the answer asks again.
TEST_P(LogStoreConformance, WhatIsAppendedTwiceIsShownOnce) {
  const ActivationRef activation = new_activation();
  const auto lines = lines_of({"one", "two", "three"});
  ASSERT_TRUE(append(activation, lines, false));
  ASSERT_TRUE(append(activation, lines, false));
  const auto rest = lines_of({"four"}, 3);
  ASSERT_TRUE(append(activation, rest));
  const auto page = fetch(activation, 4);
  ASSERT_TRUE(page) << page.error().to_string();
  auto all = lines;
  all.insert(all.end(), rest.begin(), rest.end());
  expect_same(page->lines, all);
}

TEST_P(LogStoreConformance, AForeignCursorIsRefused) {
  const ActivationRef activation = new_activation();
  ASSERT_TRUE(append(activation, lines_of({"x"})));
  ASSERT_TRUE(fetch(activation, 1));
  for (const char* cursor : {"nonsense", "-1", "1.2.3.4.5.6", "\x01", "99999999999999999999999"}) {
    const auto page = await(store().fetch(activation, cursor, 1000, later()));
    ASSERT_FALSE(page) << cursor;
    EXPECT_EQ(page.error().code(), StatusCode::kInvalidArgument) << page.error().to_string();
  }
}

TEST_P(LogStoreConformance, ManyActivationsAtOnceStayApart) {
  constexpr std::size_t kActivations = 64;
  constexpr std::uint64_t kParts = 5;
  std::vector<ActivationRef> activations;
  for (std::size_t i = 0; i < kActivations; ++i) activations.push_back(new_activation());
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t part = 0; part < kParts; ++part) {
        for (std::size_t i = thread; i < kActivations; i += 4) {
          const auto lines =
              lines_of({activations[i].activation_id + " " + std::to_string(part)}, part);
          if (!append(activations[i], lines, part + 1 == kParts)) ++failed;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(failed, 0);
  for (const ActivationRef& activation : activations) {
    const auto page = fetch(activation, kParts);
    ASSERT_TRUE(page) << page.error().to_string();
    ASSERT_EQ(page->lines.size(), kParts);
    for (std::uint64_t part = 0; part < kParts; ++part) {
      EXPECT_EQ(page->lines[part].text, activation.activation_id + " " + std::to_string(part));
    }
  }
}

TEST_P(LogStoreConformance, WhatWasAnsweredOutlivesTheInstance) {
  std::vector<ActivationRef> activations;
  const auto lines = lines_of({"kept", "over", "lives"});
  for (int life = 0; life < 3; ++life) {
    activations.push_back(new_activation());
    ASSERT_TRUE(append(activations.back(), lines));
    if (life != 1) {  // once it is closed without a word
      ASSERT_TRUE(await(store().drain(later())));
      ASSERT_TRUE(await(store().stop(later())));
    }
    open();
    for (const ActivationRef& activation : activations) {
      const auto page = fetch(activation, lines.size());
      ASSERT_TRUE(page) << page.error().to_string();
      expect_same(page->lines, lines);
    }
  }
}

TEST_P(LogStoreConformance, AfterStopItRefusesPolitely) {
  const ActivationRef activation = new_activation();
  ASSERT_TRUE(append(activation, lines_of({"x"})));
  ASSERT_TRUE(await(store().stop(later())));
  EXPECT_FALSE(append(activation, lines_of({"y"}, 1)));
  EXPECT_FALSE(await(store().fetch(activation, "", 1000, later())));
}

// Whatever is open is answered by the store or by the host; neither waits for ever.
TEST_P(LogStoreConformance, ClosingAnswersWhatIsOpen) {
  boost::asio::thread_pool callers(1);
  std::atomic<int> answered{0};
  constexpr int kCalls = 50;
  for (int i = 0; i < kCalls; ++i) {
    const auto ask = [](plugin::LogStore& from, ActivationRef activation,
                        std::vector<LogLine> lines,
                        std::atomic<int>& count) -> boost::asio::awaitable<void> {
      (void)co_await from.append(activation, lines, true, later());
      ++count;
    };
    boost::asio::co_spawn(callers, ask(store(), new_activation(), lines_of({"x"}), answered),
                          boost::asio::detached);
  }
  // The one thread has begun all of them when it comes to this.
  boost::asio::post(callers, boost::asio::use_future).get();
  plugin_->close();
  callers.join();
  EXPECT_EQ(answered, kCalls);
}

TEST_P(LogStoreConformance, FollowingSeesLinesAsTheyCome) {
  ASSERT_EQ(store().can_follow(), subject_->follows);
  if (!subject_->follows) return;
  const ActivationRef activation = new_activation();
  std::vector<LogLine> all;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 10; ++i) {
      EXPECT_TRUE(append(activation, lines_of({"line " + std::to_string(i)}, i), i == 9));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  std::string cursor;
  const SteadyTime until = later(subject_->patience);
  do {
    const auto page =
        await(store().follow(activation, cursor, 1000, later(std::chrono::seconds(2))));
    ASSERT_TRUE(page) << page.error().to_string();
    all.insert(all.end(), page->lines.begin(), page->lines.end());
    cursor = page->next_cursor;
  } while (!cursor.empty() && std::chrono::steady_clock::now() < until);
  writer.join();
  ASSERT_EQ(all.size(), 10u);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(all[i].text, "line " + std::to_string(i));
}

TEST_P(LogStoreConformance, FollowingASilentActivationEndsAtTheDeadline) {
  ASSERT_EQ(store().can_follow(), subject_->follows);
  if (!subject_->follows) return;
  const ActivationRef activation = new_activation();
  auto page = await(store().follow(activation, "", 1000, later(std::chrono::milliseconds(600))));
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_TRUE(page->lines.empty());
  ASSERT_FALSE(page->next_cursor.empty());
  ASSERT_TRUE(append(activation, lines_of({"x"})));
  page = await(store().follow(activation, page->next_cursor, 1000, later()));
  ASSERT_TRUE(page) << page.error().to_string();
  ASSERT_EQ(page->lines.size(), 1u);
  // The end may come with the last line or by itself.
  if (!page->next_cursor.empty()) {
    page = await(store().follow(activation, page->next_cursor, 1000, later()));
    ASSERT_TRUE(page);
    EXPECT_TRUE(page->lines.empty());
  }
  EXPECT_TRUE(page->next_cursor.empty());
}

}  // namespace
}  // namespace berth::conformance
