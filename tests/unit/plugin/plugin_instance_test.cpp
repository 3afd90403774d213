// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_instance.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <gtest/gtest.h>
#include <mutex>
#include <sys/stat.h>
#include <thread>

#include "host_support.hpp"

namespace berth::plugin {
namespace {

using test::await;
using test::later;

// Both interfaces in one plugin; remembers what it was told and answers from a thread of its own.
class Both final : public sdk::Plugin,
                   public sdk::ContainerFactory,
                   public sdk::Resize,
                   public sdk::Stats {
 public:
  explicit Both(const sdk::OpenArgs& args)
      : config(args.config_json),
        instance(args.instance),
        data(args.data_directory),
        run(args.runtime_directory) {
    opened = this;
  }
  ~Both() override {
    {
      const std::lock_guard lock(mutex_);
      if (worker_.joinable()) worker_.join();
    }
    opened = nullptr;
    ++closed;
  }

  sdk::ContainerFactory* container_factory() override { return this; }
  sdk::LogStore* log_store() override { return &store; }
  sdk::Resize* container_resize() override { return this; }
  sdk::Stats* container_stats() override { return this; }

  void start(sdk::ContainerEvents events, sdk::Promise<void> done) override {
    events_ = events;
    start_thread = std::this_thread::get_id();
    done.ok();
  }
  void create(const sdk::CreateRequestView& request,
              sdk::Promise<sdk::ContainerInfo> done) override {
    const std::lock_guard lock(mutex_);
    last_request = request.clone();
    if (worker_.joinable()) worker_.join();
    worker_ = std::thread([done = std::move(done), owned = request.clone()]() mutable {
      done.ok({owned.name, "token", "unix:/x", owned.name, sdk::ContainerState::kRunning,
               owned.labels});
    });
  }
  void destroy(std::string_view id, sdk::Promise<void> done) override {
    events_.died(id, 137, true, "out of memory");
    done.fail(sdk::not_found("no " + std::string(id)));
  }
  void list(std::string_view cursor, std::uint32_t,
            sdk::Promise<sdk::ContainerList> done) override {
    sdk::ContainerList page;
    const int from = cursor.empty() ? 0 : std::stoi(std::string(cursor));
    for (int i = from; i < from + 2 && i < 5; ++i) {
      page.containers.push_back({"c" + std::to_string(i),
                                 "t",
                                 "unix:/x",
                                 "n",
                                 sdk::ContainerState::kPaused,
                                 {{"l", std::to_string(i)}}});
    }
    if (from + 2 < 5) page.next_cursor = std::to_string(from + 2);
    done.ok(std::move(page));
  }
  void read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                 sdk::Promise<sdk::LogBatch> done) override {
    if (id == "waits") {
      waiting.push_back(std::move(done));
      return;
    }
    sdk::LogBatch batch;
    batch.add(sdk::Stream::kStderr, 12, "half", BERTH_LOG_PARTIAL_LINE);
    batch.add(sdk::Stream::kStdout, 13, "", BERTH_LOG_TIME_IS_OURS);
    batch.add(sdk::Stream::kStdout, 14, std::string(cursor) + std::to_string(max_bytes));
    batch.next_cursor = "next";
    batch.ended = true;
    done.ok(std::move(batch));
  }
  void capacity(sdk::Promise<sdk::Capacity> done) override {
    done.ok({BERTH_CAPACITY_PAUSE | BERTH_CAPACITY_PIDS_ENFORCED, 1, 2, 3, 4, "no cgroup"});
  }
  void stop(sdk::StopMode mode, sdk::Promise<void> done) override {
    stop_mode = mode;
    stop_thread = std::this_thread::get_id();
    done.ok();
  }
  void on_cancel(std::uint64_t id) override { cancelled = id; }
  void resize(std::string_view id, const sdk::ResizeRequest& request,
              sdk::Promise<void> done) override {
    if (id == "none") return done.fail(sdk::not_found("no such container"));
    last_resize = request;
    done.ok();
  }
  void stats(std::string_view id, sdk::Promise<sdk::ContainerStats> done) override {
    if (id == "drops") return;
    done.ok({1, -1, 3, 4});
  }

