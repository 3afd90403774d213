// SPDX-License-Identifier: Apache-2.0
// Takes a coroutine to the loader thread until its next wait. Internal to core/plugin.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace berth::plugin {

// An empty `loader` leaves the coroutine where it is.
inline boost::asio::awaitable<void> to_loader(boost::asio::any_io_executor loader) {
  if (loader) {
    co_await boost::asio::post(boost::asio::bind_executor(loader, boost::asio::use_awaitable));
  }
}

}  // namespace berth::plugin
