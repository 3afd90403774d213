// SPDX-License-Identifier: Apache-2.0
#include "floor.hpp"

#include <utility>

namespace berth::bench {

using namespace mesos;

Floor::Floor(boost::asio::io_context& context, Settings settings)
    : settings_(std::move(settings)), link_(context, settings_, *this) {}

void Floor::start(std::function<void()> subscribed) {
  subscribed_ = std::move(subscribed);
  link_.start();
}

void Floor::make_subscribe(v1::Call& call) {
  v1::FrameworkInfo& info = *call.mutable_subscribe()->mutable_framework_info();
  info.set_user("root");
  info.set_name("floor");
  info.add_roles("*");
  for (const auto type : {v1::FrameworkInfo::Capability::MULTI_ROLE,
                          v1::FrameworkInfo::Capability::RESERVATION_REFINEMENT}) {
    info.add_capabilities()->set_type(type);
  }
  info.set_failover_timeout(60);
}

void Floor::on_event(const v1::Event& event) {
  if (event.type() == v1::Event::SUBSCRIBED && subscribed_) {
    std::exchange(subscribed_, nullptr)();
  } else if (event.type() == v1::Event::OFFERS) {
    for (const v1::Offer& offer : event.offers().offers()) offers_.push_back(offer);
    accept();
  } else if (event.type() == v1::Event::UPDATE) {
    const v1::TaskStatus& status = event.update().status();
    if (status.has_uuid()) {
      v1::Call ack;
      ack.set_type(v1::Call::ACKNOWLEDGE);
      *ack.mutable_acknowledge()->mutable_agent_id() = status.agent_id();
      *ack.mutable_acknowledge()->mutable_task_id() = status.task_id();
      ack.mutable_acknowledge()->set_uuid(status.uuid());
      link_.call(std::move(ack), [](const sdk::Status&) {});
    }
    if (status.state() != v1::TASK_RUNNING) return;
    const auto it = running_.find(status.task_id().value());
    if (it == running_.end()) return;
    const auto running = std::move(it->second);
    running_.erase(it);
    running();
  }
}

void Floor::launch(const std::string& id, std::function<void()> running) {
  waiting_.push_back(id);
  running_[id] = std::move(running);
  accept();
}

// All that waits goes to the first offer: the bench's agents are large enough.
void Floor::accept() {
  if (waiting_.empty() || offers_.empty()) return;
  const v1::Offer offer = std::move(offers_.back());
  offers_.pop_back();
  v1::Call accept;
  accept.set_type(v1::Call::ACCEPT);
  *accept.mutable_accept()->add_offer_ids() = offer.id();
  accept.mutable_accept()->mutable_filters()->set_refuse_seconds(0);
  auto& operation = *accept.mutable_accept()->add_operations();
  operation.set_type(v1::Offer::Operation::LAUNCH);
  for (const std::string& id : std::exchange(waiting_, {})) {
    v1::TaskInfo& task = *operation.mutable_launch()->add_task_infos();
    task.set_name(id);
    task.mutable_task_id()->set_value(id);
    *task.mutable_agent_id() = offer.agent_id();
    for (const v1::Resource& r : offer.resources()) {
      if (r.name() != "cpus" && r.name() != "mem") continue;
      v1::Resource& taken = *task.add_resources();
      taken = r;
      taken.mutable_scalar()->set_value(r.name() == "cpus" ? 0.01 : 32);
    }
    task.mutable_container()->set_type(v1::ContainerInfo::DOCKER);
    task.mutable_container()->mutable_docker()->set_image("x");
    task.mutable_command()->set_shell(false);
  }
  link_.call(std::move(accept), [](const sdk::Status&) {});
}

void Floor::teardown(std::function<void()> done) {
  v1::Call call;
  call.set_type(v1::Call::TEARDOWN);
  link_.call(std::move(call), [this, done = std::move(done)](const sdk::Status&) {
    link_.stop();
    done();
  });
}

}  // namespace berth::bench
