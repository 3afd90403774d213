// SPDX-License-Identifier: Apache-2.0
// How a trigger goes that nobody's request deletes: one whose alarm has rung for the last time.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>

#include "store/stores.hpp"

namespace berth::api {

// Deletes the trigger "ns/name", and with `and_rules` the rules that it has; all of it or nothing.
// OK if it is not there. `done` is called once, on the io_context's thread: ABORTED if it was
// changed again and again meanwhile, or why the store refused. The store must outlive that.
void remove_trigger(boost::asio::io_context& io, store::EntityStore& entities,
                    const std::string& path, bool and_rules,
                    std::function<void(const Status&)> done);

}  // namespace berth::api
