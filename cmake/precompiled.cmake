# SPDX-License-Identifier: Apache-2.0
# Two precompiled headers, one of what most sources of the core include and one with GoogleTest besides:
# they take two thirds off the compile time. Every header must still compile alone; a test proves it.
option(BERTH_PRECOMPILE "Precompile the headers that most sources include" ON)

set(BERTH_COMMON_HEADERS
  <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <cstring> <deque> <filesystem>
  <fstream> <functional> <future> <map> <memory> <mutex> <optional> <random> <span> <string> <string_view>
  <thread> <unordered_map> <utility> <vector> <fmt/format.h> <boost/asio/any_io_executor.hpp>
  <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/detached.hpp>
  <boost/asio/executor_work_guard.hpp> <boost/asio/io_context.hpp> <boost/asio/post.hpp>
  <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp> <boost/json.hpp>)

# berth_precompile(target [common|tests]): gives target's C++ sources the precompiled headers of that set.
function(berth_precompile target)
  if(NOT BERTH_PRECOMPILE)
    return()
  endif()
  # CMake would look for a C precompiled header too.
  get_target_property(sources ${target} SOURCES)
  if(sources MATCHES "\\.c(;|$)")
    return()
  endif()
  set(set common)
  if(ARGC GREATER 1)
    set(set ${ARGV1})
  endif()
  set(owner berth_precompiled_${set})
  if(NOT TARGET ${owner})
    set(headers ${BERTH_COMMON_HEADERS})
    set(libraries berth_asio Boost::json fmt::fmt)
    if(set STREQUAL tests)
      list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
      list(APPEND libraries GTest::gmock)
    endif()
    # The owner only has the headers made. Its kind must be its users': programs are compiled with -fPIE,
    # libraries with -fPIC, and clang takes no precompiled header of the other.
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled/${set}.cpp CONTENT "int main() {}\n")
    if(set STREQUAL tests)
      add_executable(${owner} ${CMAKE_BINARY_DIR}/precompiled/${set}.cpp)
      set_target_properties(${owner} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/precompiled)
    else()
      add_library(${owner} STATIC ${CMAKE_BINARY_DIR}/precompiled/${set}.cpp)
    endif()
    target_link_libraries(${owner} PRIVATE ${libraries} berth_warnings)
    target_precompile_headers(${owner} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()
