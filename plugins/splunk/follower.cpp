// SPDX-License-Identifier: Apache-2.0
#include "follower.hpp"

#include <algorithm>
#include <utility>

#include "spooled.hpp"

namespace berth::splunk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLongestPause{2'000};

}  // namespace

Follower::Follower(support::EventLoop& loop, const Settings& settings, const Spool& spool,
                   support::http::Client& client, Wanted wanted, std::uint64_t max_bytes,
                   sdk::Promise<sdk::LogPage> done)
    : settings_(settings),
      spool_(spool),
      client_(client),
      timer_(loop.context()),
      wanted_(std::move(wanted)),
      max_bytes_(max_bytes),
      done_(std::move(done)),
      give_up_(done_.deadline()),
      seen_(wanted_.first) {
  wanted_.rows = settings_.search.page_rows;
}

void Follower::look() {
  for (Piece& piece : spooled_pieces(settings_, spool_, wanted_)) seen_.add(std::move(piece));
  if (answer()) return;
  ++searches_;
  support::http::Request request = search_request(settings_, wanted_);
  const auto left = std::chrono::duration_cast<milliseconds>(give_up_ - steady_clock::now());
  request.timeout = std::clamp(left, milliseconds(1), request.timeout);
  client_.send(std::move(request), [self = shared_from_this()](const support::http::Reply& reply) {
    self->answered(reply);
  });
}

void Follower::answered(const support::http::Reply& reply) {
  if (reply.status.ok()) {
    Rows rows = read_rows(settings_, reply.response.code, reply.response.body);
    if (!rows.status.ok() && !rows.status.retryable()) return done_.fail(rows.status);
    for (Piece& piece : rows.pieces) seen_.add(std::move(piece));
    // One line may have more parts than a page has rows.
    if (rows.rows >= wanted_.rows && seen_.front_is_torn()) wanted_.widen();
    if (rows.status.ok() && seen_.gap()) ++searches_with_gap_;
  }
  if (!answer()) later();
}

// True if that was it.
bool Follower::answer() {
  sdk::LogPage page = seen_.tail(max_bytes_);
  if (!page.empty() || page.next_cursor.empty()) {
    done_.ok(std::move(page));
    return true;
  }
  // What Splunk still does not show while it shows what came later will not come.
  if (searches_with_gap_ >= settings_.search.attempts) {
    bool partial = true;
    done_.partial(seen_.page(max_bytes_, !seen_.ended(), partial));
    return true;
  }
  if (steady_clock::now() < give_up_) return false;
  done_.ok(std::move(page));
  return true;
}

void Follower::later() {
  const auto pause =
      std::min<milliseconds>(kLongestPause, settings_.search.attempt_wait *
                                                (1 << std::min<std::uint64_t>(searches_ - 1, 10)));
  timer_.expires_at(std::min(steady_clock::now() + pause, give_up_));
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->look();
  });
}

}  // namespace berth::splunk
