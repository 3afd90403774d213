// SPDX-License-Identifier: Apache-2.0
// The splunk plugin while Splunk fails: nothing is lost, order stays, nobody waits for it.
#include <boost/json/array.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "with_splunk.hpp"

namespace berth::conformance {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// Sequences of each activation in the order in which Splunk got them.
std::map<std::string, std::vector<std::int64_t>> arrivals(test::TestSplunk& splunk) {
  std::map<std::string, std::vector<std::int64_t>> all;
  const boost::json::value events = splunk.all_events();
  for (const auto& raw : events.as_array()) {
    const auto event = boost::json::parse(raw.as_string());
    all[std::string(event.at("activation_id").as_string())].push_back(
        event.at("sequence").as_int64());
  }
  return all;
}

// An hour at the usual longest pause of 30 s is 120 attempts; here the pauses are short.
TEST_F(WithSplunk, AnOutageLosesNothingAndKeepsTheOrder) {
  splunk_.faults(R"({"hec_status":503,"hec_count":150})");
  open_with(R"("retry_max_ms":2,"batch_bytes":4096,"spool_segment_bytes":16384)");
  std::vector<plugin::ActivationRef> activations;
  for (int i = 0; i < 20; ++i) activations.push_back(new_activation());
  constexpr std::uint64_t kParts = 25;
  for (std::uint64_t part = 0; part < kParts; ++part) {
    for (const auto& activation : activations) {
      ASSERT_TRUE(append(activation, {"x"}, part, part + 1 == kParts));
    }
  }
  ASSERT_TRUE(shipped(20 * kParts));
  ASSERT_TRUE(eventually([&] { return metric("spool_records") == 0; }));
  EXPECT_EQ(splunk_.count("refused"), 150);
  const auto all = arrivals(splunk_);
  ASSERT_EQ(all.size(), activations.size());
  for (const auto& [id, sequences] : all) {
    ASSERT_EQ(sequences.size(), kParts) << id;
    for (std::uint64_t i = 0; i < kParts; ++i) {
      ASSERT_EQ(sequences[i], static_cast<std::int64_t>(i)) << id;
    }
  }
  EXPECT_EQ(splunk_.count("duplicates"), 0);
}

// An hour's outage, the usual pauses of 30 s shortened, with lines all through it; then replies
// that break off, after which what was taken comes again, and nothing else does. With BERTH_SOAK=1
// ten million lines, else enough of them to fill the spool's memory.
TEST(SplunkOutage, EveryLineArrivesInOrder) {
  const bool soak = std::getenv("BERTH_SOAK") != nullptr;
  const std::size_t activations = soak ? 1000 : 100;
  const std::size_t parts = soak ? 100 : 10;
  constexpr std::size_t kLines = 100;  // of a part
  constexpr std::int64_t kBegin = 1'767'323'045'000'000'000;
  constexpr std::int64_t kHour = 3'600'000'000'000;
  constexpr std::int64_t kBrokenReplies = 3;
  test::TestSplunk splunk({"--count-only"});
  splunk.faults(R"({"hec_status":503,"hec_count":150,"half_reply":3})");
  PluginUnderTest plugin(BERTH_SPLUNK_PLUGIN);
  const auto instance = plugin.open(test::splunk_config(
      splunk, std::string(soak ? R"("retry_max_ms":300)" : R"("retry_max_ms":10)") +
                  R"(,"gzip":false,"spool_bytes":17179869184)"));
  ASSERT_TRUE(instance) << instance.error().to_string();
  plugin::LogStore& store = *(*instance)->log_store();
  ASSERT_TRUE(await(store.start(later())));
  std::vector<plugin::ActivationRef> refs(activations);
  for (auto& ref : refs) ref = {new_activation_id(), "guest", new_uuid(), "guest/a", "c", 1, 2};
  for (std::size_t part = 0; part < parts; ++part) {
    for (const auto& ref : refs) {
      std::vector<plugin::LogLine> lines;
      for (std::size_t i = 0; i < kLines; ++i) {
        const auto time =
            kBegin + kHour / static_cast<std::int64_t>(parts) * static_cast<std::int64_t>(part);
        lines.push_back({plugin::Stream::kStdout, time, part * kLines + i,
                         "a line of an activation that goes through an outage"});
      }
      ASSERT_TRUE(await(store.append(ref, lines, part + 1 == parts, later())));
    }
  }
  const auto total = static_cast<std::int64_t>(activations * parts * kLines);
  const auto until = later(std::chrono::minutes(soak ? 30 : 2));
  while (splunk.count("lines") < total && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(splunk.count("lines"), total);
  EXPECT_EQ(splunk.count("disordered"), 0);
  EXPECT_GE(splunk.count("refused"), 120) << "attempts of an hour";
  const std::int64_t repeated = splunk.count("repeated");
  constexpr std::int64_t kLinesOfBatch = (1 << 20) / 300;  // at most
  EXPECT_GT(repeated, 0);
  EXPECT_LE(repeated, kBrokenReplies * kLinesOfBatch);
  std::printf("%lld lines through an outage, %lld of them sent twice\n",
              static_cast<long long>(total), static_cast<long long>(repeated));
}

TEST_F(WithSplunk, AReplyThatBreaksOffMayDoubleButIsShownOnce) {
  splunk_.faults(R"({"half_reply":2,"drop":1})");
  open_with();
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"one", "two"}));
  ASSERT_TRUE(await(store_->drain(later())));
  EXPECT_EQ(splunk_.count("duplicates"), 4) << "two events came three times";
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("one", "two"));
}

