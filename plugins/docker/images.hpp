// SPDX-License-Identifier: Apache-2.0
// Images: sees that an image is in the engine before a container is made of it.
//
// A managed image (of a kind) is pulled only if it is missing. A user's image is pulled before its
// first container, again once the last pull is older than `pull_again_after`, and one that is named
// by its digest only if it is missing. Of a tag other than `latest` a failed pull is borne if the
// engine has the image. Pulls of one image at the same time are one pull, which goes on when nobody
// waits for it any more: the next who needs the image finds it, or joins.
//
// Belongs to the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "berth/sdk/host.hpp"
#include "docker/config.hpp"
#include "docker/engine.hpp"
#include "docker/image_name.hpp"
#include "docker/pull_progress.hpp"
#include "docker/signal.hpp"

namespace berth::docker {

class Images {
 public:
  Images(boost::asio::io_context& context, Engine& engine, const Config& config,
         const sdk::Host& host);

  // NOT_FOUND with USER_ERROR and the engine's reason if it cannot be had; CANCELLED if `waiter`
  // is.
  boost::asio::awaitable<sdk::Status> provide_user_image(std::string image,
                                                         std::shared_ptr<Waiter> waiter);
  // Pulls it; for one that turned out to be missing. NOT_FOUND with the engine's reason; CANCELLED
  // if `waiter` is.
  boost::asio::awaitable<sdk::Status> pull_managed(std::string image,
                                                   std::shared_ptr<Waiter> waiter);
  // A user's image that the engine was believed to have is not there.
  void forget(const std::string& image) { pulled_.erase(image); }
  // How far the pull of an image is, for people: "12 of 80 MB, 1 of 5 layers".
  std::string progress(const std::string& image) const;
  // Gives the engine an image of one layer, a tar archive, unless it has it.
  boost::asio::awaitable<sdk::Status> import(std::string image, std::string tar);

 private:
  struct Pull {
    bool done = false;
    sdk::Status status;
    std::shared_ptr<PullProgress> progress;  // once it has begun
    std::vector<std::shared_ptr<Waiter>> waiting;
  };
  boost::asio::awaitable<Result<bool>> has(std::string image);
  boost::asio::awaitable<sdk::Status> pull(std::string image, std::shared_ptr<Waiter> waiter);
  boost::asio::awaitable<void> run_pull(std::string image, std::shared_ptr<Pull> pull);
  boost::asio::awaitable<sdk::Status> fetch(const ImageName& name, std::string image,
                                            std::shared_ptr<PullProgress> progress);

  boost::asio::io_context& context_;
  Engine& engine_;
  const Config& config_;
  const sdk::Log log_;
  const sdk::Series pulls_;
  const sdk::Series pull_failures_;
  const std::shared_ptr<Limiter> limiter_;
  std::map<std::string, std::shared_ptr<Pull>> pulls_in_flight_;
  std::map<std::string, SteadyTime> pulled_;  // when last, of user images
};

// What a pull's failure means to the one whose function needs the image.
sdk::Status pull_failed(std::string_view image, std::string_view reason);

}  // namespace berth::docker
