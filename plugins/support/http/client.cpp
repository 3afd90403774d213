// SPDX-License-Identifier: Apache-2.0
#include "support/http/client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cctype>
#include <unordered_map>

namespace berth::support::http {
namespace {

namespace asio = boost::asio;

// More easy handles than this are not kept for reuse.
constexpr std::size_t kSpareHandles = 16;

struct GlobalCurl {
  GlobalCurl() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~GlobalCurl() { curl_global_cleanup(); }
};

sdk::Status status_of(CURLcode code, const char* detail, const std::string& where) {
  std::string text = where + ": " + (detail[0] != '\0' ? detail : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OK: return {};
    case CURLE_OPERATION_TIMEDOUT: return sdk::deadline_exceeded(std::move(text));
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR: return sdk::cancelled(where + ": ended by the caller");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CONNECT_ERROR: return sdk::permission_denied(std::move(text));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_BAD_FUNCTION_ARGUMENT: return sdk::invalid_argument(std::move(text));
    case CURLE_OUT_OF_MEMORY: return sdk::resource_exhausted(std::move(text));
    default: return sdk::unavailable(std::move(text));
  }
}

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
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
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
      : context_(context), endpoint_(std::move(endpoint)), timer_(context) {
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, endpoint_.max_connections);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, endpoint_.max_connections);
  }

  ~Impl() {
    closing_ = true;
    for (auto& [fd, watch] : watches_) {
      watch->wanted = 0;
      watch->descriptor.release();
    }
    watches_.clear();
    for (auto& [id, exchange] : exchanges_) {
      if (exchange->easy == nullptr) continue;
      if (exchange->added) curl_multi_remove_handle(multi_, exchange->easy);
      curl_easy_cleanup(exchange->easy);
      curl_slist_free_all(exchange->header_list);
    }
    for (CURL* easy : spare_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  std::uint64_t send(Request request, Done done) {
    const std::uint64_t id = ++last_;
    auto exchange = std::make_unique<Exchange>();
    exchange->id = id;
    exchange->request = std::move(request);
    exchange->done = std::move(done);
    queued_.push_back(id);
    exchanges_.emplace(id, std::move(exchange));
    schedule();
    return id;
  }

  void cancel(std::uint64_t id) {
    const auto it = exchanges_.find(id);
    if (it == exchanges_.end()) return;
    it->second->cancelled = true;
    cancelled_.push_back(id);
    schedule();
  }

  std::size_t in_flight() const { return exchanges_.size(); }

 private:
  struct Exchange {
    std::uint64_t id = 0;
    Request request;
    Done done;
    CURL* easy = nullptr;
    curl_slist* header_list = nullptr;
    Response response;
    bool added = false;
    bool cancelled = false;
    bool too_large = false;
    char error[CURL_ERROR_SIZE] = "";
  };

  // One socket of libcurl's. The descriptor only watches; libcurl owns the file descriptor.
  struct Watch {
    Watch(asio::io_context& context, int fd) : descriptor(context, fd) {}
    asio::posix::stream_descriptor descriptor;
    int wanted = 0;  // CURL_POLL_...
    bool reading = false;
    bool writing = false;
  };

  // libcurl's functions may not be called from inside its callbacks, so both starting and cancelling
  // happen from the loop.
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
      if (const CURLcode code = begin(*it->second); code != CURLE_OK) finish(id, code);
    }
    deliver();
  }

  CURLcode begin(Exchange& exchange) {
    if (spare_.empty()) {
      exchange.easy = curl_easy_init();
      if (exchange.easy == nullptr) return CURLE_OUT_OF_MEMORY;
    } else {
      exchange.easy = spare_.back();
      spare_.pop_back();
    }
    const Request& request = exchange.request;
    CURL* easy = exchange.easy;
    const std::string url = endpoint_.base_url + request.target;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &exchange);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, endpoint_.proxy.c_str());
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    if (const CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url.c_str())) return code;
    if (!endpoint_.unix_socket.empty()) {
      curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint_.unix_socket.c_str());
    }
    const Tls& tls = endpoint_.tls;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.verify_peer ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.verify_peer ? 2L : 0L);
    if (!tls.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
      curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    }
    if (!tls.certificate_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.certificate_file.c_str());
    }
    if (!tls.key_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());

    const bool body = !request.body.empty() || request.method == "POST" || request.method == "PUT";
    if (request.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (body) {
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    bool typed = false;
    for (const std::string& header : request.headers) {
      exchange.header_list = curl_slist_append(exchange.header_list, header.c_str());
      typed = typed || curl_strnequal(header.c_str(), "content-type:", 13) != 0;
    }
    exchange.header_list = curl_slist_append(exchange.header_list, "Expect:");
    if (body && !typed) {  // libcurl would say that it is a form
      exchange.header_list = curl_slist_append(exchange.header_list, "Content-Type:");
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange.header_list);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Impl::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Impl::on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
    if (curl_multi_add_handle(multi_, easy) != CURLM_OK) return CURLE_FAILED_INIT;
    exchange.added = true;
    return CURLE_OK;
  }

  void finish(std::uint64_t id, CURLcode code) {
    const auto it = exchanges_.find(id);
    if (it == exchanges_.end()) return;
    const std::unique_ptr<Exchange> exchange = std::move(it->second);
    exchanges_.erase(it);
    if (exchange->easy != nullptr) {
      if (exchange->added) curl_multi_remove_handle(multi_, exchange->easy);
      curl_slist_free_all(exchange->header_list);
      if (spare_.size() < kSpareHandles) {
        curl_easy_reset(exchange->easy);
        spare_.push_back(exchange->easy);
      } else {
        curl_easy_cleanup(exchange->easy);
      }
    }
    const std::string where = exchange->request.method + " " +
                              exchange->request.target.substr(0, exchange->request.target.find('?'));
    Reply reply;
    reply.status = status_of(code, exchange->error, where);
    if (exchange->too_large) {
      reply.status = sdk::Status(sdk::StatusCode::kResourceExhausted,
                                 where + ": the response is longer than " +
                                     std::to_string(exchange->request.max_response_bytes) + " bytes");
    }
    reply.response = std::move(exchange->response);
    exchange->done(std::move(reply));
  }

  // Ends what libcurl is done with. `done` may do anything but destroy this.
  void deliver() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Exchange* exchange = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
      finish(exchange->id, code);
    }
  }

  void act(curl_socket_t fd, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, fd, events, &running);
    deliver();
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    if (exchange.cancelled) return CURL_WRITEFUNC_ERROR;
    if (exchange.request.on_data && exchange.response.code / 100 == 2) {
      return exchange.request.on_data({data, size}) ? size : CURL_WRITEFUNC_ERROR;
    }
    if (exchange.response.body.size() + size > exchange.request.max_response_bytes) {
      exchange.too_large = true;
      return CURL_WRITEFUNC_ERROR;
    }
    exchange.response.body.append(data, size);
    return size;
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    std::string_view line(data, size);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // an interim response has its own
      exchange.response.headers.clear();
      long code = 0;
      curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &code);
      exchange.response.code = static_cast<int>(code);
      return size;
    }
    if (line.empty() && exchange.response.code >= 200 && exchange.request.on_headers) {
      std::exchange(exchange.request.on_headers, nullptr)(exchange.response.code);
      return size;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    exchange.response.headers.emplace_back(std::move(name), value);
    return size;
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) {
    auto& self = *static_cast<Impl*>(user);
    if (self.closing_) return 0;
    if (timeout_ms < 0) {
      self.timer_.cancel();
      return 0;
    }
    self.timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    self.timer_.async_wait([&self, alive = std::weak_ptr<int>(self.alive_)](
                               const boost::system::error_code& error) {
      if (!error && !alive.expired()) self.act(CURL_SOCKET_TIMEOUT, 0);
    });
    return 0;
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto& self = *static_cast<Impl*>(user);
    if (what == CURL_POLL_REMOVE) {
      const auto it = self.watches_.find(fd);
      if (it == self.watches_.end()) return 0;
      it->second->wanted = 0;
      // Takes it out of the loop and cancels; the descriptor itself stays libcurl's.
      it->second->descriptor.release();
      self.watches_.erase(it);
      return 0;
    }
    if (self.closing_) return 0;
    auto& watch = self.watches_[fd];
    if (watch == nullptr) watch = std::make_shared<Watch>(self.context_, fd);
    watch->wanted = what;
    self.arm(fd, watch);
    return 0;
  }

  void arm(curl_socket_t fd, const std::shared_ptr<Watch>& watch) {
    if ((watch->wanted & CURL_POLL_IN) != 0 && !std::exchange(watch->reading, true)) {
      watch->descriptor.async_wait(
          asio::posix::descriptor_base::wait_read,
          [this, fd, watch](const boost::system::error_code& error) {
            watch->reading = false;
            ready(fd, watch, error, CURL_POLL_IN, CURL_CSELECT_IN);
          });
    }
    if ((watch->wanted & CURL_POLL_OUT) != 0 && !std::exchange(watch->writing, true)) {
      watch->descriptor.async_wait(
          asio::posix::descriptor_base::wait_write,
          [this, fd, watch](const boost::system::error_code& error) {
            watch->writing = false;
            ready(fd, watch, error, CURL_POLL_OUT, CURL_CSELECT_OUT);
          });
    }
  }

  // `wanted` is 0 once the watch was taken away, and `this` may be gone then.
  void ready(curl_socket_t fd, const std::shared_ptr<Watch>& watch,
             const boost::system::error_code& error, int kind, int event) {
    if (error == asio::error::operation_aborted || (watch->wanted & kind) == 0) return;
    act(fd, error ? CURL_CSELECT_ERR : event);
    const auto it = watches_.find(fd);
    if (it != watches_.end() && it->second == watch) arm(fd, watch);
  }

  const GlobalCurl global_;
  asio::io_context& context_;
  const Endpoint endpoint_;
  CURLM* multi_ = nullptr;
  asio::steady_timer timer_;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Exchange>> exchanges_;
  std::vector<std::uint64_t> queued_;
  std::vector<std::uint64_t> cancelled_;
  std::vector<CURL*> spare_;
  std::uint64_t last_ = 0;
  bool scheduled_ = false;
  bool closing_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

Client::Client(asio::io_context& context, Endpoint endpoint)
    : impl_(std::make_unique<Impl>(context, std::move(endpoint))) {}

Client::~Client() = default;

std::uint64_t Client::send(Request request, Done done) {
  return impl_->send(std::move(request), std::move(done));
}

void Client::cancel(std::uint64_t exchange) { impl_->cancel(exchange); }

std::size_t Client::in_flight() const { return impl_->in_flight(); }

asio::awaitable<Reply> Client::fetch(Request request, std::uint64_t* exchange) {
  auto initiate = [this, &request, exchange](auto handler) {
    // A std::function must be copyable; the handler is not.
    auto held = std::make_shared<decltype(handler)>(std::move(handler));
    const std::uint64_t id = impl_->send(std::move(request), [held](Reply reply) {
      std::move (*held)(std::move(reply));
    });
    if (exchange != nullptr) *exchange = id;
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Reply)>(
      initiate, asio::use_awaitable);
}

}  // namespace berth::support::http
