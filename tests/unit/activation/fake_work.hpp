// SPDX-License-Identifier: Apache-2.0
// A WorkStore, an EntityStore and an AuthStore in memory, for tests of what is durable.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "store/work_store.hpp"

namespace berth::test {

// Answers in the order of the calls; with `hold` only when let_go() is called, as a slow disk does.
class FakeWorkStore final : public store::WorkStore {
 public:
  std::map<std::string, store::Work> rows;
  std::vector<store::Work> left;    // by an earlier process
  std::vector<std::string> events;  // "enqueue ID", "start ID", "withdraw ID"
  Status refusal;                   // of the next enqueues
  Status mark_refusal;              // of the next starts
  bool hold = false;

  void let_go() {
    hold = false;
    while (!held_.empty()) {
      held_.front()();
      held_.pop_front();
    }
  }
  void ended(const std::string& id) {
    rows.erase(id);
    std::erase_if(left, [&](const store::Work& work) { return work.activation_id == id; });
  }

  void enqueue(store::Executor on, store::Work work, store::Done<void> done) override {
    events.push_back("enqueue " + work.activation_id);
    write([this, on, work = std::move(work), done = std::move(done)] {
      if (refusal.ok()) {
        rows[work.activation_id] = work;
        answer(on, done, Result<void>());
      } else {
        answer(on, done, Result<void>(refusal));
      }
    });
  }
  void withdraw(const std::string& id) override {
    events.push_back("withdraw " + id);
    write([this, id] { ended(id); });
  }
  void start(store::Executor on, const std::string& id, std::int64_t now_ms,
             store::Done<void> done) override {
    events.push_back("start " + id);
    write([this, on, id, now_ms, done = std::move(done)] {
      if (!mark_refusal.ok()) return answer(on, done, Result<void>(mark_refusal));
      for (store::Work& work : left) {
        if (work.activation_id != id) continue;
        work.started_ms = now_ms;
        return answer(on, done, Result<void>());
      }
      const auto row = rows.find(id);
      if (row == rows.end()) return answer(on, done, Result<void>(sdk::not_found(id)));
      row->second.started_ms = now_ms;
      answer(on, done, Result<void>());
    });
  }
  void left_over(store::Executor on, std::int64_t after,
                 store::Done<std::vector<store::Work>> done) override {
    std::vector<store::Work> page;
    for (const store::Work& work : left) {
      if (work.sequence > after && page.size() < 3) page.push_back(work);
    }
    boost::asio::post(on, [done = std::move(done), page] { done(page); });
  }
  std::size_t size() const override { return rows.size() + left.size(); }

 private:
  static void answer(const store::Executor& on, const store::Done<void>& done,
                     const Result<void>& result) {
    boost::asio::post(on, [done, result] { done(result); });
  }
  void write(std::function<void()> change) {
    held_.push_back(std::move(change));
    if (!hold) let_go();
  }
  std::deque<std::function<void()>> held_;
};

class FakeActions final : public store::EntityStore {
 public:
  std::map<std::string, entity::ActionPtr> actions;
  std::map<std::string, entity::EntityPtr> packages;
  std::map<std::string, Status> failures;  // of the next look-up of that path

  entity::ActionPtr cached_action(std::string_view) const override { return nullptr; }
  void get_action(store::Executor on, std::string path,
                  store::Done<entity::ActionPtr> done) override {
    if (const auto failure = failures.extract(path)) {
      return boost::asio::post(on, [done, why = failure.mapped()] { done(why); });
    }
    const auto found = actions.find(path);
    boost::asio::post(on, [done, action = found == actions.end() ? nullptr : found->second] {
      if (!action) return done(sdk::not_found("no action"));
      done(action);
    });
  }
  void put_action(store::Executor, entity::Action, std::uint64_t,
                  store::Done<entity::ActionPtr>) override {}
  void remove_action(store::Executor, std::string, std::uint64_t, store::Done<void>) override {}
  void list_actions(store::Executor, std::string, std::optional<std::string>, std::int64_t,
                    std::int64_t, store::Done<std::vector<entity::ActionPtr>>) override {}
  void count_actions(store::Executor, std::string, std::optional<std::string>, std::int64_t,
                     store::Done<std::int64_t>) override {}
  entity::EntityPtr cached_entity(entity::Collection, std::string_view) const override {
    return nullptr;
  }
  void get_entity(store::Executor on, entity::Collection, std::string path,
                  store::Done<entity::EntityPtr> done) override {
    const auto found = packages.find(path);
    boost::asio::post(on, [done, package = found == packages.end() ? nullptr : found->second] {
      if (!package) return done(sdk::not_found("no package"));
      done(package);
    });
  }
  void change_entities(store::Executor, std::vector<store::EntityChange>,
                       store::Done<std::vector<entity::EntityPtr>>) override {}
  void list_entities(store::Executor, store::EntityQuery,
                     store::Done<std::vector<entity::EntityPtr>>) override {}
  void count_entities(store::Executor, store::EntityQuery, store::Done<std::int64_t>) override {}
};

class FakeNamespaces final : public store::AuthStore {
 public:
  std::map<std::string, entity::Identity, std::less<>> known;

  std::optional<entity::Identity> authenticate(std::string_view, std::string_view) const override {
    return std::nullopt;
  }
  std::optional<entity::Identity> find_namespace(std::string_view name) const override {
    const auto found = known.find(name);
    if (found == known.end()) return std::nullopt;
    return found->second;
  }
  std::vector<entity::Namespace> namespaces() const override { return {}; }
  void create_namespace(store::Executor, std::string, std::optional<entity::AuthKey>,
                        store::Done<entity::Identity>) override {}
  void remove_namespace(store::Executor, std::string, bool, store::Done<void>) override {}
  void change_limits(store::Executor, std::string, LimitsChange,
                     store::Done<entity::NamespaceLimits>) override {}
  void rotate_key(store::Executor, std::string, store::Done<entity::Identity>) override {}
};

}  // namespace berth::test
