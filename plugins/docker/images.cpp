// SPDX-License-Identifier: Apache-2.0
#include "docker/images.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "docker/pull_progress.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace http = support::http;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostRemembered = 10'000;
constexpr std::chrono::seconds kProgressEvery{5};

std::string path_of(std::string_view image) {
  // The engine takes the name's slashes as they are.
  std::string escaped;
  for (const char c : image) {
    if (c == '/' || c == ':' || c == '@') {
      escaped += c;
    } else {
      escaped += http::escape(std::string_view(&c, 1));
    }
  }
  return "/images/" + escaped + "/json";
}

}  // namespace

sdk::Status pull_failed(std::string_view image, std::string_view reason) {
  return sdk::not_found("image '" + std::string(image) +
                        "' cannot be pulled: " + std::string(reason));
}

Images::Images(asio::io_context& context, Engine& engine, const Config& config,
               const sdk::Host& host)
    : context_(context),
      engine_(engine),
      config_(config),
      log_(host.log()),
      pulls_(host.metrics().counter("pulls_total", "Images pulled")),
      pull_failures_(host.metrics().counter("pull_failures_total", "Pulls that failed")),
      limiter_(std::make_shared<Limiter>(context, config.parallel_pulls)) {}

asio::awaitable<Result<bool>> Images::has(std::string image) {
  const Result<Answer> answer = co_await engine_.call("GET", path_of(image));
  if (!answer) co_return answer.error();
  if (answer->ok()) co_return true;
  if (answer->code == 404) co_return false;
  co_return status_of(*answer, "image '" + image + "'");
}

asio::awaitable<sdk::Status> Images::provide_user_image(std::string image,
                                                        std::shared_ptr<Waiter> waiter) {
  const ImageName name = parse_image_name(image);
  if (name.fixed()) {
    const Result<bool> there = co_await has(image);
    if (!there) co_return there.error();
    if (*there) co_return sdk::Status();
  } else if (const auto it = pulled_.find(image);
             it != pulled_.end() && Clock::now() - it->second < config_.pull_again_after) {
    co_return sdk::Status();
  }
  const sdk::Status status = co_await pull(image, waiter);
  if (status.ok() || waiter->cancelled) co_return status;
  if (!name.fixed() && name.tag != "latest") {
    const Result<bool> there = co_await has(image);
    if (there && *there) {
      log_.warn("an image could not be pulled; the one the engine has is used",
                {{"image", image}, {"reason", status.message()}});
      co_return sdk::Status();
    }
  }
  const bool theirs = status.code() == sdk::StatusCode::kNotFound;
  co_return theirs ? status.with_flags(sdk::kUserError) : status;
}

asio::awaitable<sdk::Status> Images::pull_managed(std::string image,
                                                  std::shared_ptr<Waiter> waiter) {
  return pull(std::move(image), std::move(waiter));
}

std::string Images::progress(const std::string& image) const {
  const auto it = pulls_in_flight_.find(image);
  if (it == pulls_in_flight_.end()) return "nearly there";
  return it->second->progress == nullptr ? "other pulls come first"
                                         : it->second->progress->summary();
}

asio::awaitable<sdk::Status> Images::pull(std::string image, std::shared_ptr<Waiter> waiter) {
  std::shared_ptr<Pull> joined = pulls_in_flight_[image];
  if (joined == nullptr) {
    joined = std::make_shared<Pull>();
    pulls_in_flight_[image] = joined;
    asio::co_spawn(context_, run_pull(image, joined), asio::detached);
  }
  joined->waiting.push_back(waiter);
  while (!joined->done && !waiter->cancelled) co_await waiter->changed.wait(SteadyTime::max());
  std::erase(joined->waiting, waiter);
  co_return joined->done ? joined->status : sdk::cancelled("nobody waits for this image any more");
}

asio::awaitable<void> Images::run_pull(std::string image, std::shared_ptr<Pull> pull) {
  const Limiter::Place place = co_await limiter_->acquire();
  pull->progress = std::make_shared<PullProgress>();
  pull->status = co_await fetch(parse_image_name(image), image, pull->progress);
  (pull->status.ok() ? pulls_ : pull_failures_).record(1);
  if (pull->status.ok()) {
    // Also for those who did not wait for it.
    if (pulled_.size() >= kMostRemembered) pulled_.clear();
    pulled_[image] = Clock::now();
  }
  pull->done = true;
  pulls_in_flight_.erase(image);
  for (const auto& waiter : pull->waiting) waiter->changed.raise();
}

asio::awaitable<sdk::Status> Images::fetch(const ImageName& name, std::string image,
                                           std::shared_ptr<PullProgress> progress) {
  log_.info("pulling an image", {{"image", image}});
  const auto begun = Clock::now();
  http::Request request;
  request.method = "POST";
  request.target = engine_.target("/images/create?fromImage=" + http::escape(name.repository) +
                                  "&tag=" + http::escape(name.reference()));
  request.timeout = config_.pull_timeout;
  if (const std::string auth = config_.credentials.header(name.registry); !auth.empty()) {
    request.headers.push_back("X-Registry-Auth: " + auth);
  }
  request.on_data = [this, progress, image, told = begun](std::string_view bytes) mutable {
    const bool good = progress->feed(bytes);
    if (Clock::now() - told >= kProgressEvery) {
      told = Clock::now();
      log_.info("still pulling an image", {{"image", image}, {"progress", progress->summary()}});
    }
    return good;
  };
  const http::Reply reply = co_await engine_.client().fetch(std::move(request));
  if (reply.status.code() == sdk::StatusCode::kDeadlineExceeded) {
    co_return pull_failed(
        image,
        "it took longer than " +
            std::to_string(
                std::chrono::duration_cast<std::chrono::seconds>(config_.pull_timeout).count()) +
            " s: " + progress->summary());
  }
  if (!reply.status.ok()) co_return reply.status.with_context("pulling image '" + image + "'");
  if (reply.response.code / 100 != 2) {
    const Answer answer{reply.response.code, reply.response.body};
    if (answer.code == 503) co_return status_of(answer, "pulling image '" + image + "'");
    co_return pull_failed(image, answer.message());
  }
  progress->finish();
  if (!progress->error().empty()) co_return pull_failed(image, progress->error());
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  log_.info("pulled an image",
            {{"image", image}, {"size", progress->summary()}, {"ms", std::to_string(ms.count())}});
  co_return sdk::Status();
}

asio::awaitable<sdk::Status> Images::import(std::string image, std::string tar) {
  const Result<bool> there = co_await has(image);
  if (!there) co_return there.error();
  if (*there) co_return sdk::Status();
  const ImageName name = parse_image_name(image);
  const auto progress = std::make_shared<PullProgress>();
  const Result<Answer> answer = co_await engine_.call(
      "POST",
      "/images/create?fromSrc=-&repo=" + http::escape(name.repository) +
          "&tag=" + http::escape(name.tag),
      std::move(tar), config_.pull_timeout, {"Content-Type: application/x-tar"});
  if (!answer) co_return answer.error();
  if (!answer->ok()) co_return status_of(*answer, "importing image '" + image + "'");
  progress->feed(answer->body);
  progress->finish();
  if (!progress->error().empty()) {
    co_return sdk::internal("importing image '" + image + "': " + progress->error());
  }
  co_return sdk::Status();
}

}  // namespace berth::docker
