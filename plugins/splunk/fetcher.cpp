// SPDX-License-Identifier: Apache-2.0
#include "fetcher.hpp"

#include <algorithm>
#include <utility>

#include "spooled.hpp"

namespace berth::splunk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kMargin{50};

}  // namespace

Fetcher::Fetcher(support::EventLoop& loop, const Settings& settings, const Spool* spool,
                 support::http::Client* client, Wanted wanted, std::uint64_t max_bytes,
                 sdk::Promise<sdk::LogPage> done)
    : settings_(settings),
      spool_(spool),
      client_(client),
      timer_(loop.context()),
      wanted_(std::move(wanted)),
      max_bytes_(max_bytes),
      done_(std::move(done)),
      give_up_(done_.deadline() == steady_clock::time_point::max() ? done_.deadline()
                                                                   : done_.deadline() - kMargin) {
  wanted_.rows = settings_.search.page_rows;
}

// Once seen they are kept: Splunk may take them from the spool before it shows them.
void Fetcher::look_into_spool() {
  if (spool_ == nullptr) return;
  for (Piece& piece : spooled_pieces(settings_, *spool_, wanted_)) {
    pending_.push_back(std::move(piece));
  }
}

// What there is, up to where Splunk's page ends if that is full.
Assembly Fetcher::assemble() const {
  Assembly assembly(wanted_.first);
  std::uint64_t last = 0;
  for (const Piece& piece : best_.pieces) {
    if (piece.sequence != kEnd) last = std::max(last, piece.sequence);
    assembly.add(piece);
  }
  for (const Piece& piece : pending_) {
    if (!full() || piece.sequence <= last) assembly.add(piece);
  }
  return assembly;
}

void Fetcher::start() {
  look_into_spool();
  const Assembly here = assemble();
  // All of it may still be here.
  if (here.complete()) return finish({});
  if (client_ == nullptr) {
    if (here.known()) return finish({});
    return done_.fail(sdk::unimplemented("Logs are not available here: they are in Splunk, index " +
                                         settings_.index +
                                         ", activation_id=" + wanted_.activation_id));
  }
  ask();
}

void Fetcher::ask() {
  ++attempt_;
  support::http::Request request = search_request(settings_, wanted_);
  if (give_up_ != steady_clock::time_point::max()) {
    const auto left = std::chrono::duration_cast<milliseconds>(give_up_ - steady_clock::now());
    request.timeout = std::clamp(left, milliseconds(1), request.timeout);
  }
  client_->send(std::move(request), [self = shared_from_this()](const support::http::Reply& reply) {
    self->answered(reply);
  });
}

void Fetcher::answered(const support::http::Reply& reply) {
  if (!reply.status.ok()) {
    Rows failed;
    failed.status = sdk::Status(reply.status.code(), "Splunk's search: " + reply.status.message(),
                                reply.status.flags());
    return settle(std::move(failed));
  }
  settle(read_rows(settings_, reply.response.code, reply.response.body));
}

void Fetcher::settle(Rows rows) {
  const sdk::Status status = rows.status;
  if (status.ok() && rows.rows >= best_.rows) best_ = std::move(rows);
  look_into_spool();
  const Assembly assembly = assemble();
  if (status.ok() && full() && assembly.front_is_torn() && wanted_.widen()) {
    --attempt_;
    return ask();
  }
  const bool enough = settings_.mode == Mode::kHec ? assembly.complete() || full()
                                                   : best_.rows > 0 && !best_.cut_short;
  const bool last = attempt_ >= settings_.search.attempts || (!status.ok() && !status.retryable());
  const auto pause =
      settings_.search.attempt_wait * (1 << std::min<std::uint64_t>(attempt_ - 1, 16));
  if (enough || last || steady_clock::now() + pause >= give_up_) return finish(status);
  timer_.expires_after(pause);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->ask();
  });
}

void Fetcher::finish(const sdk::Status& error) {
  const Assembly assembly = assemble();
  if (!assembly.known()) {
    if (!error.ok()) return done_.fail(error);
    if (wanted_.first > 0) return done_.ok(sdk::LogPage());
    return done_.fail(sdk::not_found("Splunk knows no logs of this activation (yet)"));
  }
  const bool more = full() && !assembly.complete();
  bool partial = !error.ok() || best_.cut_short;
  if (settings_.mode == Mode::kHec && !more && !assembly.complete()) partial = true;
  sdk::LogPage page = assembly.page(max_bytes_, more, partial);
  if (partial) return done_.partial(std::move(page));
  done_.ok(std::move(page));
}

}  // namespace berth::splunk
