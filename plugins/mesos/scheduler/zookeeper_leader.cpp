// SPDX-License-Identifier: Apache-2.0
// The leading master as Mesos' own election keeps it: of the nodes "json.info_<sequence>" below the
// path, the one with the lowest sequence, which holds a MasterInfo in JSON.
//
// The C client calls back from threads of its own: what it says is posted to the loop, and its
// handle is closed (which joins those threads) before this object goes. A session that expired is
// ended by a new handle, made on the loop.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <zookeeper/zookeeper.h>

#include "mesos/scheduler/leader_source.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr int kSessionTimeoutMs = 10'000;
constexpr std::string_view kNode = "json.info_";

struct Address {
  std::string hosts;
  std::string path;
  std::string credentials;  // "user:password"
};

sdk::Status parse(const std::string& url, Address& to) {
  constexpr std::string_view kScheme = "zk://";
  if (!url.starts_with(kScheme)) return sdk::invalid_argument("'" + url + "' is no zk:// URL");
  const std::string rest = url.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  to.hosts = rest.substr(0, slash);
  to.path = slash == std::string::npos ? "" : rest.substr(slash);
  while (!to.path.empty() && to.path.back() == '/') to.path.pop_back();
  if (const std::size_t at = to.hosts.rfind('@'); at != std::string::npos) {
    to.credentials = to.hosts.substr(0, at);
    to.hosts.erase(0, at + 1);
  }
  if (to.hosts.empty() || to.path.empty()) {
    return sdk::invalid_argument("a zk:// URL is zk://host:port,host:port/path");
  }
  return {};
}

// The URL of a MasterInfo, or "".
std::string url_of(std::string_view text, const std::string& scheme) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* info = error ? nullptr : value.if_object();
  if (info == nullptr) return "";
  const json::value* nested = info->if_contains("address");
  const json::object& from =
      nested != nullptr && nested->is_object() ? nested->get_object() : *info;
  std::string host;
  for (const char* key : {"hostname", "ip"}) {
    const json::value* v = from.if_contains(key);
    if (host.empty() && v != nullptr && v->is_string()) host = std::string(v->get_string());
  }
  const json::value* port = from.if_contains("port");
  if (host.empty() || port == nullptr || !port->is_int64()) return "";
  return scheme + "://" + host + ":" + std::to_string(port->get_int64());
}

class ZooKeeperLeader final : public LeaderSource {
 public:
  ZooKeeperLeader(asio::io_context& context, const std::string& url, std::string scheme)
      : context_(context), scheme_(std::move(scheme)), again_(context) {
    (void)parse(url, address_);
    connect();
  }
  ~ZooKeeperLeader() override { close(); }

  std::string next() override { return leader_; }
  std::string why() const override { return why_; }

 private:
  // What a callback of a client's thread needs: it may come after another handle was made.
  struct Handle {
    ZooKeeperLeader* owner;
    zhandle_t* zk = nullptr;
    std::uint64_t number;
  };

  void connect() {
    close();
    handle_ = std::make_unique<Handle>(Handle{this, nullptr, ++last_});
    // Its log would go to berthd's standard error.
    handle_->zk = zookeeper_init2(address_.hosts.c_str(), &ZooKeeperLeader::on_session,
                                  kSessionTimeoutMs, nullptr, handle_.get(), 0, &quiet);
    if (handle_->zk == nullptr) {
      why_ = "ZooKeeper at " + address_.hosts + " cannot be connected to";
      return later();
    }
    if (!address_.credentials.empty()) {
      zoo_add_auth(handle_->zk, "digest", address_.credentials.data(),
                   static_cast<int>(address_.credentials.size()), nullptr, nullptr);
    }
  }

  void close() {
    if (handle_ == nullptr) return;
    if (handle_->zk != nullptr) zookeeper_close(handle_->zk);
    handle_.reset();
  }

