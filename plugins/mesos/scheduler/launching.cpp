// SPDX-License-Identifier: Apache-2.0
// Scheduler: offers, and the launches that wait for one.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "mesos/scheduler/scheduler.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// What an offer leaves is wanted back at once: others may wait for it.
constexpr double kRefuseNothing = 0.0;
// Before a launch goes to a doubted agent: the offers of others may be on their way.
constexpr milliseconds kDoubtPatience{500};
constexpr milliseconds kLongestRevivePause{5'000};

double seconds(milliseconds time) {
  return static_cast<double>(time.count()) / 1000.0;
}

// Times of the wire as ours; any number may come.
milliseconds bounded(std::int64_t nanoseconds) {
  constexpr std::int64_t kMost = std::int64_t{100} * 365 * 24 * 3'600'000;  // a hundred years
  return milliseconds(std::clamp(nanoseconds / 1'000'000, -kMost, kMost));
}

// When an agent goes, on our clock.
SteadyTime start_of(const v1::Unavailability& unavailability) {
  const auto now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return Clock::now() + (bounded(unavailability.start().nanoseconds()) - now);
}

std::string url_of(const v1::Offer& offer) {
  if (!offer.has_url()) return "";
  const v1::Address& address = offer.url().address();
  // An agent's name need not be known here; a certificate is for the name.
  const bool by_name = address.ip().empty() || offer.url().scheme() == "https";
  const std::string& host = by_name ? address.hostname() : address.ip();
  return offer.url().scheme() + "://" + host + ":" + std::to_string(address.port());
}

}  // namespace

std::uint64_t Scheduler::launch(TaskSpec spec, SteadyTime deadline, LaunchDone done) {
  const std::uint64_t number = ++last_launch_;
  if (!running_ || !fatal_.empty()) {
    asio::post(context_, [why = trouble_, done = std::move(done)] { done(why, nullptr); });
    return number;
  }
  last_needed_ = Clock::now();
  pending_.push_back({number, std::move(spec), deadline, std::move(done), last_needed_});
  revive_pause_ = settings_.revive_interval;
  schedule_match();
  return number;
}

void Scheduler::cancel(std::uint64_t launch) {
  const sdk::Status cancelled = sdk::cancelled("the launch was cancelled");
  const auto it = std::find_if(pending_.begin(), pending_.end(),
                               [&](const Pending& p) { return p.number == launch; });
  if (it != pending_.end()) {
    const LaunchDone done = std::move(it->done);
    pending_.erase(it);
    return done(cancelled, nullptr);
  }
  if (const auto found = launching_.find(launch); found != launching_.end()) {
    if (const auto task = tasks_.find(found->second); task != tasks_.end()) {
      end_launch(*task->second, cancelled);
    }
  }
}

bool Scheduler::is_leaving(const HeldOffer& offer) const {
  if (leaving_.count(offer.agent()) > 0) return true;
  if (!offer.offer().has_unavailability()) return false;
  const v1::Unavailability& u = offer.offer().unavailability();
  if (!u.has_duration()) return true;
  return start_of(u) + bounded(u.duration().nanoseconds()) > Clock::now();
}

void Scheduler::on_offers(const v1::Event::Offers& offers) {
  const SteadyTime now = Clock::now();
  std::vector<std::string> unwanted;
  for (const v1::Offer& offer : offers.offers()) {
    HeldOffer held(offer, now);
    // An agent without maintenance any more is offered without it.
    if (!offer.has_unavailability()) leaving_.erase(held.agent());
    if (is_leaving(held)) {
      unwanted.push_back(held.id());
    } else {
      offers_.push_back(std::move(held));
    }
  }
  if (!unwanted.empty()) decline(unwanted);
  schedule_match();
}

void Scheduler::on_inverse_offers(const v1::Event::InverseOffers& offers) {
  v1::Call answer;
  answer.set_type(v1::Call::ACCEPT_INVERSE_OFFERS);
  for (const v1::InverseOffer& offer : offers.inverse_offers()) {
    *answer.mutable_accept_inverse_offers()->add_inverse_offer_ids() = offer.id();
    const std::string& agent = offer.agent_id().value();
    leaving_[agent] = {start_of(offer.unavailability()) - settings_.drain_lead, offer.id().value()};
    observer_.on_note("agent " + agent + " is to be maintained: its containers will be replaced");
    std::vector<std::string> unwanted;
    for (auto it = offers_.begin(); it != offers_.end();) {
      if (it->agent() == agent) {
        unwanted.push_back(it->id());
        it = offers_.erase(it);
      } else {
        ++it;
      }
    }
    if (!unwanted.empty()) decline(unwanted);
  }
  if (answer.accept_inverse_offers().inverse_offer_ids_size() > 0) call(std::move(answer));
}

