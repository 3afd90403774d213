// SPDX-License-Identifier: Apache-2.0
// Writes into the store named by its argument until it is killed, and says on stdout what the store
// has said to be written: one line each, "a <path> <revision>", "r <activation id>" or "s <key>
// <version>". The first argument is the file, the second the number that new names start with.
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <string>
#include <unistd.h>

#include "store/sqlite_store.hpp"

namespace {

using namespace berth;

boost::asio::io_context context;

void say(const std::string& line) {
  const std::string text = line + "\n";
  // One write is one line, whole, or the parent is gone.
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) ::_exit(3);
}

std::string id_of(unsigned long number) {
  char text[33];
  std::snprintf(text, sizeof text, "%032lx", number);
  return text;
}

entity::Activation make_record(unsigned long number) {
  entity::Activation record;
  record.activation_id = id_of(number);
  record.namespace_name = "guest";
  record.name = "hello";
  record.path = "guest/hello";
  record.start_ms = static_cast<std::int64_t>(number);
  record.result = "{\"n\":\"" + std::string(number % 5000, 'x') + "\"}";
  return record;
}

void write_record(store::SqliteStore& store, unsigned long number) {
  store.activations().put(context.get_executor(), make_record(number),
                          [&store, number](auto result) {
                            if (!result) ::_exit(4);
                            say("r " + id_of(number));
                            write_record(store, number + 16);
                          });
}

void write_action(store::SqliteStore& store, unsigned long number) {
  entity::Action action;
  action.namespace_name = "guest";
  action.name = "a" + std::to_string(number);
  action.exec.kind = "python:3.11";
  action.exec.code = std::string(number % 20'000, 'c');
  store.entities().put_action(
      context.get_executor(), std::move(action), 0,
      [&store, number](Result<entity::ActionPtr> stored) {
        if (!stored) ::_exit(5);
        say("a " + (*stored)->path() + " " + std::to_string((*stored)->revision));
        write_action(store, number + 1);
      });
}

void write_state(store::SqliteStore& store, unsigned long number) {
  store.plugin_state().put(context.get_executor(), "process", "key", std::to_string(number),
                           store::PluginStateStore::kAnyVersion,
                           [&store, number](Result<std::uint64_t> version) {
                             if (!version) ::_exit(6);
                             say("s " + std::to_string(number) + " " + std::to_string(*version));
                             write_state(store, number + 1);
                           });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const unsigned long base = std::strtoul(argv[2], nullptr, 10);
  auto opened = berth::store::SqliteStore::open(argv[1], {});
  if (!opened) {
    say("error " + opened.error().to_string());
    return 1;
  }
  for (unsigned long i = 0; i < 16; ++i) write_record(**opened, base + i);
  write_action(**opened, base);
  write_state(**opened, base);
  context.run();
  return 0;
}
