// SPDX-License-Identifier: Apache-2.0
#include "activation/posted_intake.hpp"

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>

namespace berth::activation {
namespace {

namespace asio = boost::asio;

// The handlers of one call: made, called and destroyed here, carried by whoever answers there.
class Handlers : public std::enable_shared_from_this<Handlers> {
 public:
  Handlers(asio::io_context& here, AcceptHandler accepted, OutcomeHandler outcome)
      : here_(here), accepted_(std::move(accepted)), outcome_(std::move(outcome)) {}
  // What they hold belongs to this side: a request that waits for its answer.
  ~Handlers() {
    if (!accepted_ && !outcome_) return;
    asio::post(here_, [accepted = std::move(accepted_), outcome = std::move(outcome_)] {});
  }
  Handlers(const Handlers&) = delete;
  Handlers& operator=(const Handlers&) = delete;

  // Both from the other side. `told` is called here, after the handler.
  void accept(const Status& status, std::function<void()> told = {}) {
    asio::post(here_, [self = shared_from_this(), status, told = std::move(told)] {
      self->tell(status);
      if (told) told();
    });
  }
  void finish(const entity::Activation& activation) {
    asio::post(here_, [self = shared_from_this(), activation] {
      self->tell(Status());
      if (const auto handler = std::exchange(self->outcome_, nullptr)) handler(activation);
    });
  }

 private:
  void tell(const Status& status) {
    if (!status.ok()) outcome_ = nullptr;
    if (const auto handler = std::exchange(accepted_, nullptr)) handler(status);
  }

  asio::io_context& here_;
  // Touched here alone.
  AcceptHandler accepted_;
  OutcomeHandler outcome_;
};

}  // namespace

struct PostedIntake::Refusals {
  std::atomic<std::int64_t> retry_after_s{1};  // written there, read here
  // Activations whose callers have not heard of it yet, and may stop waiting meanwhile: what was
  // refused has no record, and so must get no row. Touched there alone.
  std::unordered_set<std::string> untold;
};

PostedIntake::PostedIntake(asio::io_context& here, asio::io_context& there, Intake& next)
    : here_(here), there_(there), next_(next), refusals_(std::make_shared<Refusals>()) {}

void PostedIntake::submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) {
  auto handlers = std::make_shared<Handlers>(here_, std::move(accepted), std::move(handler));
  asio::post(
      there_, [&next = next_, &there = there_, refusals = refusals_, handlers = std::move(handlers),
               invocation = std::move(invocation)]() mutable {
        const bool blocking = invocation.blocking;
        std::string id = blocking ? invocation.activation_id : std::string();
        next.submit(
            std::move(invocation),
            [&next, &there, refusals, handlers, id = std::move(id)](const Status& status) {
              const bool waits = !id.empty();
              // Its caller waits for the outcome, which says as much: it need not be woken twice.
              if (status.ok()) return waits ? void() : handlers->accept(status);
              refusals->retry_after_s = next.retry_after().count();
              if (!waits) return handlers->accept(status);
              refusals->untold.insert(id);
              // Once it is told nothing more is asked of it.
              handlers->accept(status, [&there, refusals, id] {
                asio::post(there, [refusals, id] { refusals->untold.erase(id); });
              });
            },
            [handlers](const entity::Activation& activation) { handlers->finish(activation); });
      });
}

void PostedIntake::keep(store::Work work, AcceptHandler done) {
  auto handlers = std::make_shared<Handlers>(here_, std::move(done), nullptr);
  asio::post(there_, [&next = next_, refusals = refusals_, handlers = std::move(handlers),
                      work = std::move(work)]() mutable {
    if (refusals->untold.contains(work.activation_id)) {
      return handlers->accept(sdk::unavailable("the activation was refused"));
    }
    next.keep(std::move(work), [handlers](const Status& status) { handlers->accept(status); });
  });
}

std::chrono::seconds PostedIntake::retry_after() const {
  return std::chrono::seconds(refusals_->retry_after_s.load());
}

asio::awaitable<bool> PostedIntake::still_logging(std::string activation_id) const {
  co_return co_await asio::co_spawn(there_, next_.still_logging(std::move(activation_id)),
                                    asio::use_awaitable);
}

}  // namespace berth::activation
