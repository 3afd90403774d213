// SPDX-License-Identifier: Apache-2.0
// The duty to answer a caller of the store exactly once, on the caller's executor and never from
// inside the call. Keeps the executor's context running until then. Move-only; not thread-safe.
#pragma once

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <utility>

#include "store/stores.hpp"

namespace berth::store {

template <typename T>
class Reply {
 public:
  Reply(Executor on, Done<T> done)
      : on_(boost::asio::prefer(std::move(on), boost::asio::execution::outstanding_work.tracked)),
        done_(std::move(done)) {}
  Reply(Reply&& other) noexcept
      : on_(std::move(other.on_)), done_(std::exchange(other.done_, nullptr)) {}
  Reply& operator=(Reply&&) = delete;
  // A duty dropped is a bug of ours; the caller is answered all the same.
  ~Reply() {
    if (done_) (*this)(sdk::internal("the store dropped a request"));
  }

  void operator()(Result<T> result) {
    Done<T> done = std::exchange(done_, nullptr);
    boost::asio::post(on_, [done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

 private:
  Executor on_;
  Done<T> done_;
};

}  // namespace berth::store