  struct Store final : sdk::LogStore {
    void append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines, bool final,
                sdk::Promise<void> done) override {
      last = activation.clone();
      kept = lines.clone();
      was_final = final;
      done.ok();
    }
    void fetch(const sdk::ActivationRefView&, std::string_view cursor, std::uint64_t,
               sdk::Promise<sdk::LogPage> done) override {
      sdk::LogPage page;
      for (const sdk::LogLine& line : kept)
        page.add(line.stream, line.time_ns, line.sequence, line.text);
      page.next_cursor = std::string(cursor) + "!";
      done.partial(std::move(page));
    }
    void container_parameters(sdk::Promise<sdk::Pairs> done) override {
      done.ok({{"log-opt", "a"}, {"log-opt", "b"}});
    }
    sdk::ActivationRef last;
    std::vector<sdk::LogLine> kept;
    bool was_final = false;
  };

  const std::string config, instance, data, run;
  Store store;
  sdk::CreateRequest last_request;
  sdk::ResizeRequest last_resize;
  std::vector<sdk::Promise<sdk::LogBatch>> waiting;
  sdk::StopMode stop_mode{};
  std::thread::id start_thread, stop_thread;
  std::atomic<std::uint64_t> cancelled{0};

  static inline Both* opened = nullptr;
  static inline int closed = 0;

 private:
  std::mutex mutex_;
  std::thread worker_;
  sdk::ContainerEvents events_;
};

class PluginInstanceTest : public testing::Test {
 protected:
  void open(PluginInstance::Options options) {
    Manifest manifest = test::manifest_of({"berth.container-factory/1", "berth.log-store/1"});
    auto result = PluginInstance::open(manifest, test::entry_of<Both>(), std::move(options));
    ASSERT_TRUE(result) << result.error().to_string();
    instance_ = std::move(*result);
    factory_ = instance_->container_factory();
    logs_ = instance_->log_store();
    ASSERT_NE(factory_, nullptr);
    ASSERT_NE(logs_, nullptr);
  }
  void open() { open(hosting_.options(R"({"a":1})")); }

  test::Hosting hosting_;
  std::unique_ptr<PluginInstance> instance_;
  ContainerFactory* factory_ = nullptr;
  LogStore* logs_ = nullptr;
};

TEST_F(PluginInstanceTest, OpenTellsConfigNamesAndPrivateDirectories) {
  open();
  EXPECT_EQ(Both::opened->config, R"({"a":1})");
  EXPECT_EQ(Both::opened->instance, "test");
  for (const std::string& directory : {Both::opened->data, Both::opened->run}) {
    struct stat status {};
    ASSERT_EQ(::stat(directory.c_str(), &status), 0) << directory;
    EXPECT_EQ(status.st_mode & 07777, 0700u);
  }
  EXPECT_EQ(Both::opened->data, (hosting_.directory.path() / "data" / "inside").string());
}

TEST_F(PluginInstanceTest, WhatThePluginNeedsMustBeThere) {
  Manifest manifest = test::manifest_of({"berth.log-store/1"});
  manifest.needs = {"berth.log/1", "berth.state/1"};
  auto options = hosting_.options();
  options.state = nullptr;
  const auto opened = PluginInstance::open(manifest, test::entry_of<Both>(), options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(opened.error().message().find("berth.state/1"), std::string::npos);
  EXPECT_EQ(Both::opened, nullptr) << "nothing of it ran";
}

TEST_F(PluginInstanceTest, OnlyWhatTheNoteSaysIsUsed) {
  const auto opened = hosting_.open<Both>({"berth.log-store/1"});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->container_factory(), nullptr);
  EXPECT_NE((*opened)->log_store(), nullptr);
}

