// SPDX-License-Identifier: Apache-2.0
#include "docker/pull_progress.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace berth::docker {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestLine = 1u << 20;
constexpr std::size_t kMostLayers = 10'000;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? std::max<std::int64_t>(0, value->get_int64()) : 0;
}

}  // namespace

bool PullProgress::feed(std::string_view bytes) {
  rest_.append(bytes);
  std::size_t begin = 0, end;
  while ((end = rest_.find('\n', begin)) != std::string::npos) {
    line(std::string_view(rest_).substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
  return rest_.size() <= kLongestLine;
}

void PullProgress::finish() {
  line(rest_);
  rest_.clear();
}

void PullProgress::line(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return;
  if (const std::string failed = text_of(*object, "error"); !failed.empty()) error_ = failed;
  if (const json::value* detail = object->if_contains("errorDetail");
      error_.empty() && detail != nullptr && detail->is_object()) {
    error_ = text_of(detail->get_object(), "message");
  }
  const std::string id = text_of(*object, "id");
  const std::string status = text_of(*object, "status");
  if (id.empty() || status.starts_with("Pulling from") || layers_.size() > kMostLayers) return;
  Layer& layer = layers_[id];
  if (const json::value* detail = object->if_contains("progressDetail");
      status == "Downloading" && detail != nullptr && detail->is_object()) {
    layer.current = number_of(detail->get_object(), "current");
    layer.total = number_of(detail->get_object(), "total");
  }
  if (status == "Download complete") layer.current = layer.total;
  if (status == "Pull complete" || status == "Already exists") layer.done = true;
}

std::string PullProgress::summary() const {
  double current = 0, total = 0;
  std::size_t done = 0;
  for (const auto& [id, layer] : layers_) {
    current += static_cast<double>(layer.current);
    total += static_cast<double>(layer.total);
    done += layer.done ? 1 : 0;
  }
  const auto mb = [](double bytes) {
    return std::to_string(static_cast<long long>(bytes / (1 << 20)));
  };
  return mb(current) + " of " + mb(total) + " MB, " + std::to_string(done) + " of " +
         std::to_string(layers_.size()) + " layers";
}

}  // namespace berth::docker