TEST_F(WithSplunk, WhatIsNotAcknowledgedIsSentAgain) {
  splunk_.faults(R"({"no_ack":true})");
  open_with(R"("acknowledge":true,"ack_timeout_ms":50)");
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"one"}));
  ASSERT_TRUE(eventually([&] { return splunk_.count("duplicates") >= 2; }));
  EXPECT_EQ(metric("spool_records"), 1);
  splunk_.faults("{}");
  ASSERT_TRUE(await(store_->drain(later())));
  ASSERT_TRUE(eventually([&] { return splunk_.count("acks") > 0; }));
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("one"));
}

TEST_F(WithSplunk, OneRecordThatSplunkRefusesDoesNotStopTheOthers) {
  splunk_.faults(R"({"hec_status":503,"hec_count":3})");
  open_with();
  std::vector<plugin::ActivationRef> activations;
  for (int i = 0; i < 40; ++i) {
    activations.push_back(new_activation());
    ASSERT_TRUE(append(activations.back(), {i == 17 ? "poison-pill" : "fine"}));
  }
  ASSERT_TRUE(await(store_->drain(later())));
  EXPECT_EQ(splunk_.events(), 39);
  EXPECT_EQ(metric("rejected_records_total"), 1);
  EXPECT_EQ(splunk_.count("duplicates"), 0);
}

TEST_F(WithSplunk, AFollowerIsNotKeptByALineThatWillNotCome) {
  open_with(R"("attempt_wait_ms":1,"attempts":2)");
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"one"}, 0, false));
  ASSERT_TRUE(append(activation, {"poison-pill"}, 1, false));
  ASSERT_TRUE(append(activation, {"three"}, 2, true));
  ASSERT_TRUE(await(store_->drain(later())));
  ASSERT_TRUE(eventually([&] { return metric("spool_records") == 0; }));
  std::vector<std::string> texts;
  bool partial = false;
  std::string cursor;
  do {
    const auto page = await(store_->follow(activation, cursor, 1 << 20, later()));
    ASSERT_TRUE(page) << page.error().to_string();
    for (const auto& line : page->lines) texts.push_back(line.text);
    partial |= page->partial;
    cursor = page->next_cursor;
  } while (!cursor.empty());
  EXPECT_THAT(texts, ElementsAre("one", "three"));
  EXPECT_TRUE(partial);
}

TEST_F(WithSplunk, AWrongTokenIsSaidAndNothingIsLost) {
  splunk_.faults(R"({"hec_status":403,"hec_text":"Invalid token"})");
  open_with();
  ASSERT_TRUE(append(new_activation(), {"x"}));
  ASSERT_TRUE(eventually([&] { return splunk_.count("refused") >= 2; }));
  EXPECT_EQ(metric("up"), 0);
  splunk_.faults("{}");
  ASSERT_TRUE(shipped(1));
}

TEST_F(WithSplunk, AFullSpoolRefusesAndRecovers) {
  splunk_.faults(R"({"hec_status":503})");
  open_with(R"("spool_bytes":65536)");
  Status refused;
  for (int i = 0; i < 200 && refused.ok(); ++i) {
    const auto kept = append(new_activation(), {std::string(2000, 'x')});
    if (!kept) refused = kept.error();
  }
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(refused.retryable());
  EXPECT_THAT(refused.message(), HasSubstr("spool_bytes"));
  splunk_.faults("{}");
  ASSERT_TRUE(await(store_->drain(later())));
  EXPECT_TRUE(append(new_activation(), {"again"}));
}

TEST_F(WithSplunk, ASlowSplunkDoesNotSlowAppends) {
  splunk_.faults(R"({"delay_ms":500})");
  open_with();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append(new_activation(), {"x"}));
  EXPECT_LT(splunk_.count("batches"), 100) << "appends did not wait for replies";
}

TEST_F(WithSplunk, SplunkGoneAndBackAtTheSamePort) {
  open_with();
  ASSERT_TRUE(append(new_activation(), {"before"}));
  ASSERT_TRUE(shipped(1));
  const int port = splunk_.port();
  splunk_.stop();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(new_activation(), {"meanwhile"}));
  test::TestSplunk again({}, port);
  EXPECT_TRUE(eventually([&] { return again.events() == 10; }));
}

TEST_F(WithSplunk, ABusySearchIsTriedAgain) {
  open_with(R"("attempt_wait_ms":1)");
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"x"}));
  ASSERT_TRUE(await(store_->drain(later())));
  splunk_.faults(R"({"search_status":503,"search_count":2})");
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("x"));
  splunk_.faults(R"({"search_half":1})");
  EXPECT_TRUE(fetch(activation)) << "a reply that breaks off";
}

TEST_F(WithSplunk, SearchErrorsAreToldApart) {
  open_with(R"("attempt_wait_ms":1,"attempts":2)");
  const auto activation = new_activation();
  const auto code = [&](const char* faults) {
    splunk_.faults(faults);
    const auto texts = fetch(activation);
    return texts ? StatusCode::kOk : texts.error().code();
  };
  EXPECT_EQ(code(R"({"search_status":401})"), StatusCode::kUnauthenticated);
  EXPECT_EQ(code(R"({"search_status":403})"), StatusCode::kPermissionDenied);
  EXPECT_EQ(code(R"({"search_status":400})"), StatusCode::kInternal);
  EXPECT_EQ(code(R"({"search_status":500})"), StatusCode::kUnavailable);
  EXPECT_EQ(code("{}"), StatusCode::kNotFound);
}

TEST_F(WithSplunk, ASearchThatTakesTooLongEndsAtTheDeadline) {
  open_with(R"("attempts":1)");
  splunk_.faults(R"({"search_delay_ms":20000})");
  const auto page =
      await(store_->fetch(new_activation(), "", 1000, later(std::chrono::milliseconds(700))));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code(), StatusCode::kDeadlineExceeded) << page.error().to_string();
}

}  // namespace
}  // namespace berth::conformance