TEST_F(PluginInstanceTest, CreateCrossesFieldByField) {
  open();
  CreateRequest request;
  request.transaction_id = "tid";
  request.name = "berth-test-1";
  request.kind = "python:3.11";
  request.image = "img";
  request.user_provided_image = true;
  request.memory_bytes = 256 << 20;
  request.cpu_shares = 512;
  request.cpu_quota_millis = 1500;
  request.pids_limit = 64;
  request.concurrency = 3;
  request.environment = {{"__OW_API_HOST", "http://h"}};
  request.labels = {{"l", "1"}, {"l", "2"}};
  request.log_parameters = {{"log-driver", "x"}};
  const auto created = await<ContainerInfo>(factory_->create(request, later()));
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_EQ(created->id, "berth-test-1");
  EXPECT_EQ(created->token, "token");
  EXPECT_EQ(created->address, "unix:/x");
  EXPECT_EQ(created->labels, request.labels);
  const sdk::CreateRequest& got = Both::opened->last_request;
  EXPECT_EQ(got.transaction_id, request.transaction_id);
  EXPECT_EQ(got.kind, request.kind);
  EXPECT_EQ(got.image, request.image);
  EXPECT_TRUE(got.user_provided_image);
  EXPECT_EQ(got.memory_bytes, request.memory_bytes);
  EXPECT_EQ(got.cpu_shares, 512u);
  EXPECT_EQ(got.cpu_quota_millis, 1500u);
  EXPECT_EQ(got.pids_limit, 64u);
  EXPECT_EQ(got.concurrency, 3u);
  EXPECT_EQ(got.environment, request.environment);
  EXPECT_EQ(got.log_parameters, request.log_parameters);
}

TEST_F(PluginInstanceTest, TheOtherCallsCross) {
  open();
  std::mutex mutex;
  std::vector<ContainerDied> died;
  ASSERT_TRUE(await<void>(factory_->start(
      [&](const ContainerDied& event) {
        const std::lock_guard lock(mutex);
        died.push_back(event);
      },
      later())));
  const auto all = await<std::vector<ContainerInfo>>(factory_->list(later()));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 5u);
  EXPECT_EQ((*all)[4].id, "c4");
  EXPECT_EQ((*all)[4].state, ContainerState::kPaused);
  EXPECT_EQ((*all)[4].labels, (Pairs{{"l", "4"}}));

  const auto batch = await<LogBatch>(factory_->read_logs("x", "from", 99, later()));
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->records.size(), 3u);
  EXPECT_EQ(batch->records[0].bytes, "half");
  EXPECT_TRUE(batch->records[0].partial_line);
  EXPECT_EQ(batch->records[0].stream, Stream::kStderr);
  EXPECT_TRUE(batch->records[1].time_is_ours);
  EXPECT_EQ(batch->records[2].bytes, "from99");
  EXPECT_EQ(batch->records[2].time_ns, 14);
  EXPECT_EQ(batch->next_cursor, "next");
  EXPECT_TRUE(batch->ended);

  const auto capacity = await<Capacity>(factory_->capacity(later()));
  ASSERT_TRUE(capacity);
  EXPECT_TRUE(capacity->can_pause);
  EXPECT_TRUE(capacity->pids_enforced);
  EXPECT_FALSE(capacity->memory_enforced);
  EXPECT_EQ(capacity->memory_free_bytes, 2);
  EXPECT_EQ(capacity->detail, "no cgroup");

  EXPECT_EQ(await<void>(factory_->pause("x", later())).error().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(await<void>(factory_->resume("x", later())).error().code(), StatusCode::kUnimplemented);
  EXPECT_TRUE(await<void>(factory_->drain(later())));
  EXPECT_EQ(await<void>(factory_->destroy("x", later())).error(), sdk::not_found("no x"));
  ASSERT_EQ(died.size(), 1u);
  EXPECT_EQ(died[0].exit_code, 137);
  EXPECT_TRUE(died[0].oom);
  EXPECT_EQ(died[0].reason, "out of memory");

  ASSERT_TRUE(await<void>(factory_->stop(StopMode::kDetach, later())));
  EXPECT_EQ(Both::opened->stop_mode, sdk::StopMode::kDetach);
  EXPECT_FALSE(await<void>(factory_->destroy("x", later())));
  EXPECT_EQ(died.size(), 1u) << "after stop nobody listens";
}

