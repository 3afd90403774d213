// SPDX-License-Identifier: Apache-2.0
// The work queue: rows, marks, and their end together with the record.
#include "disk_full_fixture.hpp"

namespace berth::store {
namespace {

template <typename Base>
class WithWork : public Base {
 protected:
  using Base::open;
  using Base::store_;

  static Work make_work(unsigned number) {
    Work work;
    work.activation_id = id_of(number);
    work.transaction_id = "t" + std::to_string(number);
    work.namespace_name = "guest";
    work.namespace_uuid = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
    work.subject = "guest";
    work.path = "guest/pkg/hello";
    work.cause = "";
    work.received_ms = 1000 + number;
    work.arguments = R"({"n":)" + std::to_string(number) + "}";
    return work;
  }
  Result<void> enqueue(Work work) {
    return await<void>([&](Executor on, auto done) {
      store_->work().enqueue(on, std::move(work), std::move(done));
    });
  }
  Result<void> start(unsigned number, std::int64_t now_ms) {
    return await<void>([&](Executor on, auto done) {
      store_->work().start(on, id_of(number), now_ms, std::move(done));
    });
  }
  std::vector<Work> left_over(std::int64_t after = 0) {
    auto page = await<std::vector<Work>>(
        [&](Executor on, auto done) { store_->work().left_over(on, after, std::move(done)); });
    EXPECT_TRUE(page) << page.error().to_string();
    return page ? *page : std::vector<Work>();
  }
  void reopen() {
    store_.reset();
    open();
  }
};
using WorkStoreTest = WithWork<StoreTest>;
using WorkOnFullDisk = WithWork<DiskFull>;

TEST_F(WorkStoreTest, WhatWasAcceptedIsThereAtTheNextStart) {
  open();
  Work work = make_work(1);
  work.cause = id_of(9);
  work.arguments = R"({"ü":"x"})";
  ASSERT_TRUE(enqueue(work));
  ASSERT_TRUE(enqueue(make_work(2)));
  ASSERT_TRUE(start(2, 5000));
  EXPECT_EQ(store_->work().size(), 2u);
  EXPECT_TRUE(left_over().empty()) << "rows of this process are no left-overs";
  reopen();
  const std::vector<Work> rows = left_over();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].activation_id, id_of(1));
  EXPECT_EQ(rows[0].transaction_id, "t1");
  EXPECT_EQ(rows[0].namespace_name, "guest");
  EXPECT_EQ(rows[0].namespace_uuid, work.namespace_uuid);
  EXPECT_EQ(rows[0].subject, "guest");
  EXPECT_EQ(rows[0].path, "guest/pkg/hello");
  EXPECT_EQ(rows[0].cause, id_of(9));
  EXPECT_EQ(rows[0].received_ms, 1001);
  EXPECT_EQ(rows[0].started_ms, 0);
  EXPECT_EQ(rows[0].arguments, work.arguments);
  EXPECT_EQ(rows[1].activation_id, id_of(2));
  EXPECT_EQ(rows[1].started_ms, 5000);
  EXPECT_EQ(left_over(rows[0].sequence).size(), 1u);
  EXPECT_TRUE(left_over(rows[1].sequence).empty());
}

TEST_F(WorkStoreTest, TheRecordTakesTheRowAway) {
  open();
  ASSERT_TRUE(enqueue(make_work(1)));
  ASSERT_TRUE(enqueue(make_work(2)));
  ASSERT_TRUE(start(1, 5000));
  ASSERT_TRUE(put(make_activation(1)));
  EXPECT_EQ(store_->work().size(), 1u);
  store_->activations().put_later(make_activation(2));
  ASSERT_TRUE(flush());
  EXPECT_EQ(store_->work().size(), 0u);
  reopen();
  EXPECT_TRUE(left_over().empty());
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_TRUE(get_record(id_of(2)));
}

TEST_F(WorkStoreTest, ARowOfAnEarlierProcessEndsLikewise) {
  open();
  ASSERT_TRUE(enqueue(make_work(1)));
  reopen();
  ASSERT_EQ(left_over().size(), 1u);
  ASSERT_TRUE(start(1, 7000));
  reopen();
  ASSERT_EQ(left_over().size(), 1u);
  EXPECT_EQ(left_over().front().started_ms, 7000);
  ASSERT_TRUE(put(make_activation(1)));
  reopen();
  EXPECT_TRUE(left_over().empty());
}

TEST_F(WorkStoreTest, AMarkBehindItsRowIsWrittenWithIt) {
  open();
  // None is waited for before the next is asked: they share a group, or do not.
  for (unsigned i = 0; i < 200; ++i) {
    boost::asio::io_context context;
    int answers = 0;
    store_->work().enqueue(context.get_executor(), make_work(i), [&](const Result<void>& stored) {
      EXPECT_TRUE(stored);
      ++answers;
    });
    store_->work().start(context.get_executor(), id_of(i), 5000 + i,
                         [&](const Result<void>& marked) {
                           EXPECT_TRUE(marked);
                           EXPECT_EQ(answers, 1) << "marked before it was accepted";
                           ++answers;
                         });
    context.run();
    EXPECT_EQ(answers, 2);
  }
  reopen();
  const std::vector<Work> rows = left_over();
  ASSERT_EQ(rows.size(), 200u);
  for (unsigned i = 0; i < 200; ++i) EXPECT_EQ(rows[i].started_ms, 5000 + i);
}

