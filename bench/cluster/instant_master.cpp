// SPDX-License-Identifier: Apache-2.0
#include "instant_master.hpp"

#include <arpa/inet.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <csignal>
#include <deque>
#include <fmt/format.h>
#include <memory>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_map>

#include "berth_mesos_v1.pb.h"
#include "mesos/protocol/record_io.hpp"

namespace berth::bench {
namespace {

namespace asio = boost::asio;
using namespace mesos;
using asio::ip::tcp;

constexpr std::size_t kMaxHead = 16u << 10;
constexpr int kOffersAtOnce = 500;
constexpr std::string_view kAccepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

class Master;

// A connection: requests one after the other, or a subscription.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Master& master) : socket_(std::move(socket)), master_(master) {}

  void read();
  void send(std::string bytes);
  void send_event(const v1::Event& event) {
    const std::string record = encode_record(event.SerializeAsString());
    send(fmt::format("{:x}\r\n{}\r\n", record.size(), record));
  }
  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void handle_all();
  void write();

  tcp::socket socket_;
  Master& master_;
  std::string in_;
  std::string out_;      // waits for the write under way
  std::string writing_;  // under way
};
using ConnectionPtr = std::shared_ptr<Connection>;

class Master {
 public:
  Master(asio::io_context& context, tcp::acceptor acceptor, int agents)
      : signals_(context, SIGUSR1), acceptor_(std::move(acceptor)), agents_(agents) {
    accept();
    wait_for_signal();
  }

  void handle(const ConnectionPtr& from, const v1::Call& call) {
    if (call.type() == v1::Call::SUBSCRIBE) return subscribe(from);
    from->send(std::string(kAccepted));
    if (subscriber_ == nullptr) return;
    switch (call.type()) {
      case v1::Call::ACCEPT: return launch(call.accept());
      case v1::Call::KILL: {
        const std::string& id = call.kill().task_id().value();
        if (const auto it = tasks_.find(id); it != tasks_.end()) {
          update(id, it->second, v1::TASK_KILLED, true);
          tasks_.erase(it);
        }
        return;
      }
      case v1::Call::RECONCILE: return reconcile(call.reconcile());
      case v1::Call::TEARDOWN: tasks_.clear(); return;
      default: return;
    }
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (error) return;
      socket.set_option(tcp::no_delay(true));
      std::make_shared<Connection>(std::move(socket), *this)->read();
      accept();
    });
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      if (subscriber_ != nullptr) subscriber_->close();
      subscriber_ = nullptr;
      wait_for_signal();
    });
  }

  void subscribe(const ConnectionPtr& from) {
    subscriber_ = from;
    from->send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: "
        "00000000-0000-0000-0000-000000000001\r\nContent-Type: application/x-protobuf\r\n\r\n");
    v1::Event event;
    event.set_type(v1::Event::SUBSCRIBED);
    event.mutable_subscribed()->mutable_framework_id()->set_value("instant-0000");
    event.mutable_subscribed()->set_heartbeat_interval_seconds(3600);
    from->send_event(event);
    for (int first = 0; first < agents_; first += kOffersAtOnce) {
      v1::Event offers;
      offers.set_type(v1::Event::OFFERS);
      for (int i = first; i < std::min(agents_, first + kOffersAtOnce); ++i) {
        add_offer(fmt::format("S{}", i), *offers.mutable_offers());
      }
      from->send_event(offers);
    }
  }

  void add_offer(const std::string& agent, v1::Event::Offers& to) {
    v1::Offer& offer = *to.add_offers();
    offer.mutable_id()->set_value(fmt::format("{}.{}", agent, ++last_offer_));
    offer.mutable_framework_id()->set_value("instant-0000");
    offer.mutable_agent_id()->set_value(agent);
    offer.set_hostname("127.0.0.1");
    offer.mutable_allocation_info()->set_role("*");
    const auto add = [&](const char* name, double amount) {
      v1::Resource& r = *offer.add_resources();
      r.set_name(name);
      r.set_type(v1::Value::SCALAR);
      r.mutable_scalar()->set_value(amount);
    };
    add("cpus", 64);
    add("mem", 1 << 20);
  }

  void launch(const v1::Call::Accept& accept) {
    v1::Event again;
    again.set_type(v1::Event::OFFERS);
    for (const v1::OfferID& id : accept.offer_ids()) {
      add_offer(id.value().substr(0, id.value().find('.')), *again.mutable_offers());
    }
    for (const v1::Offer::Operation& operation : accept.operations()) {
      for (const v1::TaskInfo& task : operation.launch().task_infos()) {
        tasks_[task.task_id().value()] = task.agent_id().value();
        update(task.task_id().value(), task.agent_id().value(), v1::TASK_RUNNING, true);
      }
    }
    subscriber_->send_event(again);
  }

  void update(const std::string& task, const std::string& agent, v1::TaskState state, bool own) {
    v1::Event event;
    event.set_type(v1::Event::UPDATE);
    v1::TaskStatus& status = *event.mutable_update()->mutable_status();
    status.mutable_task_id()->set_value(task);
    status.mutable_agent_id()->set_value(agent);
    status.set_state(state);
    status.set_source(own ? v1::TaskStatus::SOURCE_EXECUTOR : v1::TaskStatus::SOURCE_MASTER);
    if (own) {
      status.set_uuid(fmt::format("{:016x}", ++last_update_));
      status.mutable_executor_id()->set_value(task);
    } else {
      status.set_reason(v1::TaskStatus::REASON_RECONCILIATION);
    }
    subscriber_->send_event(event);
  }

  void reconcile(const v1::Call::Reconcile& asked) {
    if (asked.tasks_size() == 0) {
      for (const auto& [id, agent] : tasks_) update(id, agent, v1::TASK_RUNNING, false);
    }
    for (const v1::Call::Reconcile::Task& task : asked.tasks()) {
      const std::string& id = task.task_id().value();
      const auto it = tasks_.find(id);
      if (it == tasks_.end()) {
        update(id, task.agent_id().value(), v1::TASK_GONE, false);
      } else {
        update(id, it->second, v1::TASK_RUNNING, false);
      }
    }
  }

  asio::signal_set signals_;
  tcp::acceptor acceptor_;
  const int agents_;
  ConnectionPtr subscriber_;
  std::unordered_map<std::string, std::string> tasks_;  // and its agent
  std::uint64_t last_offer_ = 0;
  std::uint64_t last_update_ = 0;
};