TEST_F(PluginInstanceTest, WhatAFactoryMayOfferBesidesCrossesWhereTheNoteNamesIt) {
  const std::string with[] = {"berth.container-factory/1", "berth.resize/1", "berth.stats/1"};
  auto opened = hosting_.open<Both>({with[0], with[1], with[2]});
  ASSERT_TRUE(opened) << opened.error().to_string();
  ContainerFactory& factory = *(*opened)->container_factory();
  ASSERT_TRUE(factory.can_resize());
  EXPECT_TRUE(await<void>(factory.resize("x", {512 << 20, 300, 1500}, later())));
  EXPECT_EQ(Both::opened->last_resize.memory_bytes, 512u << 20);
  EXPECT_EQ(Both::opened->last_resize.cpu_shares, 300u);
  EXPECT_EQ(Both::opened->last_resize.cpu_quota_millis, 1500u);
  EXPECT_EQ(await<void>(factory.resize("none", {}, later())).error(),
            sdk::not_found("no such container"));
  EXPECT_EQ(await<void>(factory.resize("x", {}, test::in(std::chrono::seconds(-1)))).error().code(),
            StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(factory.has_stats());
  const auto stats = await<ContainerStats>(factory.stats("x", later()));
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->memory_bytes, 1);
  EXPECT_EQ(stats->memory_limit_bytes, -1);
  EXPECT_EQ(stats->cpu_ns, 3);
  EXPECT_EQ(stats->pids, 4);
  EXPECT_EQ(await<ContainerStats>(factory.stats("drops", later())).error().code(),
            StatusCode::kInternal);
  EXPECT_TRUE(hosting_.exposes(
      R"(berth_plugin_call_seconds_count{call="resize",code="OK",plugin="inside"} 1)"));
  opened->reset();

  opened = hosting_.open<Both>({with[0]});
  ASSERT_TRUE(opened);
  ContainerFactory& plain = *(*opened)->container_factory();
  EXPECT_FALSE(plain.can_resize());
  EXPECT_FALSE(plain.has_stats());
  EXPECT_EQ(await<void>(plain.resize("x", {}, later())).error().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(await<ContainerStats>(plain.stats("x", later())).error().code(),
            StatusCode::kUnimplemented);
}

TEST_F(PluginInstanceTest, LogsCross) {
  open();
  ASSERT_TRUE(await<void>(logs_->start(later())));
  EXPECT_FALSE(logs_->out_of_band());
  EXPECT_EQ(*await<Pairs>(logs_->container_parameters(later())),
            (Pairs{{"log-opt", "a"}, {"log-opt", "b"}}));
  const ActivationRef activation{"id", "ns", "uuid", "ns/a", "c1", 5, 6};
  ASSERT_TRUE(await<void>(logs_->append(
      activation, {{Stream::kStdout, 1, 0, "one"}, {Stream::kStderr, 2, 1, ""}}, true, later())));
  EXPECT_EQ(Both::opened->store.last.action, "ns/a");
  EXPECT_EQ(Both::opened->store.last.end_ms, 6);
  EXPECT_TRUE(Both::opened->store.was_final);
  const auto page = await<LogPage>(logs_->fetch(activation, "c", 100, later()));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->lines.size(), 2u);
  EXPECT_EQ(page->lines[0].text, "one");
  EXPECT_EQ(page->lines[1].stream, Stream::kStderr);
  EXPECT_EQ(page->lines[1].sequence, 1u);
  EXPECT_EQ(page->next_cursor, "c!");
  EXPECT_TRUE(page->partial);
  EXPECT_TRUE(await<void>(logs_->drain(later())));
  EXPECT_TRUE(await<void>(logs_->stop(later())));
}

TEST_F(PluginInstanceTest, CallsAreMeasuredByCallAndCode) {
  open();
  static_cast<void>(await<void>(factory_->destroy("x", later())));
  CreateRequest request;
  request.name = "n";
  static_cast<void>(await<ContainerInfo>(factory_->create(request, later())));
  EXPECT_TRUE(hosting_.exposes(
      R"(berth_plugin_call_seconds_count{call="destroy",code="NOT_FOUND",plugin="inside"} 1)"))
      << hosting_.metrics.text();
  EXPECT_TRUE(hosting_.exposes(
      R"(berth_plugin_call_seconds_count{call="create",code="OK",plugin="inside"} 1)"));
}

