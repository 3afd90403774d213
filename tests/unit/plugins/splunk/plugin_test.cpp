// SPDX-License-Identifier: Apache-2.0
// What the splunk plugin does when all is well, and what it tells the engine in its other modes.
#include "plugin/config_schema.hpp"
#include "with_splunk.hpp"

namespace berth::conformance {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST_F(WithSplunk, LinesGoThereAndComeBack) {
  open_with();
  EXPECT_FALSE(store_->out_of_band());
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"one", "two"}));
  ASSERT_TRUE(shipped(2));
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("one", "two"));
  EXPECT_EQ(splunk_.count("gzip"), splunk_.count("batches")) << "compressed";
  EXPECT_GE(splunk_.count("searches"), 1);
}

TEST_F(WithSplunk, WhatSplunkDoesNotHaveYetIsReadFromTheSpool) {
  splunk_.faults(R"({"hec_status":503})");
  open_with();
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"here", "still"}));
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("here", "still"));
  EXPECT_EQ(splunk_.count("searches"), 0) << "all of it was there";
}

TEST_F(WithSplunk, ManySmallAppendsMakeFewBatches) {
  splunk_.faults(R"({"hec_status":503})");
  open_with(R"("retry_max_ms":200)");
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(append(new_activation(), {"x"}));
  splunk_.faults("{}");
  ASSERT_TRUE(shipped(500));
  EXPECT_LT(splunk_.count("batches"), 20);
}

TEST_F(WithSplunk, DrainWaitsForSplunk) {
  open_with(R"("batch_wait_ms":60000)");
  ASSERT_TRUE(append(new_activation(), {"x"}));
  ASSERT_TRUE(await(store_->drain(later())));
  EXPECT_EQ(splunk_.events(), 1);
}

TEST_F(WithSplunk, LinesLongerThanSplunkTakesComeBackWhole) {
  open_with(R"("page_rows":10)");
  const auto activation = new_activation();
  std::string text;
  while (text.size() < 300'000) text += "0123456789 ü ";
  ASSERT_TRUE(append(activation, {"a", text, "b"}));
  ASSERT_TRUE(await(store_->drain(later())));
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("a", text, "b"));
}

// As when an operator sends longer events than Splunk is set up for.
TEST_F(WithSplunk, ARowThatSplunkHasCutIsReportedAlone) {
  open_with(R"("max_event_bytes":100000)");
  const auto activation = new_activation();
  ASSERT_TRUE(append(activation, {"a", std::string(20'000, 'x'), "b"}));
  ASSERT_TRUE(await(store_->drain(later())));
  const auto page = await(store_->fetch(activation, "", 1 << 20, later()));
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_TRUE(page->partial);
  ASSERT_GE(page->lines.size(), 2u);
  EXPECT_EQ(page->lines.front().text, "a");
  EXPECT_EQ(page->lines.back().text, "b");
}

TEST_F(WithSplunk, MetricsTellWhatHappened) {
  open_with();
  ASSERT_TRUE(append(new_activation(), {"x", "y"}));
  ASSERT_TRUE(await(store_->drain(later())));
  EXPECT_EQ(metric("lines_total"), 2);
  EXPECT_GE(metric("batches_total"), 1);
  EXPECT_EQ(metric("up"), 1);
  EXPECT_EQ(metric("rejected_records_total"), 0);
}

TEST_F(WithSplunk, DockersOwnDriverIsToldWhere) {
  open(R"({"mode":"docker-driver","hec_url":"https://splunk:8088","hec_token":"T","index":"fn",)"
       R"("ca_file":"/ca.pem","search_url":")" +
       splunk_.url() + R"(","search_username":"admin","search_password":"changeme"})");
  EXPECT_TRUE(store_->out_of_band());
  const auto pairs = await(store_->container_parameters(later()));
  ASSERT_TRUE(pairs);
  EXPECT_THAT(*pairs, Contains(Pair("log-driver", "splunk")));
  EXPECT_THAT(*pairs, Contains(Pair("log-opt", "splunk-url=https://splunk:8088")));
  EXPECT_THAT(*pairs, Contains(Pair("log-opt", "splunk-token=T")));
  EXPECT_THAT(*pairs, Contains(Pair("log-opt", "splunk-index=fn")));
  EXPECT_THAT(*pairs, Contains(Pair("log-opt", "splunk-capath=/ca.pem")));
  EXPECT_THAT(*pairs, Contains(Pair("log-opt", "splunk-verify-connection=false")));
  EXPECT_FALSE(append(new_activation(), {"x"}));
}

// What a forwarder brings has neither numbers nor an end: Splunk's order counts.
TEST_F(WithSplunk, LinesOfAForwarderAreFoundByTheirFields) {
  open(R"({"mode":"stdout-json","search_username":"admin","search_password":"changeme",)"
       R"("page_rows":2,"message_field":"msg","search_url":")" +
       splunk_.url() + R"("})");
  const auto activation = new_activation();
  for (int i = 0; i < 5; ++i) {
    const double time = static_cast<double>(activation.start_ms) / 1000 + i * 0.001;
    splunk_.collect(R"({"time":)" + std::to_string(time) +
                    R"(,"event":{"log_timestamp":"2026-01-02T03:04:05.00)" + std::to_string(i) +
                    R"(Z","log_stream":"stderr","namespace":"guest","activation_id":")" +
                    activation.activation_id + R"(","msg":"line )" + std::to_string(i) + "\\n\"}}");
  }
  const auto page = await(store_->fetch(activation, "", 1 << 20, later()));
  ASSERT_TRUE(page) << page.error().to_string();
  ASSERT_EQ(page->lines.size(), 2u);
  EXPECT_EQ(page->lines[0].stream, plugin::Stream::kStderr);
  EXPECT_EQ(page->lines[1].time_ns % 1'000'000'000, 1'000'000);
  const auto texts = fetch(activation);
  ASSERT_TRUE(texts) << texts.error().to_string();
  EXPECT_THAT(*texts, ElementsAre("line 0", "line 1", "line 2", "line 3", "line 4"));
}

TEST(SplunkPlugin, ItsSchemaRefusesWhatMakesNoSense) {
  PluginUnderTest plugin(BERTH_SPLUNK_PLUGIN);
  const auto schema = plugin::ConfigSchema::parse(plugin.manifest().config_schema);
  ASSERT_TRUE(schema) << schema.error().to_string();
  EXPECT_TRUE(schema->check(R"({"hec_url":"https://h:8088","hec_token":"x"})", "plugin").ok());
  for (const char* bad :
       {R"({"hec_url":"h:8088"})", R"({"hec_url":"https://h/services/collector"})",
        R"({"mode":"udp"})", R"({"tls_verify":false})", R"({"tls_verify":"off"})",
        R"({"gzip":"yes"})", R"({"batch_bytes":1})", R"({"colour":1})"}) {
    EXPECT_FALSE(schema->check(bad, "plugin").ok()) << bad;
  }
}

}  // namespace
}  // namespace berth::conformance