void Connection::read() {
  const std::size_t at = in_.size();
  in_.resize(at + kMaxHead);
  socket_.async_read_some(
      asio::buffer(in_.data() + at, kMaxHead),
      [self = shared_from_this(), at](const boost::system::error_code& error, std::size_t got) {
        self->in_.resize(at + got);
        if (error) return;
        self->handle_all();
        self->read();
      });
}

void Connection::handle_all() {
  std::size_t from = 0;
  for (;;) {
    const std::string_view rest = std::string_view(in_).substr(from);
    const std::size_t head = rest.find("\r\n\r\n");
    if (head == std::string_view::npos) break;
    constexpr std::string_view kLength = "Content-Length: ";
    std::size_t length = 0;
    if (const std::size_t at = rest.find(kLength); at < head) {
      std::from_chars(rest.data() + at + kLength.size(), rest.data() + head, length);
    }
    if (rest.size() < head + 4 + length) break;
    v1::Call call;
    if (!call.ParseFromArray(rest.data() + head + 4, static_cast<int>(length))) return close();
    from += head + 4 + length;
    master_.handle(shared_from_this(), call);
  }
  in_.erase(0, from);
}

void Connection::send(std::string bytes) {
  out_ += bytes;
  if (writing_.empty()) write();
}

void Connection::write() {
  writing_ = std::exchange(out_, {});
  asio::async_write(
      socket_, asio::buffer(writing_),
      [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
        self->writing_.clear();
        if (!error && !self->out_.empty()) self->write();
      });
}

}  // namespace

InstantMaster::InstantMaster(int agents) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  url_ = fmt::format("http://127.0.0.1:{}", acceptor.local_endpoint().port());
  context.notify_fork(asio::execution_context::fork_prepare);
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error("cannot fork");
  if (child_ > 0) {
    context.notify_fork(asio::execution_context::fork_parent);
    return;
  }
  context.notify_fork(asio::execution_context::fork_child);
  const Master master(context, std::move(acceptor), agents);
  context.run();
  ::_exit(0);
}

InstantMaster::~InstantMaster() {
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

void InstantMaster::fail_over() {
  ::kill(child_, SIGUSR1);
}

}  // namespace berth::bench
