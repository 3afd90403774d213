// SPDX-License-Identifier: Apache-2.0
// A whole Mesos framework on the scheduler: runs COUNT tasks of an image, waits until all run,
// kills them and leaves the cluster.
//
//   sample_framework http://master:5050 COUNT IMAGE
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>

#include "mesos/scheduler/memory_store.hpp"
#include "mesos/scheduler/scheduler.hpp"

using namespace berth::mesos;
namespace sdk = berth::sdk;

class Sample final : public Observer {
 public:
  Sample(Settings settings, int count, std::string image)
      : count_(count),
        image_(std::move(image)),
        store_(context_),
        scheduler_(context_, std::move(settings), store_, make_matcher("spread"), *this) {}

  int run() {
    scheduler_.start([this](const sdk::Status& subscribed) {
      if (!subscribed.ok()) return leave(subscribed);
      for (int i = 0; i < count_; ++i) {
        scheduler_.launch(spec(i), std::chrono::steady_clock::now() + std::chrono::seconds(60),
                          [this](const sdk::Status& status, const Task* task) {
                            if (!status.ok()) return leave(status);
                            std::printf("running %s on %s\n", task->id.c_str(),
                                        task->hostname.c_str());
                            if (++running_ == count_) leave({});
                          });
      }
    });
    context_.run();
    return failed_ ? 1 : 0;
  }

  void on_ended(const Task& task, const Ending& ending) override {
    std::printf("%s ended: %s\n", task.id.c_str(), ending.text().c_str());
  }
  void on_link(const sdk::Status& s) override { std::printf("link: %s\n", s.to_string().c_str()); }
  void on_note(const std::string& text) override { std::printf("%s\n", text.c_str()); }

 private:
  TaskSpec spec(int number) const {
    TaskSpec spec;
    spec.name = "sample-" + std::to_string(number);
    spec.image = image_;
    spec.demand.cpus = to_thousandths(0.1);
    spec.demand.mem = to_thousandths(32);
    spec.info.mutable_container()->set_type(v1::ContainerInfo::DOCKER);
    spec.info.mutable_container()->mutable_docker()->set_image(image_);
    spec.info.mutable_command()->set_shell(false);
    return spec;
  }
  // Teardown ends the framework's tasks with it.
  void leave(const sdk::Status& why) {
    failed_ = failed_ || !why.ok();
    if (!why.ok()) std::printf("%s\n", why.to_string().c_str());
    boost::asio::post(
        context_, [this] { scheduler_.teardown([this](const sdk::Status&) { context_.stop(); }); });
  }

  const int count_;
  const std::string image_;
  boost::asio::io_context context_;
  MemoryStore store_;  // one that is to survive its own crash keeps that on a disk
  Scheduler scheduler_;
  int running_ = 0;
  bool failed_ = false;
};

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  Settings settings;
  settings.masters = {argv[1]};
  settings.framework_name = "sample";
  return Sample(std::move(settings), std::atoi(argv[2]), argv[3]).run();
}
