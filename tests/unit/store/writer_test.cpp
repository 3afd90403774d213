// SPDX-License-Identifier: Apache-2.0
// Group commit, and what becomes of writes when the disk is full.
#include "store/writer.hpp"

#include <atomic>
#include <fstream>
#include <future>
#include <sys/mount.h>

#include "disk_full_fixture.hpp"
#include "store/schema.hpp"

namespace berth::store {
namespace {

using Body = std::function<Status(Connection&)>;

class TestJob final : public WriteJob {
 public:
  TestJob(Body run, std::promise<Status> done, bool persistent = false)
      : run_(std::move(run)), done_(std::move(done)), persistent_(persistent) {}
  Status run(Connection& connection) override { return run_(connection); }
  void finish(const Status& status) override { done_.set_value(status); }
  bool persistent() const override { return persistent_; }

 private:
  Body run_;
  std::promise<Status> done_;
  bool persistent_;
};

class WriterTest : public StoreTest {
 protected:
  void SetUp() override {
    open();
    store_.reset();
    auto connection = Connection::open(file(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(connection);
    ASSERT_TRUE((*connection)->execute("CREATE TABLE t(x INTEGER PRIMARY KEY)").ok());
    writer_ = std::make_unique<Writer>(std::move(*connection),
                                       Writer::Options{1000, 1 << 20, std::chrono::milliseconds(1)},
                                       metrics_);
  }
  std::future<Status> submit(Body run, bool soon = true) {
    std::promise<Status> promise;
    auto future = promise.get_future();
    writer_->submit_or_refuse(std::make_unique<TestJob>(std::move(run), std::move(promise)), soon);
    return future;
  }
  static Body insert(std::int64_t x) {
    return [x](Connection& connection) {
      Query query(connection, "INSERT INTO t(x) VALUES(?)");
      query.bind(x);
      return query.run();
    };
  }
  std::int64_t rows() {
    auto connection = Connection::open(file(), Connection::Mode::kReadOnly);
    Query query(**connection, "SELECT count(*) FROM t");
    query.next();
    return query.integer(0);
  }
  // Holds the writer inside a job until the gate is opened.
  std::promise<void> block() {
    std::promise<void> gate;
    auto entered = std::make_shared<std::promise<void>>();
    auto inside = entered->get_future();
    auto opened = std::make_shared<std::shared_future<void>>(gate.get_future().share());
    blocked_ = submit([entered, opened](Connection&) -> Status {
      entered->set_value();
      opened->wait();
      return {};
    });
    inside.wait();
    return gate;
  }

  Metrics metrics_;
  std::unique_ptr<Writer> writer_;
  std::future<Status> blocked_;
};

TEST_F(WriterTest, WritesWhatWaitsInOneTransaction) {
  auto gate = block();
  std::vector<std::future<Status>> writes;
  std::atomic<int> transactions{0};
  for (int i = 0; i < 100; ++i) {
    writes.push_back(submit([i, &transactions](Connection& connection) {
      // Every first statement of a transaction would see no uncommitted row of the others.
      if (i == 99) {
        Query query(connection, "SELECT count(*) FROM t");
        query.next();
        transactions = static_cast<int>(query.integer(0));
      }
      return insert(i)(connection);
    }));
  }
  EXPECT_EQ(rows(), 0);
  gate.set_value();
  for (auto& write : writes) EXPECT_TRUE(write.get().ok());
  EXPECT_EQ(transactions, 99);
  EXPECT_EQ(rows(), 100);
}

TEST_F(WriterTest, OneBadWriteDoesNotSpoilItsGroup) {
  auto gate = block();
  std::vector<std::future<Status>> writes;
  for (int i = 0; i < 10; ++i) writes.push_back(submit(insert(i)));
  auto twice = submit(insert(3));
  auto refused = submit([](Connection&) { return sdk::aborted("by a rule of ours"); });
  auto after = submit(insert(11));
  gate.set_value();
  for (auto& write : writes) EXPECT_TRUE(write.get().ok());
  EXPECT_FALSE(twice.get().ok());
  EXPECT_EQ(refused.get().code(), StatusCode::kAborted);
  EXPECT_TRUE(after.get().ok());
  EXPECT_EQ(rows(), 11);
}

TEST_F(WriterTest, AFullQueueRefuses) {
  auto gate = block();
  std::vector<std::future<Status>> writes;
  for (int i = 0; i < 1200; ++i) writes.push_back(submit(insert(i)));
  gate.set_value();
  int kept = 0;
  for (auto& write : writes) {
    const Status status = write.get();
    if (status.ok()) {
      ++kept;
    } else {
      EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
      EXPECT_TRUE(status.retryable());
    }
  }
  EXPECT_EQ(kept, 1000);
  EXPECT_EQ(rows(), 1000);
}

TEST_F(WriterTest, ABarrierComesAfterWhatWasBefore) {
  auto gate = block();
  auto write = submit(insert(1), false);
  std::promise<bool> written;
  auto seen = written.get_future();
  writer_->after_pending([&] { written.set_value(rows() == 1); });
  gate.set_value();
  EXPECT_TRUE(seen.get());
  EXPECT_TRUE(write.get().ok());
}

TEST_F(DiskFull, RefusesWithTheReasonAndGoesOnWhenThereIsRoom) {
  open();
  ASSERT_TRUE(put(make_activation(1)));
  fill();
  entity::Activation big = make_activation(2);
  big.result = "\"" + std::string(300'000, 'y') + "\"";
  const auto refused = put(big);
  ASSERT_EQ(code_of(refused), StatusCode::kResourceExhausted);
  EXPECT_NE(refused.error().message().find("no room on the disk for the store"), std::string::npos)
      << refused.error().to_string();
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_EQ(code_of(get_record(id_of(2))), StatusCode::kNotFound);
  std::filesystem::remove(ballast());
  EXPECT_TRUE(put(big));
  open();
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_TRUE(get_record(id_of(2)));
}

TEST_F(DiskFull, KeepsRecordsInMemoryUntilThereIsRoom) {
  open();
  ASSERT_TRUE(put(make_activation(1)));
  fill();
  entity::Activation big = make_activation(2);
  big.result = "\"" + std::string(300'000, 'y') + "\"";
  store_->activations().put_later(big);
  EXPECT_EQ(code_of(flush()), StatusCode::kResourceExhausted);
  EXPECT_TRUE(get_record(id_of(2))) << "still to be seen";
  std::filesystem::remove(ballast());
  while (!flush()) std::this_thread::yield();
  open();
  EXPECT_EQ(get_record(id_of(2)).value().result, big.result);
}

TEST_F(DiskFull, ClosingSaysWhatIsLost) {
  Metrics metrics;
  SqliteStore::Options options;
  options.metrics = &metrics;
  open(options);
  ASSERT_TRUE(put(make_activation(1)));
  fill();
  entity::Activation big = make_activation(2);
  big.result = "\"" + std::string(300'000, 'y') + "\"";
  store_->activations().put_later(big);
  EXPECT_EQ(store_->close().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(metrics.text().find("berth_store_lost_activations_total 1"), std::string::npos);
  store_.reset();
  std::filesystem::remove(ballast());
  open();
  EXPECT_TRUE(get_record(id_of(1)));
}

}  // namespace
}  // namespace berth::store
