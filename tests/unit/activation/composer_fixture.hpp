// SPDX-License-Identifier: Apache-2.0
// A Composer over fake stores, whose actions answer as a test says.
#pragma once

#include <boost/json/serialize.hpp>
#include <functional>
#include <gmock/gmock.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "activation/composer.hpp"
#include "activation/durable_invoker.hpp"
#include "base/ids.hpp"
#include "unit/activation/fake_work.hpp"
#include "unit/activation/invoker_fixture.hpp"

namespace berth::activation {

// What a test invokes without naming one.
inline constexpr const char* kTop = "0123456789abcdef0123456789abcdef";

class ComposerTest : public InvokerTest {
 protected:
  void SetUp() override {
    work_store = &rows;
    namespaces.known["guest"] = test::make_identity("guest");
    // Each action answers with what its arguments say, or with its own name.
    on_run = [this](const std::string&) {
      const boost::json::value run = boost::json::parse(bodies.back());
      const std::string name(run.at("action_name").as_string());
      arguments.push_back(name.substr(name.rfind('/') + 1) + " " +
                          boost::json::serialize(run.at("value")));
      const auto script = scripts.find(name.substr(name.rfind('/') + 1));
      if (script != scripts.end()) return script->second(run.at("value"));
      return Answer{.body = R"({"by":")" + name + R"("})"};
    };
    start();
    make_composer();
  }
  void make_composer() {
    composer =
        std::make_unique<Composer>(ComposerDependencies{.io = io,
                                                        .clock = clock,
                                                        .metrics = metrics,
                                                        .next = *invoker,
                                                        .activations = records,
                                                        .work = &rows,
                                                        .resolve = resolve_by_name(io, actions),
                                                        .runtimes = &runtimes},
                                   composer_options);
    durable = std::make_unique<DurableInvoker>(
        DurableDependencies{io, clock, metrics, *composer, rows, records, actions, namespaces},
        DurableOptions{.max_recovering = 2, .retry = 1ms, .store_retry = 1ms});
  }
  void TearDown() override {
    durable.reset();
    composer.reset();
    invoker.reset();
  }

  entity::ActionPtr add(const std::string& name, std::int64_t memory_mb = 128) {
    auto action = std::make_shared<entity::Action>(*test::make_action(name));
    action->limits.memory_mb = memory_mb;
    return actions.actions["guest/" + name] = action;
  }
  entity::ActionPtr add_sequence(const std::string& name, std::vector<std::string> components) {
    auto action = std::make_shared<entity::Action>(*test::make_action(name));
    action->exec.kind = "sequence";
    for (std::string& component : components) component.insert(0, "/guest/");
    action->exec.components = std::move(components);
    action->set_flow();
    return actions.actions["guest/" + name] = action;
  }
  entity::ActionPtr add_conductor(const std::string& name) {
    auto action = std::make_shared<entity::Action>(*test::make_action(name));
    action->annotations.push_back({.key = "conductor", .value = true});
    action->set_flow();
    return actions.actions["guest/" + name] = action;
  }
  // Answers once each, in their order; the last one from then on.
  void answers(const std::string& name, std::vector<std::string> bodies_of) {
    scripts[name] = [bodies_of, at = std::size_t{0}](const boost::json::value&) mutable {
      const std::string body = bodies_of[std::min(at++, bodies_of.size() - 1)];
      return Answer{.body = body};
    };
  }
  const entity::Activation& run_flow(const std::string& name, bool blocking = true) {
    submit(kTop, name, blocking);
    EXPECT_TRUE(wait(kTop));
    return replied[kTop];
  }
  void submit(const std::string& id, const std::string& name, bool blocking) {
    Invocation invocation = make(id, actions.actions.at("guest/" + name), blocking);
    invocation.arguments = R"({"n":1})";
    durable->submit(
        std::move(invocation), [this, id](const Status& status) { accepted[id] = status; },
        [this, id](const entity::Activation& outcome) {
          ++replies[id];
          replied.insert_or_assign(id, outcome);
        });
  }
  const entity::Activation& record_of(const std::string& name) {
    for (const entity::Activation& record : records.records) {
      if (record.name == name) return record;
    }
    ADD_FAILURE() << "no record of " << name;
    return records.records.front();
  }

  entity::RuntimesManifest runtimes = *entity::RuntimesManifest::parse(R"({"runtimes":{
    "python":[{"kind":"python:2","deprecated":true,"image":{"prefix":"img","name":"old"}},
              {"kind":"python:3","default":true,"image":{"prefix":"img","name":"python"}}]},
    "blackboxes":[]})");
  ComposerOptions composer_options{.mark_retry = 1ms, .mark_retry_max = 4ms};
  std::map<std::string, std::function<Answer(const boost::json::value&)>> scripts;
  std::vector<std::string> arguments;  // "NAME {...}" of each /run
  std::map<std::string, Status> accepted;
  test::FakeWorkStore rows;
  test::FakeActions actions;
  test::FakeNamespaces namespaces;
  std::unique_ptr<Composer> composer;
  std::unique_ptr<DurableInvoker> durable;
};

}  // namespace berth::activation