void Scheduler::schedule_match() {
  if (match_scheduled_ || !running_) return;
  match_scheduled_ = true;
  // Later, so that launches and offers that come together are matched together.
  asio::post(context_, [this] {
    match_scheduled_ = false;
    match();
  });
}

void Scheduler::match() {
  if (!ready_ || pending_.empty()) return;
  last_needed_ = Clock::now();
  const SteadyTime now = Clock::now();
  std::vector<HeldOffer*> good, doubted;
  for (HeldOffer& offer : offers_) {
    (trust_.doubted(offer.agent(), now) ? doubted : good).push_back(&offer);
  }
  match_with(good, now);
  match_with(doubted, now - kDoubtPatience);
  offers_.remove_if([](const HeldOffer& offer) { return offer.taken() > 0; });
  if (!pending_.empty() && offers_.empty()) ask_for_offers();
}

void Scheduler::match_with(std::vector<HeldOffer*>& offers, SteadyTime waiting_since) {
  if (offers.empty()) return;
  std::vector<const Demand*> demands;
  std::vector<std::list<Pending>::iterator> waiting;
  for (auto it = pending_.begin(); it != pending_.end(); ++it) {
    if (it->since > waiting_since) continue;
    demands.push_back(&it->spec.demand);
    waiting.push_back(it);
  }
  if (demands.empty()) return;
  std::map<HeldOffer*, Placement> placed;
  std::vector<std::list<Pending>::iterator> done;
  matcher_->match(demands, offers, groups_, [&](std::size_t task, std::size_t offer) {
    place(*waiting[task], *offers[offer], placed[offers[offer]]);
    done.push_back(waiting[task]);
  });
  for (const auto& it : done) pending_.erase(it);
  for (auto& [offer, placement] : placed) accept(*offer, std::move(placement));
}

std::string Scheduler::fresh_id(const std::string& name) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id = name + ".";
  for (std::uint64_t r = random_(), i = 0; i < 12; ++i, r >>= 4) id += kDigits[r & 15];
  return id;
}

void Scheduler::place(Pending& pending, HeldOffer& offer, Placement& into) {
  auto owned = std::make_unique<Task>();
  Task& task = *owned;
  task.id = fresh_id(pending.spec.name);
  task.spec = std::move(pending.spec);
  task.agent_id = offer.agent();
  task.hostname = offer.hostname();
  task.agent_url = url_of(offer.offer());
  task.agent_ip = offer.offer().url().address().ip();
  task.attributes = offer.attributes();
  task.deadline = pending.deadline;
  task.attempts = pending.attempts + 1;
  task.launched = std::move(pending.done);
  task.launch = pending.number;
  launching_[pending.number] = task.id;
  v1::TaskInfo info = task.spec.info;
  info.set_name(task.spec.name);
  info.mutable_task_id()->set_value(task.id);
  info.mutable_agent_id()->set_value(task.agent_id);
  offer.take(task.spec.demand, info, task.ports);
  if (task.spec.set_ports) task.spec.set_ports(task.ports, info);
  groups_.add(task.spec.demand.group, task.attributes);
  task.counted = true;
  watched_.insert(task.id);
  into.ids.push_back(task.id);
  if (task.spec.as_group) {
    add_group(offer, std::move(info), into);
  } else {
    if (into.launch == nullptr) {
      v1::Offer::Operation& operation = *into.accept.add_operations();
      operation.set_type(v1::Offer::Operation::LAUNCH);
      into.launch = operation.mutable_launch();
    }
    *into.launch->add_task_infos() = std::move(info);
  }
  tasks_[task.id] = std::move(owned);
}

void Scheduler::add_group(HeldOffer& offer, v1::TaskInfo info, Placement& into) {
  v1::Offer::Operation& operation = *into.accept.add_operations();
  operation.set_type(v1::Offer::Operation::LAUNCH_GROUP);
  v1::ExecutorInfo& executor = *operation.mutable_launch_group()->mutable_executor();
  executor.set_type(v1::ExecutorInfo::DEFAULT);
  executor.mutable_executor_id()->set_value(info.task_id().value());
  executor.mutable_framework_id()->set_value(framework_id_);
  offer.take(executor);
  // The tasks of a group share their executor's network, and may name none of their own.
  if (info.container().network_infos_size() > 0) {
    executor.mutable_container()->set_type(v1::ContainerInfo::MESOS);
    executor.mutable_container()->mutable_network_infos()->Swap(
        info.mutable_container()->mutable_network_infos());
  }
  *operation.mutable_launch_group()->mutable_task_group()->add_tasks() = std::move(info);
}

