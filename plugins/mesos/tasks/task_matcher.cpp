// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/task_matcher.hpp"

#include <algorithm>
#include <cstdio>
#include <queue>

namespace berth::mesos {
namespace {

// Lower is preferred.
using Score = std::int64_t (*)(const HeldOffer& offer, std::size_t index);

std::int64_t first(const HeldOffer&, std::size_t index) {
  return static_cast<std::int64_t>(index);
}
std::int64_t least_memory(const HeldOffer& offer, std::size_t) {
  return offer.mem();
}
std::int64_t most_memory(const HeldOffer& offer, std::size_t) {
  return -offer.mem();
}

// The offers that may do for demands of one shape, the preferred one on top. Offers only shrink
// while one match() runs: one that has become too small is gone for good, one whose score has
// changed goes back into the heap. So a cycle costs O((offers + tasks) log offers) a shape.
class Candidates {
 public:
  Candidates(const Demand& demand, const std::vector<HeldOffer*>& offers, const GroupTable& groups,
             Score score)
      : offers_(offers), groups_(groups), score_(score) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < offers.size(); ++i) {
      if (offers[i]->fits(demand) && allowed_forever(demand, *offers[i])) {
        entries.push_back({score(*offers[i], i), i});
      }
    }
    heap_ = Heap(std::greater<>(), std::move(entries));
  }

  // The offer for one more task of this shape, or -1.
  std::ptrdiff_t next(const Demand& demand) {
    std::vector<Entry> aside;  // what the group's tasks forbid just now
    std::ptrdiff_t found = -1;
    while (!heap_.empty()) {
      Entry entry = heap_.top();
      const HeldOffer& offer = *offers_[entry.second];
      if (!offer.fits(demand)) {
        heap_.pop();
        continue;
      }
      const std::int64_t now = score_(offer, entry.second);
      if (now != entry.first) {
        heap_.pop();
        heap_.push({now, entry.second});
        continue;
      }
      if (!allowed(demand, offer, groups_)) {
        heap_.pop();
        aside.push_back(entry);
        continue;
      }
      found = static_cast<std::ptrdiff_t>(entry.second);
      break;
    }
    for (const Entry& entry : aside) heap_.push(entry);
    return found;
  }

 private:
  using Entry = std::pair<std::int64_t, std::size_t>;
  using Heap = std::priority_queue<Entry, std::vector<Entry>, std::greater<>>;

  static bool allowed_forever(const Demand& demand, const HeldOffer& offer) {
    static const ValueCounts kNone;
    if (demand.constraints == nullptr) return true;
    return std::all_of(demand.constraints->begin(), demand.constraints->end(),
                       [&](const Constraint& c) {
                         const std::string* value = offer.attribute(c.attribute());
                         return c.counts() ? value != nullptr : c.allows(value, kNone);
                       });
  }

  const std::vector<HeldOffer*>& offers_;
  const GroupTable& groups_;
  const Score score_;
  Heap heap_;
};

class ByScore final : public TaskMatcher {
 public:
  explicit ByScore(Score score) : score_(score) {}

  void match(const std::vector<const Demand*>& pending, std::vector<HeldOffer*>& offers,
             const GroupTable& groups,
             const std::function<void(std::size_t, std::size_t)>& place) override {
    struct Shape {
      Demand demand;  // a copy: place() may consume the task's
      std::unique_ptr<Candidates> candidates;
    };
    std::vector<Shape> shapes;
    for (std::size_t task = 0; task < pending.size(); ++task) {
      const Demand& demand = *pending[task];
      auto shape = std::find_if(shapes.begin(), shapes.end(),
                                [&](const Shape& s) { return s.demand.same_as(demand); });
      if (shape == shapes.end()) {
        shapes.push_back({demand, std::make_unique<Candidates>(demand, offers, groups, score_)});
        shape = std::prev(shapes.end());
      }
      const std::ptrdiff_t offer = shape->candidates->next(demand);
      if (offer >= 0) place(task, static_cast<std::size_t>(offer));
    }
  }

 private:
  const Score score_;
};

}  // namespace

const ValueCounts& GroupTable::counts(const std::string& group,
                                      const std::string& attribute) const {
  static const ValueCounts kNone;
  const auto it = groups_.find(group);
  if (it == groups_.end()) return kNone;
  const auto found = it->second.find(attribute);
  return found == it->second.end() ? kNone : found->second;
}

void GroupTable::add(const std::string& group,
                     const std::map<std::string, std::string>& attributes) {
  if (group.empty()) return;
  for (const auto& [name, value] : attributes) ++groups_[group][name][value];
}

void GroupTable::remove(const std::string& group,
                        const std::map<std::string, std::string>& attributes) {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  for (const auto& [name, value] : attributes) {
    ValueCounts& counts = it->second[name];
    const auto found = counts.find(value);
    if (found != counts.end() && --found->second == 0) counts.erase(found);
    if (counts.empty()) it->second.erase(name);
  }
  if (it->second.empty()) groups_.erase(it);
}

std::unique_ptr<TaskMatcher> make_matcher(std::string_view name) {
  if (name == "first-match") return std::make_unique<ByScore>(&first);
  if (name == "best-fit") return std::make_unique<ByScore>(&least_memory);
  if (name == "spread") return std::make_unique<ByScore>(&most_memory);
  return nullptr;
}

bool allowed(const Demand& demand, const HeldOffer& offer, const GroupTable& groups) {
  if (demand.constraints == nullptr) return true;
  return std::all_of(
      demand.constraints->begin(), demand.constraints->end(), [&](const Constraint& c) {
        return c.allows(offer.attribute(c.attribute()), groups.counts(demand.group, c.attribute()));
      });
}

std::string why_waiting(const Demand& demand, const std::vector<HeldOffer*>& offers,
                        const GroupTable& groups) {
  std::string text = "needs " + demand.text() + ": ";
  if (offers.empty()) return text + "no offers";
  text += std::to_string(offers.size()) + (offers.size() == 1 ? " offer" : " offers");
  const HeldOffer* best = nullptr;
  const Constraint* forbids = nullptr;
  const auto missing = [&](const HeldOffer& o) {
    return (o.cpus() < demand.cpus) + (o.mem() < demand.mem) + (o.disk() < demand.disk) +
           (o.gpus() < demand.gpus) + (o.ports() < demand.ports);
  };
  for (const HeldOffer* offer : offers) {
    if (best == nullptr || missing(*offer) < missing(*best)) best = offer;
    if (!offer->fits(demand) || demand.constraints == nullptr) continue;
    for (const Constraint& c : *demand.constraints) {
      const auto& counts = groups.counts(demand.group, c.attribute());
      if (!c.allows(offer->attribute(c.attribute()), counts)) forbids = &c;
    }
  }
  if (missing(*best) == 0) {
    return text + (forbids != nullptr ? ", forbidden by the constraint " + forbids->text() : "");
  }
  const char* comma = ", the best with ";
  const auto add = [&](std::int64_t there, std::int64_t wanted, const char* unit) {
    if (there >= wanted) return;
    char number[32];
    std::snprintf(number, sizeof number, "%g", from_thousandths(there));
    text += comma + std::string(number) + unit;
    comma = ", ";
  };
  add(best->cpus(), demand.cpus, " cpus");
  add(best->mem(), demand.mem, " MB");
  add(best->disk(), demand.disk, " MB of disk");
  add(best->gpus(), demand.gpus, " gpus");
  if (best->ports() < demand.ports) {
    text += comma + std::to_string(best->ports()) + (best->ports() == 1 ? " port" : " ports");
  }
  return text;
}

}  // namespace berth::mesos
