// SPDX-License-Identifier: Apache-2.0
#include "support/http/client.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cctype>
#include <deque>
#include <unordered_map>

#include "support/http/curl_loop.hpp"
#include "support/http/exchange.hpp"

namespace berth::support::http {
namespace {

namespace asio = boost::asio;

// More easy handles than this are not kept for reuse.
constexpr std::size_t kSpareHandles = 16;

// Counted by libcurl itself, so that several plugins may each have one.
struct GlobalCurl {
  GlobalCurl() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~GlobalCurl() { curl_global_cleanup(); }
};

}  // namespace

std::string_view Response::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9');
    if (plain || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

class Client::Impl {
 public:
  Impl(asio::io_context& context, Endpoint endpoint)
      : context_(context),
        endpoint_(std::move(endpoint)),
        loop_(context, endpoint_.max_connections, [this] { deliver(); }) {}

  ~Impl() {
    loop_.close();
    for (auto& [id, exchange] : exchanges_) {
      if (exchange->added) curl_multi_remove_handle(loop_.multi(), exchange->easy());
    }
    exchanges_.clear();
    for (CURL* easy : spare_) curl_easy_cleanup(easy);
  }

  std::uint64_t send(Request request, Done done) {
    const std::uint64_t id = ++last_;
    exchanges_.emplace(id, std::make_unique<Exchange>(id, std::move(request), std::move(done)));
    queued_.push_back(id);
    schedule();
    return id;
  }

  void cancel(std::uint64_t id) {
    const auto it = exchanges_.find(id);
    if (it == exchanges_.end()) return;
    it->second->mark_cancelled();
    cancelled_.push_back(id);
    schedule();
  }

  void cancel_waiting() {
    for (const std::uint64_t id : waiting_) cancel(id);
    // Those of this turn are not sorted yet.
    for (const std::uint64_t id : queued_) {
      const auto it = exchanges_.find(id);
      if (it != exchanges_.end() && it->second->queues_untimed()) cancel(id);
    }
  }

  void go_on(std::uint64_t id) {
    unpaused_.push_back(id);
    schedule();
  }

  std::size_t in_flight() const { return exchanges_.size(); }

 private:
  // libcurl's functions may not be called from inside its callbacks, so starting, cancelling and
  // resuming happen from the loop.
  void schedule() {
    if (std::exchange(scheduled_, true)) return;
    asio::post(context_, [this, alive = std::weak_ptr<int>(alive_)] {
      if (alive.expired()) return;
      scheduled_ = false;
      flush();
    });
  }

  void flush() {
    for (const std::uint64_t id : std::exchange(cancelled_, {})) {
      finish(id, CURLE_ABORTED_BY_CALLBACK);
    }
    for (const std::uint64_t id : std::exchange(queued_, {})) {
      const auto it = exchanges_.find(id);
      if (it == exchanges_.end()) continue;
      if (it->second->queues_untimed() && (full() || !waiting_.empty())) {
        waiting_.push_back(id);
      } else {
        begin_or_finish(id, *it->second);
      }
    }
    for (const std::uint64_t id : std::exchange(unpaused_, {})) {
      const auto it = exchanges_.find(id);
      if (it != exchanges_.end() && it->second->added) {
        curl_easy_pause(it->second->easy(), CURLPAUSE_CONT);
      }
    }
    while (!waiting_.empty() && !full()) {
      const std::uint64_t id = waiting_.front();
      waiting_.pop_front();
      const auto it = exchanges_.find(id);  // it may have been cancelled
      if (it != exchanges_.end()) begin_or_finish(id, *it->second);
    }
    deliver();
  }

  bool full() const { return endpoint_.max_connections > 0 && begun_ >= endpoint_.max_connections; }

  void begin_or_finish(std::uint64_t id, Exchange& exchange) {
    if (const CURLcode code = begin(exchange); code != CURLE_OK) finish(id, code);
  }

  CURLcode begin(Exchange& exchange) {
    CURL* easy = nullptr;
    if (spare_.empty()) {
      easy = curl_easy_init();
      if (easy == nullptr) return CURLE_OUT_OF_MEMORY;
    } else {
      easy = spare_.back();
      spare_.pop_back();
    }
    if (const CURLcode code = exchange.prepare(easy, endpoint_)) return code;
    if (curl_multi_add_handle(loop_.multi(), easy) != CURLM_OK) return CURLE_FAILED_INIT;
    exchange.added = true;
    ++begun_;
    return CURLE_OK;
  }

  void finish(std::uint64_t id, CURLcode code) {
    const auto it = exchanges_.find(id);
    if (it == exchanges_.end()) return;
    const std::unique_ptr<Exchange> exchange = std::move(it->second);
    exchanges_.erase(it);
    if (exchange->added) {
      curl_multi_remove_handle(loop_.multi(), exchange->easy());
      --begun_;
      if (!waiting_.empty()) schedule();
    }
    if (CURL* easy = exchange->release()) {
      if (spare_.size() < kSpareHandles) {
        spare_.push_back(easy);
      } else {
        curl_easy_cleanup(easy);
      }
    }
    exchange->finish(code);
  }

  // Ends what libcurl is done with. `done` may do anything but destroy this.
  void deliver() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(loop_.multi(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Exchange* exchange = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
      finish(exchange->id(), code);
    }
  }

  const GlobalCurl global_;
  asio::io_context& context_;
  const Endpoint endpoint_;
  CurlLoop loop_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Exchange>> exchanges_;
  std::vector<std::uint64_t> queued_;
  std::deque<std::uint64_t> waiting_;  // for a connection, by themselves
  std::vector<std::uint64_t> cancelled_;
  std::vector<std::uint64_t> unpaused_;
  std::vector<CURL*> spare_;
  std::uint64_t last_ = 0;
  long begun_ = 0;  // exchanges that libcurl has
  bool scheduled_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

Client::Client(asio::io_context& context, Endpoint endpoint)
    : impl_(std::make_unique<Impl>(context, std::move(endpoint))) {}

Client::~Client() = default;

std::uint64_t Client::send(Request request, Done done) {
  return impl_->send(std::move(request), std::move(done));
}

void Client::cancel(std::uint64_t exchange) {
  impl_->cancel(exchange);
}

void Client::cancel_waiting() {
  impl_->cancel_waiting();
}

void Client::go_on(std::uint64_t exchange) {
  impl_->go_on(exchange);
}

std::size_t Client::in_flight() const {
  return impl_->in_flight();
}

asio::awaitable<Reply> Client::fetch(Request request, std::uint64_t* exchange) {
  auto initiate = [this, &request, exchange](auto handler) {
    // A std::function must be copyable; the handler is not.
    auto held = std::make_shared<decltype(handler)>(std::move(handler));
    const std::uint64_t id = impl_->send(
        std::move(request), [held](Reply reply) { std::move (*held)(std::move(reply)); });
    if (exchange != nullptr) *exchange = id;
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Reply)>(
      initiate, asio::use_awaitable);
}

}  // namespace berth::support::http