void Scheduler::accept(const HeldOffer& offer, Placement placement) {
  v1::Call accept;
  accept.set_type(v1::Call::ACCEPT);
  *accept.mutable_accept() = std::move(placement.accept);
  accept.mutable_accept()->add_offer_ids()->set_value(offer.id());
  accept.mutable_accept()->mutable_filters()->set_refuse_seconds(kRefuseNothing);
  counters_.launched += placement.ids.size();
  call(std::move(accept), [this, ids = std::move(placement.ids)](const sdk::Status& status) {
    if (status.ok()) return;
    Ending ending;
    ending.state = v1::TASK_DROPPED;
    ending.message = status.message();
    for (const std::string& id : ids) {
      const auto it = tasks_.find(id);
      if (it == tasks_.end() || it->second->phase != Phase::kLaunching) continue;
      // It may have arrived all the same: then it is an orphan under its old id.
      if (status.code() == sdk::StatusCode::kInternal) {
        end_launch(*it->second, status);
      } else {
        relaunch(*it->second, ending);
      }
    }
  });
}

void Scheduler::decline(const std::vector<std::string>& offers) {
  v1::Call decline;
  decline.set_type(v1::Call::DECLINE);
  for (const std::string& id : offers) decline.mutable_decline()->add_offer_ids()->set_value(id);
  decline.mutable_decline()->mutable_filters()->set_refuse_seconds(seconds(settings_.offer_refuse));
  call(std::move(decline));
}

void Scheduler::ask_for_offers() {
  const SteadyTime now = Clock::now();
  if (now - last_revive_ < revive_pause_) return;  // a later tick asks again
  // Once asked, offers come by themselves when there is room: asking again is for what was missed.
  revive_pause_ = std::clamp(revive_pause_ * 2, settings_.revive_interval, kLongestRevivePause);
  last_revive_ = now;
  suppressed_ = false;
  v1::Call revive;
  revive.set_type(v1::Call::REVIVE);
  for (const std::string& role : settings_.roles) revive.mutable_revive()->add_roles(role);
  call(std::move(revive));
}

void Scheduler::expire_offers(SteadyTime now) {
  if (!ready_) return;
  std::vector<std::string> unwanted;
  for (auto it = offers_.begin(); it != offers_.end();) {
    if (now - it->received() >= settings_.offer_hold) {
      unwanted.push_back(it->id());
      it = offers_.erase(it);
    } else {
      ++it;
    }
  }
  if (!unwanted.empty()) decline(unwanted);
  if (suppressed_ || !pending_.empty() || now - last_needed_ < settings_.offer_hold) return;
  suppressed_ = true;
  v1::Call suppress;
  suppress.set_type(v1::Call::SUPPRESS);
  for (const std::string& role : settings_.roles) suppress.mutable_suppress()->add_roles(role);
  call(std::move(suppress));
}

void Scheduler::expire_pending(SteadyTime now) {
  std::vector<HeldOffer*> offers;
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (it->deadline > now) {
      ++it;
      continue;
    }
    if (offers.empty()) {
      for (HeldOffer& offer : offers_) offers.push_back(&offer);
    }
    std::string roles;
    for (const std::string& role : settings_.roles) roles += (roles.empty() ? "" : ", ") + role;
    const sdk::Status why =
        ready_ ? sdk::resource_exhausted("the cluster has no room in role " + roles + ": " +
                                         why_waiting(it->spec.demand, offers, groups_))
               : trouble_;
    const LaunchDone done = std::move(it->done);
    it = pending_.erase(it);
    ++counters_.failed;
    done(why.ok() ? sdk::unavailable("the framework is not ready") : why, nullptr);
  }
}

void Scheduler::fail_pending(const sdk::Status& why) {
  // What fails may launch again from inside: that waits its turn in a list of its own.
  std::list<Pending> failed;
  failed.swap(pending_);
  for (Pending& pending : failed) pending.done(why, nullptr);
}

}  // namespace berth::mesos
