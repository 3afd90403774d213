// SPDX-License-Identifier: Apache-2.0
// Starts an awaitable call of a plugin from code that works with completion handlers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "base/result.hpp"

namespace berth::container {

// Calls `handler(Result<T>)` once, on `io`'s thread and never from inside this call. An exception
// in the operation is a bug of its implementation; it becomes INTERNAL.
template <typename T, typename Handler>
void start_call(boost::asio::io_context& io, boost::asio::awaitable<Result<T>> operation,
                Handler handler) {
  boost::asio::co_spawn(
      io, std::move(operation),
      [handler = std::move(handler)](std::exception_ptr error, Result<T> result) mutable {
        if (!error) return handler(std::move(result));
        try {
          std::rethrow_exception(error);
        } catch (const std::exception& e) {
          handler(Result<T>(sdk::internal(e.what())));
        } catch (...) {
          handler(Result<T>(sdk::internal("unknown exception")));
        }
      });
}

}  // namespace berth::container
