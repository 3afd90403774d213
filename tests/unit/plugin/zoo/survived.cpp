// SPDX-License-Identifier: Apache-2.0
// The survived half of the zoo: a plugin without the SDK that breaks the contract on demand. The
// config says how it opens ({"misbehave": "..."}), a request's `kind` how it creates. `capacity`
// tells what it was asked, in `detail`: "destroyed:a,b cancelled:2".
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "berth/plugin/abi.h"
#include "berth/plugin/container_factory.h"
#include "berth/plugin/container_optional.h"
#include "berth/plugin/host.h"
#include "berth/plugin/note.h"

namespace {

struct Zoo {
  const berth_host* host;
  std::string misbehave;
  std::mutex mutex;
  std::map<std::string, berth_op> kept;  // unanswered creates, by container name
  std::string destroyed;
  int cancelled = 0;
  std::vector<std::thread> threads;
  const berth_container_events* events = nullptr;
};

std::string_view view(berth_str text) {
  return {text.data, text.len};
}
berth_str str(std::string_view text) {
  return {text.data(), text.size()};
}

void answer(Zoo& zoo, berth_op op, std::int32_t code = BERTH_OK, const void* result = nullptr) {
  const berth_status status{sizeof(berth_status), code, 0, 0, str("said the zoo")};
  zoo.host->complete(zoo.host->context, op, &status, result);
}

void answer_created(Zoo& zoo, berth_op op, std::string_view name) {
  const berth_container_info info{sizeof(info), BERTH_CONTAINER_RUNNING, str(name),
                                  str("token"), str("unix:/zoo"),        str(name),
                                  {nullptr, 0}};
  answer(zoo, op, BERTH_OK, &info);
}

void start(void* self, berth_op op, std::uint64_t, const berth_container_events* events) {
  auto& zoo = *static_cast<Zoo*>(self);
  zoo.events = events;
  answer(zoo, op);
}

void create(void* self, berth_op op, std::uint64_t, const berth_create_request* request) {
  auto& zoo = *static_cast<Zoo*>(self);
  const std::string kind(view(request->kind));
  const std::string name(view(request->name));
  if (kind == "throws") throw std::runtime_error("a bear escaped");
  if (kind == "throws-int") throw 7;
  if (kind == "answers-and-throws") {
    answer_created(zoo, op, name);
    throw std::runtime_error("a bear escaped");
  }
  if (kind == "never" || kind == "late") {
    const std::lock_guard lock(zoo.mutex);
    zoo.kept[name] = op;
    return;
  }
  if (kind == "blocks") std::this_thread::sleep_for(std::chrono::milliseconds(120));
  if (kind == "blocks-long") std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  if (kind == "twice") answer_created(zoo, op, name);
  if (kind == "forged") answer(zoo, {op.id ^ 0xffff00000000u});
  if (kind == "no-result") return answer(zoo, op);
  if (kind == "short-result") {
    const std::uint32_t tiny = 4;
    return answer(zoo, op, BERTH_OK, &tiny);
  }
  if (kind == "odd-code") return answer(zoo, op, 4711);
  if (kind == "thread") {
    const std::lock_guard lock(zoo.mutex);
    zoo.threads.emplace_back([&zoo, op, name] { answer_created(zoo, op, name); });
    return;
  }
  answer_created(zoo, op, name);
}

// "release NAME" answers a create that was kept, with success.
void destroy(void* self, berth_op op, std::uint64_t, berth_str id) {
  auto& zoo = *static_cast<Zoo*>(self);
  const std::string text(view(id));
  berth_op released{0};
  {
    const std::lock_guard lock(zoo.mutex);
    if (text.rfind("release ", 0) == 0) {
      released = zoo.kept[text.substr(8)];
    } else {
      zoo.destroyed += (zoo.destroyed.empty() ? "" : ",") + text;
    }
  }
  if (released.id != 0) answer_created(zoo, released, text.substr(8));
  answer(zoo, op);
}

void pause(void* self, berth_op op, std::uint64_t, berth_str) {
  answer(*static_cast<Zoo*>(self), op, BERTH_UNIMPLEMENTED);
}

void list(void* self, berth_op op, std::uint64_t, berth_str, std::uint32_t) {
  const berth_container_list round{sizeof(round), 0, nullptr, 0, str("round")};
  answer(*static_cast<Zoo*>(self), op, BERTH_OK, &round);
}

// Never answers: the host has to end the poll itself.
void read_logs(void*, berth_op, std::uint64_t, berth_str, berth_str, std::uint64_t) {}

void capacity(void* self, berth_op op, std::uint64_t) {
  auto& zoo = *static_cast<Zoo*>(self);
  std::string detail;
  {
    const std::lock_guard lock(zoo.mutex);
    detail = "destroyed:" + zoo.destroyed + " cancelled:" + std::to_string(zoo.cancelled);
  }
  const berth_capacity result{sizeof(result), 0, -1, -1, -1, -1, str(detail)};
  answer(zoo, op, BERTH_OK, &result);
}

void drain(void* self, berth_op op, std::uint64_t) {
  answer(*static_cast<Zoo*>(self), op);
}
void stop(void* self, berth_op op, std::uint64_t, std::int32_t) {
  answer(*static_cast<Zoo*>(self), op);
}
void cancel(void* self, berth_op) {
  auto& zoo = *static_cast<Zoo*>(self);
  const std::lock_guard lock(zoo.mutex);
  ++zoo.cancelled;
}

// By the id: what a resize or a look at what a container uses does.
void resize(void* self, berth_op op, std::uint64_t, berth_str id, const berth_resize_request*) {
  auto& zoo = *static_cast<Zoo*>(self);
  if (view(id) == "throws") throw std::runtime_error("a bear escaped");
  if (view(id) == "never") return;
  if (view(id) == "twice") answer(zoo, op);
  answer(zoo, op);
}

void stats(void* self, berth_op op, std::uint64_t, berth_str id) {
  auto& zoo = *static_cast<Zoo*>(self);
  if (view(id) == "throws") throw 7;
  if (view(id) == "no-result") return answer(zoo, op);
  berth_container_stats result{sizeof(result), 0, INT64_MIN, INT64_MAX, -77, 0};
  if (view(id) == "short-result") result.struct_size = 8;
  answer(zoo, op, BERTH_OK, &result);
}

constexpr berth_resize kResize{sizeof(kResize), 0, &resize};
constexpr berth_stats kStats{sizeof(kStats), 0, &stats};
constexpr berth_resize kNoResize{sizeof(kNoResize), 0, nullptr};
constexpr berth_stats kShortStats{8, 0, &stats};

constexpr berth_container_factory kTable{sizeof(kTable), 0,      &start, &create,    &destroy,
                                         &pause,         &pause, &list,  &read_logs, &capacity,
                                         &drain,         &stop,  &cancel};
constexpr berth_container_factory kShort{16, 0, &start};
constexpr berth_container_factory kHoles{sizeof(kHoles), 0, &start};

bool says(berth_str config, const char* word) {
  return view(config).find("\"" + std::string(word) + "\"") != std::string_view::npos;
}

std::int32_t open_zoo(const berth_open_args* args, void** instance) {
  const berth_host& host = *args->host;
  if (says(args->config_json, "open-fails")) {
    host.set_error(host.context, str("the engine at /run/engine.sock is not there"));
    return BERTH_UNAVAILABLE;
  }
  if (says(args->config_json, "open-fails-silently")) return BERTH_PERMISSION_DENIED;
  if (says(args->config_json, "open-throws")) throw std::runtime_error("no cage");
  if (says(args->config_json, "open-without-instance")) return BERTH_OK;
  auto* zoo = new Zoo;
  zoo->host = args->host;
  for (const char* word :
       {"query-null", "short-table", "table-with-holes", "no-resize", "short-stats"}) {
    if (says(args->config_json, word)) zoo->misbehave = word;
  }
  *instance = zoo;
  return BERTH_OK;
}

const void* query_zoo(void* instance, berth_str id) {
  const auto& zoo = *static_cast<Zoo*>(instance);
  if (zoo.misbehave == "query-null") return nullptr;
  if (zoo.misbehave == "short-table") return &kShort;
  if (zoo.misbehave == "table-with-holes") return &kHoles;
  if (view(id) == BERTH_INTERFACE_RESIZE) {
    return zoo.misbehave == "no-resize" ? &kNoResize : &kResize;
  }
  if (view(id) == BERTH_INTERFACE_STATS) {
    return zoo.misbehave == "short-stats" ? &kShortStats : &kStats;
  }
  return view(id) == BERTH_INTERFACE_CONTAINER_FACTORY ? &kTable : nullptr;
}

void close_zoo(void* instance) {
  auto* zoo = static_cast<Zoo*>(instance);
  for (std::thread& thread : zoo->threads) thread.join();
  delete zoo;
}

}  // namespace

BERTH_PLUGIN_NOTE(R"({"name":"survived","id":"org.example.survived","version":"1.0.0","abi":"1.0",)"
                  R"("provides":["berth.container-factory/1","berth.resize/1","berth.stats/1"],)"
                  R"("needs":[],"flags":[],)"
                  R"("config_schema":{"type":"object"}})");

extern "C" {
BERTH_EXPORT extern const berth_plugin_entry_v1 berth_plugin_entry;
}
const berth_plugin_entry_v1 berth_plugin_entry = {
    sizeof(berth_plugin_entry_v1), BERTH_ABI_MAJOR, BERTH_ABI_MINOR, 0,          "survived",
    "org.example.survived",        "1.0.0",         &open_zoo,       &query_zoo, &close_zoo};
