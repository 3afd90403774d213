// SPDX-License-Identifier: Apache-2.0
#include "api/sequence_check.hpp"

#include <memory>
#include <utility>

namespace berth::api {
namespace {

// Looks at one component after the other; a sequence among them puts its own in its place.
class Check : public std::enable_shared_from_this<Check> {
 public:
  Check(CallPtr call, std::string path, const std::vector<std::string>& components,
        std::function<void()> fine)
      : call_(std::move(call)), path_(std::move(path)), fine_(std::move(fine)) {
    push(components);
  }

  // Not from inside itself: what is in memory is found at once, and a stack has its end.
  void next() {
    again_ = true;
    if (std::exchange(looking_, true)) return;
    while (std::exchange(again_, false)) look();
    looking_ = false;
  }

 private:
  void look() {
    const auto most = static_cast<std::size_t>(call_->deps().limits.max_sequence_length);
    // What counts nothing is bounded, too: sequences that were changed at once may be in a circle.
    if (actions_ > most || looked_at_ > 4 * most) return call_->fail(400, text::kLongSequence);
    if (left_.empty()) return fine_();
    const std::string path = std::move(left_.back());
    left_.pop_back();
    ++looked_at_;
    if (path == path_) return call_->fail(400, text::kOwnComponent);
    call_->service().resolver.resolve(
        call_->executor(), activation::split_action_path(path), call_->user.namespace_name,
        [check = shared_from_this(), path](const Result<entity::ActionPtr>& action) {
          check->found(path, action);
        });
  }

  void push(const std::vector<std::string>& components) {
    for (auto at = components.rbegin(); at != components.rend(); ++at) {
      left_.push_back(at->substr(1));
    }
  }

  void found(const std::string& path, const Result<entity::ActionPtr>& action) {
    if (!action) {
      switch (action.error().code()) {
        case StatusCode::kNotFound: return call_->fail(400, text::kNoComponent);
        case StatusCode::kPermissionDenied:
          return call_->fail(
              403, "The supplied authentication is not authorized to access '" + path + "'.");
        default: return call_->fail(action.error());
      }
    }
    // By another name through a binding.
    if ((*action)->path() == path_) return call_->fail(400, text::kOwnComponent);
    if ((*action)->flow == entity::Flow::kSequence) {
      push((*action)->exec.components);
    } else {
      ++actions_;
    }
    next();
  }

  const CallPtr call_;
  const std::string path_;
  const std::function<void()> fine_;
  std::vector<std::string> left_;  // paths, the next one last
  std::size_t actions_ = 0;
  std::size_t looked_at_ = 0;
  bool looking_ = false;
  bool again_ = false;
};

}  // namespace

void resolve_components(std::vector<std::string>& components, const entity::Identity& user) {
  for (std::string& component : components) {
    if (component.starts_with("/_/")) component.replace(1, 1, user.namespace_name);
  }
}

void check_sequence(const CallPtr& call, const std::string& path,
                    const std::vector<std::string>& components, std::function<void()> fine) {
  std::make_shared<Check>(call, path, components, std::move(fine))->next();
}

}  // namespace berth::api