TEST_F(PluginInstanceTest, ADeadlineThatHasPassedDoesNotReachThePlugin) {
  open();
  CreateRequest request;
  request.name = "n";
  const auto created =
      await<ContainerInfo>(factory_->create(request, test::in(std::chrono::seconds(-1))));
  EXPECT_EQ(created.error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Both::opened->last_request.name, "");
}

TEST_F(PluginInstanceTest, ACancelledCallerIsToldAndThePluginToo) {
  open();
  boost::asio::io_context io;
  boost::asio::cancellation_signal cancel;
  std::optional<Result<LogBatch>> result;
  boost::asio::co_spawn(
      io, factory_->read_logs("waits", "", 1, later()),
      boost::asio::bind_cancellation_slot(
          cancel.slot(), [&](const std::exception_ptr&, Result<LogBatch> got) { result = got; }));
  io.poll();
  ASSERT_EQ(Both::opened->waiting.size(), 1u);
  ASSERT_FALSE(result);
  cancel.emit(boost::asio::cancellation_type::terminal);
  io.run();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().code(), StatusCode::kCancelled);
  const std::uint64_t id = Both::opened->waiting[0].id();
  EXPECT_TRUE(test::eventually([&] { return Both::opened->cancelled == id; }));
}

TEST_F(PluginInstanceTest, StartAndStopAreCalledOnTheLoaderThreadAndTheCallerComesBack) {
  boost::asio::thread_pool loader(1);
  std::promise<std::thread::id> loader_id;
  boost::asio::post(loader, [&] { loader_id.set_value(std::this_thread::get_id()); });
  auto options = hosting_.options();
  options.loader = loader.get_executor();
  open(std::move(options));
  std::thread::id after;
  const auto start_and_look = [&]() -> boost::asio::awaitable<Result<void>> {
    Result<void> started = co_await factory_->start({}, later());
    after = std::this_thread::get_id();
    co_return started;
  };
  const auto started = start_and_look();
  ASSERT_TRUE(await<void>(start_and_look()));
  ASSERT_TRUE(await<void>(factory_->stop(StopMode::kKill, later())));
  const std::thread::id expected = loader_id.get_future().get();
  EXPECT_EQ(Both::opened->start_thread, expected);
  EXPECT_EQ(Both::opened->stop_thread, expected);
  EXPECT_EQ(after, std::this_thread::get_id());
}

TEST_F(PluginInstanceTest, ManyThreadsMayCallAtOnce) {
  open();
  boost::asio::thread_pool callers(3);
  std::atomic<int> ok{0};
  std::vector<std::future<void>> ended;
  const auto work = [&]() -> boost::asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      CreateRequest request;
      request.name = "n" + std::to_string(i);
      Result<ContainerInfo> created = co_await factory_->create(std::move(request), later());
      if (created && created->id == "n" + std::to_string(i)) ++ok;
      Result<std::vector<ContainerInfo>> listed = co_await factory_->list(later());
      if (listed && listed->size() == 5) ++ok;
    }
  };
  for (int i = 0; i < 6; ++i) {
    auto ending = std::make_shared<std::promise<void>>();
    ended.push_back(ending->get_future());
    boost::asio::co_spawn(callers, work(),
                          [ending](const std::exception_ptr&) { ending->set_value(); });
  }
  for (auto& one : ended) one.wait();
  callers.join();
  EXPECT_EQ(ok, 6 * 200);
  // The plugin's last thread may still be on its way out of `callers`: closing waits for it.
  instance_.reset();
}

TEST_F(PluginInstanceTest, ClosingClosesThePlugin) {
  open();
  const int before = Both::closed;
  instance_.reset();
  EXPECT_EQ(Both::closed, before + 1);
  EXPECT_EQ(Both::opened, nullptr);
}

}  // namespace
}  // namespace berth::plugin
