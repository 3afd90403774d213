// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Activations : public StoreTest {
 protected:
  std::vector<std::string> ids(ActivationQuery query) {
    query.namespace_name = "guest";
    const auto listed = list_records(query);
    EXPECT_TRUE(listed);
    std::vector<std::string> out;
    for (const auto& record : *listed) out.push_back(record.activation_id);
    return out;
  }
};

// Waits longer for company than any test lives: what is seen is seen in memory.
SqliteStore::Options never_in_a_hurry() {
  SqliteStore::Options options;
  options.linger = std::chrono::hours(1);
  return options;
}

TEST_F(Activations, KeepsEverythingOverARestart) {
  open();
  entity::Activation record = make_activation(1);
  record.cause = id_of(9);
  record.outcome = entity::Outcome::kDeveloperError;
  record.logs = {"one \"quoted\"", id_of(3)};
  record.result = R"({"error":"bäd"})";
  ASSERT_TRUE(put(record));
  open();
  const auto read = get_record(id_of(1));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(entity::to_json(*read), entity::to_json(record));
  EXPECT_EQ(read->namespace_uuid, record.namespace_uuid);
  EXPECT_EQ(read->path, record.path);
  EXPECT_EQ(read->outcome, record.outcome);
}

TEST_F(Activations, BelongToTheirNamespace) {
  open();
  ASSERT_TRUE(put(make_activation(1)));
  EXPECT_EQ(code_of(get_record(id_of(1), "other")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(get_record(id_of(2))), StatusCode::kNotFound);
  EXPECT_EQ(code_of(get_record("nonsense")), StatusCode::kNotFound);
}

TEST_F(Activations, AreSeenBeforeTheyAreOnDisk) {
  open(never_in_a_hurry());
  store_->activations().put_later(make_activation(1));
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_EQ(code_of(get_record(id_of(1), "other")), StatusCode::kNotFound);
  EXPECT_EQ(ids({}), std::vector<std::string>{id_of(1)});
  store_->activations().put_later(make_activation(2, 2000));
  EXPECT_EQ(count_records({.namespace_name = "guest"}).value(), 2);
}

TEST_F(Activations, FlushAndCloseWriteWhatWaits) {
  open(never_in_a_hurry());
  store_->activations().put_later(make_activation(1));
  ASSERT_TRUE(flush());
  store_->activations().put_later(make_activation(2));
  ASSERT_TRUE(store_->close().ok());
  open();
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_TRUE(get_record(id_of(2)));
}

TEST_F(Activations, TheLastWriteOfAnIdWins) {
  open(never_in_a_hurry());
  store_->activations().put_later(make_activation(1));
  entity::Activation second = make_activation(1);
  second.result = R"({"second":true})";
  store_->activations().put_later(second);
  EXPECT_EQ(get_record(id_of(1)).value().result, second.result);
  ASSERT_TRUE(flush());
  EXPECT_EQ(get_record(id_of(1)).value().result, second.result);
  EXPECT_EQ(count_records({.namespace_name = "guest"}).value(), 1);
}

TEST_F(Activations, ListNewestStartFirst) {
  open();
  ASSERT_TRUE(put(make_activation(1, 3000)));
  ASSERT_TRUE(put(make_activation(2, 1000, "guest/pkg/hello")));
  ASSERT_TRUE(put(make_activation(3, 2000, "other/hello")));
  ASSERT_TRUE(put(make_activation(4, 2000)));
  EXPECT_EQ(ids({}), (std::vector{id_of(1), id_of(4), id_of(3), id_of(2)}));
  EXPECT_EQ(ids({.name = "hello"}), (std::vector{id_of(1), id_of(4), id_of(3)}));
  EXPECT_EQ(ids({.name = "pkg/hello"}), (std::vector{id_of(2)}));
  EXPECT_EQ(ids({.since_ms = 2000}), (std::vector{id_of(1), id_of(4), id_of(3)}));
  EXPECT_EQ(ids({.upto_ms = 2000}), (std::vector{id_of(4), id_of(3), id_of(2)}));
  EXPECT_EQ(ids({.name = "hello", .since_ms = 1500, .upto_ms = 2000}),
            (std::vector{id_of(4), id_of(3)}));
  EXPECT_EQ(ids({.skip = 1, .limit = 2}), (std::vector{id_of(4), id_of(3)}));
  EXPECT_TRUE(ids({.limit = 0}).empty());
  const auto count = [&](ActivationQuery query) {
    query.namespace_name = "guest";
    return count_records(query).value();
  };
  EXPECT_EQ(count({}), 4);
  EXPECT_EQ(count({.name = "hello", .upto_ms = 2000}), 2);
  EXPECT_EQ(count({.skip = 3}), 1);
  EXPECT_EQ(count({.skip = 30}), 0);
}

TEST_F(Activations, SummariesLeaveOutWhatIsBig) {
  open();
  ASSERT_TRUE(put(make_activation(1)));
  const auto summaries = list_records({.namespace_name = "guest", .summaries = true}).value();
  const auto whole = list_records({.namespace_name = "guest"}).value();
  EXPECT_EQ(summaries.at(0).result, "{}");
  EXPECT_EQ(whole.at(0).result, R"({"n":1})");
  EXPECT_EQ(entity::to_summary_json(summaries.at(0)), entity::to_summary_json(whole.at(0)));
}

TEST_F(Activations, WithoutAValidIdAreRefused) {
  open();
  entity::Activation record = make_activation(1);
  record.activation_id = "XYZ";
  EXPECT_EQ(code_of(put(record)), StatusCode::kInvalidArgument);
}

TEST_F(Activations, AFullQueueRefusesAndLosesNothingSilently) {
  Metrics metrics;
  SqliteStore::Options options = never_in_a_hurry();
  options.max_queued_writes = 2;
  options.metrics = &metrics;
  open(options);
  store_->activations().put_later(make_activation(1));
  store_->activations().put_later(make_activation(2));
  const auto refused = put(make_activation(3));
  ASSERT_EQ(code_of(refused), StatusCode::kResourceExhausted);
  EXPECT_TRUE(refused.error().retryable());
  EXPECT_EQ(code_of(get_record(id_of(3))), StatusCode::kNotFound);
  store_->activations().put_later(make_activation(4));
  EXPECT_EQ(metrics
                .counter("berth_store_lost_activations_total",
                         "Records of activations that could not be kept")
                .value(),
            1);
  ASSERT_TRUE(flush());
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_TRUE(get_record(id_of(2)));
}

class FixedClock : public Clock {
 public:
  SteadyTime steady_now() const override { return {}; }
  WallTime wall_now() const override { return WallTime(std::chrono::milliseconds(now_ms)); }
  std::int64_t now_ms = 100'000;
};

TEST_F(Activations, OldOnesGoInBatches) {
  FixedClock clock;
  SqliteStore::Options options;
  options.clock = &clock;
  open(options);
  for (unsigned i = 0; i < 25; ++i)
    ASSERT_TRUE(put(make_activation(i, i < 20 ? 1000 + i : 90'000 + i)));
  options.retention.max_age_ms = 50'000;
  options.retention.batch = 3;
  options.retention.check_every = std::chrono::milliseconds(1);
  open(options);
  while (count_records({.namespace_name = "guest"}).value() > 5) std::this_thread::yield();
  EXPECT_EQ(ids({.limit = 1}), std::vector<std::string>{id_of(24)});
  EXPECT_EQ(code_of(get_record(id_of(19))), StatusCode::kNotFound);
  EXPECT_TRUE(get_record(id_of(20)));
}

TEST_F(Activations, TooManyGoOldestFirst) {
  open();
  for (unsigned i = 0; i < 25; ++i) ASSERT_TRUE(put(make_activation(i, 1000 + i)));
  SqliteStore::Options options;
  options.retention.max_count = 4;
  options.retention.batch = 3;
  options.retention.check_every = std::chrono::milliseconds(1);
  open(options);
  while (count_records({.namespace_name = "guest"}).value() > 4) std::this_thread::yield();
  EXPECT_EQ(ids({}), (std::vector{id_of(24), id_of(23), id_of(22), id_of(21)}));
}

TEST_F(Activations, EachNamespaceKeepsItsNewest) {
  SqliteStore::Options options;
  options.retention.max_count_of_namespace = 10;
  options.retention.batch = 3;
  options.retention.check_every = std::chrono::milliseconds(1);
  open(options);
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(create_namespace("other"));
  entity::NamespaceLimits own;
  own.kept_activations = 4;
  ASSERT_TRUE(set_limits("guest", own));
  for (unsigned i = 0; i < 50; ++i) {
    entity::Activation record = make_activation(i, 1000 + i);
    if (i % 2 == 1) record.namespace_name = "other";
    ASSERT_TRUE(put(record));
  }
  while (count_records({.namespace_name = "guest"}).value() > 4 ||
         count_records({.namespace_name = "other"}).value() > 10) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ids({}), (std::vector{id_of(48), id_of(46), id_of(44), id_of(42)}));
  EXPECT_EQ(count_records({.namespace_name = "other"}).value(), 10);
  // It goes on with those that come later.
  for (unsigned i = 100; i < 110; ++i) ASSERT_TRUE(put(make_activation(i, 1000 + i)));
  while (count_records({.namespace_name = "guest"}).value() > 4) std::this_thread::yield();
  EXPECT_EQ(ids({.limit = 1}), std::vector<std::string>{id_of(109)});
}

}  // namespace
}  // namespace berth::store