TEST_F(WorkStoreTest, WhatWasWithdrawnDoesNotRun) {
  open();
  boost::asio::io_context context;
  store_->work().enqueue(context.get_executor(), make_work(1), [](const Result<void>&) {});
  store_->work().withdraw(id_of(1));
  context.run();
  EXPECT_EQ(code_of(start(1, 5000)), StatusCode::kNotFound);
  ASSERT_TRUE(enqueue(make_work(2)));
  store_->work().withdraw(id_of(2));
  store_->work().withdraw(id_of(3));
  EXPECT_EQ(code_of(start(2, 5000)), StatusCode::kNotFound);
  EXPECT_EQ(store_->work().size(), 0u);
  reopen();
  EXPECT_TRUE(left_over().empty());
}

TEST_F(WorkStoreTest, ARowThatComesAfterItsRecordIsNotKept) {
  open();
  ASSERT_TRUE(put(make_activation(1)));
  Work late = make_work(1);
  late.started_ms = 5000;
  ASSERT_TRUE(enqueue(late));
  EXPECT_EQ(store_->work().size(), 0u);
  reopen();
  EXPECT_TRUE(left_over().empty());
  EXPECT_EQ(get_record(id_of(1))->outcome, entity::Outcome::kSuccess);
}

TEST_F(WorkStoreTest, ManyRowsComeInPages) {
  open();
  boost::asio::io_context context;
  constexpr unsigned kRows = 1234;
  for (unsigned i = 1; i <= kRows; ++i) {
    store_->work().enqueue(context.get_executor(), make_work(i),
                           [](const Result<void>& stored) { EXPECT_TRUE(stored); });
  }
  context.run();
  reopen();
  std::int64_t after = 0;
  unsigned seen = 0;
  for (;;) {
    const std::vector<Work> page = left_over(after);
    if (page.empty()) break;
    for (const Work& work : page) {
      EXPECT_EQ(work.activation_id, id_of(++seen));
      EXPECT_GT(work.sequence, after);
      after = work.sequence;
    }
  }
  EXPECT_EQ(seen, kRows);
}

TEST_F(WorkStoreTest, AFullQueueKeepsTheRecordsOfWhatItAccepted) {
  open();
  ASSERT_TRUE(enqueue(make_work(1)));
  store_.reset();
  SqliteStore::Options full;
  full.max_queued_writes = 0;
  open(full);
  store_->activations().put_later(make_activation(1));
  store_->activations().put_later(make_activation(2));
  reopen();
  EXPECT_TRUE(left_over().empty());
  EXPECT_TRUE(get_record(id_of(1)));
  EXPECT_EQ(code_of(get_record(id_of(2))), StatusCode::kNotFound) << "nobody was promised that";
}

TEST_F(WorkStoreTest, ANamespaceTakesItsRowsAlong) {
  open();
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(enqueue(make_work(1)));
  ASSERT_TRUE(await<void>([&](Executor on, auto done) {
    store_->auth().remove_namespace(on, "guest", true, std::move(done));
  }));
  reopen();
  EXPECT_TRUE(left_over().empty());
}

TEST_F(WorkStoreTest, AnIdThatIsNoneIsRefused) {
  open();
  Work work = make_work(1);
  work.activation_id = "x";
  EXPECT_EQ(code_of(enqueue(work)), StatusCode::kInvalidArgument);
}

TEST_F(WorkOnFullDisk, NothingIsAcceptedAndWhatWasIsKept) {
  open();
  ASSERT_TRUE(enqueue(make_work(1)));
  fill();
  Work big = make_work(2);
  big.arguments = "\"" + std::string(500'000, 'y') + "\"";
  const Result<void> refused = enqueue(big);
  EXPECT_EQ(code_of(refused), StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.error().message().find(directory_.path().string()), std::string::npos)
      << "clients are told of it: " << refused.error().message();
  EXPECT_EQ(code_of(start(2, 5000)), StatusCode::kNotFound) << "it must not run";
  EXPECT_EQ(store_->work().size(), 1u);
  // What room is left inside the file may do for a mark; else it is told, and nothing waits for it.
  const Result<void> mark = start(1, 4000);
  if (!mark) EXPECT_EQ(mark.error().code(), StatusCode::kResourceExhausted);
  std::filesystem::remove(ballast());
  EXPECT_TRUE(start(1, 5000));
  EXPECT_TRUE(enqueue(big));
  reopen();
  ASSERT_EQ(left_over().size(), 2u);
  EXPECT_EQ(left_over()[0].started_ms, mark ? 4000 : 5000);
  EXPECT_EQ(left_over()[1].arguments, big.arguments);
}

TEST_F(WorkOnFullDisk, ARecordWithoutRoomLeavesItsRow) {
  open();
  ASSERT_TRUE(enqueue(make_work(1)));
  ASSERT_TRUE(start(1, 5000));
  fill();
  entity::Activation record = make_activation(1);
  record.result = "\"" + std::string(500'000, 'y') + "\"";
  store_->activations().put_later(record);
  EXPECT_EQ(code_of(flush()), StatusCode::kResourceExhausted);
  EXPECT_EQ(store_->close().code(), StatusCode::kResourceExhausted);
  store_.reset();
  std::filesystem::remove(ballast());
  open();
  ASSERT_EQ(left_over().size(), 1u) << "the next start records it as interrupted";
  EXPECT_EQ(code_of(get_record(id_of(1))), StatusCode::kNotFound);
}

}  // namespace
}  // namespace berth::store
