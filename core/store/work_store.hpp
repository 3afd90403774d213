// SPDX-License-Identifier: Apache-2.0
// `WorkStore`: the accepted activations that have not ended yet, so that a crash loses none.
//
// An activation takes three steps. enqueue() puts its row on disk; only then may its caller be told
// that it was accepted. start() marks the row; only then may anything be sent to a container. Its
// record, written by ActivationStore::put or put_later, takes the row away in the same transaction.
// So after a crash a row without a mark never ran, one with a mark may have run, and an activation
// has either its row or its record.
//
// All calls are thread-safe and asynchronous, as in stores.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "store/stores.hpp"

namespace berth::store {

struct Work {
  std::int64_t sequence = 0;  // in the order of acceptance; set by the store
  std::string activation_id;
  std::string transaction_id;
  std::string namespace_name;  // who invokes
  std::string namespace_uuid;
  std::string subject;
  std::string path;     // "ns/[pkg/]name" of the action
  std::string cause;    // as in the record
  std::string binding;  // as in entity::Action
  std::int64_t received_ms = 0;
  std::int64_t started_ms = 0;  // 0: nothing was sent to a container yet
  std::string arguments;        // JSON text, parameters merged in
  bool unreadable = false;      // the arguments are encrypted and no key opens them: it cannot run
};

class WorkStore {
 public:
  virtual ~WorkStore() = default;

  // OK: on disk. A row given with started_ms != 0 is that of an activation on its way already; if
  // its record came first, nothing is kept. RESOURCE_EXHAUSTED (queue or disk full), UNAVAILABLE.
  virtual void enqueue(Executor on, Work work, Done<void> done) = 0;
  // It was not accepted after all. Without effect if there is no such row.
  virtual void withdraw(const std::string& activation_id) = 0;
  // OK: the mark is on disk. NOT_FOUND: the row is not there, because enqueue() failed or it was
  // withdrawn: the activation must not run. RESOURCE_EXHAUSTED: there is no room for the mark now;
  // the row is as it was.
  virtual void start(Executor on, const std::string& activation_id, std::int64_t now_ms,
                     Done<void> done) = 0;
  // What an earlier process left, from after `sequence` on, in the order of acceptance; as many as
  // make a page, none at the end.
  virtual void left_over(Executor on, std::int64_t after, Done<std::vector<Work>> done) = 0;

  // Rows that are there or on their way.
  virtual std::size_t size() const = 0;
};

}  // namespace berth::store
