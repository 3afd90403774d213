// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/held_offer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace berth::mesos {
namespace {

std::string number(std::int64_t thousandths) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", from_thousandths(thousandths));
  return text;
}

bool is_reserved(const v1::Resource& r) {
  return r.reservations_size() > 0 || r.has_reservation() || (r.has_role() && r.role() != "*");
}

// What tasks may not simply use: volumes, and what may be taken away again.
bool is_usable(const v1::Resource& r) {
  return !r.has_disk() && !r.has_revocable() && !r.has_shared();
}

std::string attribute_text(const v1::Attribute& a) {
  if (a.has_text()) return a.text().value();
  if (a.has_scalar()) return number(to_thousandths(a.scalar().value()));
  std::string text;
  const auto add = [&](const std::string& item) { text += (text.empty() ? "" : ",") + item; };
  for (const std::string& item : a.set().item()) add(item);
  for (const v1::Value::Range& range : a.ranges().range()) {
    add(std::to_string(range.begin()) + "-" + std::to_string(range.end()));
  }
  return text;
}

}  // namespace

std::int64_t to_thousandths(double value) {
  return std::llround(value * 1000.0);
}

double from_thousandths(std::int64_t value) {
  return static_cast<double>(value) / 1000.0;
}

bool Demand::same_as(const Demand& o) const {
  return cpus == o.cpus && mem == o.mem && disk == o.disk && gpus == o.gpus && ports == o.ports &&
         executor == o.executor && constraints == o.constraints && group == o.group;
}

std::string Demand::text() const {
  std::string text = number(cpus + (executor ? kExecutorCpus : 0)) + " cpus, " +
                     number(mem + (executor ? kExecutorMem : 0)) + " MB";
  if (disk > 0) text += ", " + number(disk) + " MB of disk";
  if (gpus > 0) text += ", " + number(gpus) + " gpus";
  if (ports > 0) text += ", " + std::to_string(ports) + (ports == 1 ? " port" : " ports");
  return text;
}

HeldOffer::HeldOffer(v1::Offer offer, std::chrono::steady_clock::time_point received)
    : offer_(std::move(offer)), received_(received), role_(offer_.allocation_info().role()) {
  // The most reserved first: what others may use too stays for them.
  auto& resources = *offer_.mutable_resources();
  std::stable_sort(resources.pointer_begin(), resources.pointer_end(),
                   [](const v1::Resource* a, const v1::Resource* b) {
                     return is_reserved(*a) && !is_reserved(*b);
                   });
  for (const v1::Resource& r : resources) {
    if (!is_usable(r)) continue;
    if (r.name() == "ports") {
      for (const v1::Value::Range& range : r.ranges().range()) {
        if (range.end() >= range.begin()) ports_ += range.end() - range.begin() + 1;
      }
    } else if (std::int64_t* total = sum(r.name()); total != nullptr && r.has_scalar()) {
      *total += to_thousandths(r.scalar().value());
    }
  }
  for (const v1::Attribute& a : offer_.attributes()) {
    attributes_.emplace(a.name(), attribute_text(a));
  }
  attributes_["hostname"] = offer_.hostname();
}

std::int64_t* HeldOffer::sum(const std::string& name) {
  if (name == "cpus") return &cpus_;
  if (name == "mem") return &mem_;
  if (name == "disk") return &disk_;
  if (name == "gpus") return &gpus_;
  return nullptr;
}

bool HeldOffer::fits(const Demand& d) const {
  return cpus_ >= d.cpus + (d.executor ? kExecutorCpus : 0) &&
         mem_ >= d.mem + (d.executor ? kExecutorMem : 0) && disk_ >= d.disk && gpus_ >= d.gpus &&
         ports_ >= d.ports;
}

const std::string* HeldOffer::attribute(const std::string& name) const {
  const auto it = attributes_.find(name);
  return it == attributes_.end() ? nullptr : &it->second;
}

void HeldOffer::take(const Demand& demand, v1::TaskInfo& task, std::vector<std::uint32_t>& ports) {
  Resources& into = *task.mutable_resources();
  take_scalar("cpus", demand.cpus, into);
  take_scalar("mem", demand.mem, into);
  take_scalar("disk", demand.disk, into);
  take_scalar("gpus", demand.gpus, into);
  take_ports(demand.ports, into, ports);
  ++taken_;
}

void HeldOffer::take(v1::ExecutorInfo& executor) {
  take_scalar("cpus", kExecutorCpus, *executor.mutable_resources());
  take_scalar("mem", kExecutorMem, *executor.mutable_resources());
}

void HeldOffer::take_scalar(const std::string& name, std::int64_t amount, Resources& into) {
  if (amount <= 0) return;
  *sum(name) -= amount;
  for (v1::Resource& r : *offer_.mutable_resources()) {
    if (amount == 0) return;
    if (r.name() != name || !r.has_scalar() || !is_usable(r)) continue;
    const std::int64_t there = to_thousandths(r.scalar().value());
    const std::int64_t part = std::min(there, amount);
    if (part <= 0) continue;
    v1::Resource& taken = *into.Add();
    taken = r;
    taken.mutable_scalar()->set_value(from_thousandths(part));
    r.mutable_scalar()->set_value(from_thousandths(there - part));
    amount -= part;
  }
}

void HeldOffer::take_ports(std::uint32_t count, Resources& into,
                           std::vector<std::uint32_t>& ports) {
  ports_ -= count;
  for (v1::Resource& r : *offer_.mutable_resources()) {
    if (r.name() != "ports" || !is_usable(r)) continue;
    v1::Resource taken;
    for (v1::Value::Range& range : *r.mutable_ranges()->mutable_range()) {
      while (count > 0 && range.begin() <= range.end()) {
        const std::uint64_t port = range.begin();
        range.set_begin(port + 1);
        v1::Value::Range& one = *taken.mutable_ranges()->add_range();
        one.set_begin(port);
        one.set_end(port);
        ports.push_back(static_cast<std::uint32_t>(port));
        --count;
      }
    }
    if (!taken.has_ranges()) continue;
    v1::Resource& added = *into.Add();
    added = r;
    *added.mutable_ranges() = std::move(*taken.mutable_ranges());
  }
}

}  // namespace berth::mesos