  void later() {
    again_.expires_after(std::chrono::seconds(1));
    again_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      if (handle_ == nullptr || handle_->zk == nullptr) return connect();
      list();
    });
  }

  static void quiet(const char*) {}

  // The callbacks, on the client's threads. They touch nothing but the handle's constants.
  template <typename F>
  static void post(const void* context, F&& f) {
    const auto* handle = static_cast<const Handle*>(context);
    ZooKeeperLeader* owner = handle->owner;
    asio::post(owner->context_, [owner, number = handle->number, f = std::forward<F>(f)]() mutable {
      if (owner->handle_ != nullptr && owner->handle_->number == number) f(*owner);
    });
  }
  static void on_session(zhandle_t*, int type, int state, const char*, void* context) {
    post(context, [type, state](ZooKeeperLeader& self) {
      if (type != ZOO_SESSION_EVENT) return self.list();
      if (state == ZOO_CONNECTED_STATE) return self.list();
      if (state == ZOO_EXPIRED_SESSION_STATE) {
        self.why_ = "the ZooKeeper session expired";
        self.connect();
      } else if (state == ZOO_AUTH_FAILED_STATE) {
        self.why_ = "ZooKeeper refuses the credentials";
      }
    });
  }
  static void on_children(int rc, const String_vector* children, const void* context) {
    std::string first;
    for (int i = 0; rc == ZOK && i < children->count; ++i) {
      const std::string name = children->data[i];
      if (name.starts_with(kNode) && (first.empty() || name < first)) first = name;
    }
    post(context, [rc, first](ZooKeeperLeader& self) { self.on_list(rc, first); });
  }
  static void on_data(int rc, const char* value, int length, const Stat*, const void* context) {
    std::string text = rc == ZOK && length > 0
                           ? std::string(value, static_cast<std::size_t>(length))
                           : std::string();
    post(context,
         [rc, text = std::move(text)](ZooKeeperLeader& self) { self.on_leader(rc, text); });
  }

  void list() {
    if (handle_ == nullptr || handle_->zk == nullptr) return;
    const int rc =
        zoo_awget_children(handle_->zk, address_.path.c_str(), &ZooKeeperLeader::on_session,
                           handle_.get(), &on_children, handle_.get());
    if (rc != ZOK) failed(rc);
  }

  void on_list(int rc, const std::string& first) {
    if (rc != ZOK) return failed(rc);
    if (first.empty()) {
      why_ = "no master is elected in ZooKeeper's " + address_.path;
      leader_.clear();
      return;  // the watch tells of the first
    }
    const std::string path = address_.path + "/" + first;
    const int got = zoo_aget(handle_->zk, path.c_str(), 0, &on_data, handle_.get());
    if (got != ZOK) failed(got);
  }

  void on_leader(int rc, const std::string& text) {
    if (rc != ZOK) return failed(rc);
    std::string url = url_of(text, scheme_);
    if (url.empty()) {
      why_ = "what ZooKeeper holds of the leading master makes no sense";
      return;
    }
    if (url == leader_) return;
    leader_ = std::move(url);
    if (on_change) on_change();
  }

  void failed(int rc) {
    // The leader known so far stays: a cluster without ZooKeeper may still have its master.
    why_ = "ZooKeeper's " + address_.path + ": " + zerror(rc);
    later();
  }

  asio::io_context& context_;
  const std::string scheme_;
  Address address_;
  std::unique_ptr<Handle> handle_;
  asio::steady_timer again_;
  std::uint64_t last_ = 0;
  std::string leader_;
  std::string why_ = "ZooKeeper has not answered yet";
};

}  // namespace

std::unique_ptr<LeaderSource> zookeeper_leader(asio::io_context& context, const std::string& url,
                                               std::string scheme) {
  return std::make_unique<ZooKeeperLeader>(context, url, std::move(scheme));
}

sdk::Status check_zookeeper_url(const std::string& url) {
  Address ignored;
  return parse(url, ignored);
}

}  // namespace berth::mesos
