// SPDX-License-Identifier: Apache-2.0
// `LogStoreSet`: several LogStores behind one: written to all, fetched from the first that answers.
// One that is down never hurts the others:
//
//  - `start` succeeds if one does; one that fails to start is left out from then on.
//  - `append` is answered as soon as one store has the lines, or when all have failed. The others
//  go on
//    in the background, in order within an activation, with at most kMaxBacklog bytes waiting for
//    each store; what a store loses is counted in berth_log_store_append_failures_total{store}.
//  - `fetch` asks one after another, giving each its share of the time.
//
// Out-of-band stores get no append; the set is out of band only if all its stores are. Thread-safe;
// the stores and the executor outlive it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "plugin/log_store.hpp"

namespace berth::plugin {

class LogStoreSet final : public LogStore {
 public:
  static constexpr std::size_t kMaxBacklog = std::size_t{32} << 20;

  struct Member {
    std::string name;  // for metrics and logs
    LogStore* store;
  };

  // `background` runs what slower stores still have to do.
  LogStoreSet(std::vector<Member> members, boost::asio::any_io_executor background,
              Metrics& metrics, const Clock& clock);
  ~LogStoreSet() override;

  Awaitable<void> start(SteadyTime deadline) override;
  bool out_of_band() const override;
  // All stores' parameters, joined. FAILED_PRECONDITION if two of them name a "log-driver": a
  // container has only one.
  Awaitable<Pairs> container_parameters(SteadyTime deadline) override;
  Awaitable<void> append(ActivationRef activation, std::vector<LogLine> lines, bool final,
                         SteadyTime deadline) override;
  // The cursor belongs to the store that answered first.
  Awaitable<LogPage> fetch(ActivationRef activation, std::string cursor, std::uint64_t max_bytes,
                           SteadyTime deadline) override;
  bool can_follow() const override;
  // By the first store that is up and can; its cursors are this set's.
  Awaitable<LogPage> follow(ActivationRef activation, std::string cursor, std::uint64_t max_bytes,
                            SteadyTime deadline) override;
  // Waits for the background, too. The first store's error, if any fails.
  Awaitable<void> drain(SteadyTime deadline) override;
  Awaitable<void> stop(SteadyTime deadline) override;

 private:
  class Lane;

  // The part of a cursor that is the store's own; the place of its store in `index`.
  Result<std::string> take_cursor(std::string cursor, std::size_t& index) const;

  // What each lane's `step` came to; all at once.
  using Step = Awaitable<void> (*)(std::shared_ptr<Lane> lane, SteadyTime deadline);
  boost::asio::awaitable<std::vector<Status>> on_all(Step step, SteadyTime deadline);

  const boost::asio::any_io_executor background_;
  const Clock& clock_;
  std::vector<std::shared_ptr<Lane>> lanes_;
};

}  // namespace berth::plugin
