# SPDX-License-Identifier: Apache-2.0
# One function a kind of target, so that a folder's CMakeLists.txt only names its files.
get_filename_component(BERTH_SOURCE_DIR ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

# berth_core_library(base SOURCES ... LINK ...): static library berth_<name>, includes relative to core/.
function(berth_core_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(berth_${name} STATIC ${arg_SOURCES})
  target_include_directories(berth_${name} PUBLIC ${BERTH_SOURCE_DIR}/core)
  target_link_libraries(berth_${name} PUBLIC berth_plugin_api ${arg_LINK}
                        PRIVATE berth_warnings berth_asio Boost::json fmt::fmt ${arg_PRIVATE_LINK})
  berth_precompile(berth_${name})
endfunction()

# What `./dev test --asan` and --tsan build: the unit tests and what they start.
add_custom_target(unit_tests)

# berth_test(name SOURCES ... LINK ... [LABEL unit]): a GoogleTest program, one ctest entry per test
# program (a process per test would cost more than the tests).
function(berth_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINK;ENVIRONMENT" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
    if(BERTH_SANITIZE)
      set(arg_TIMEOUT 400)
    endif()
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gmock_main berth_asio Boost::json fmt::fmt berth_warnings)
  berth_precompile(${name} tests)
  if(arg_LABEL STREQUAL "unit")
    add_dependencies(unit_tests ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT}
                       ENVIRONMENT "BERTH_BUILD_DIR=${CMAKE_BINARY_DIR};BERTH_SOURCE_DIR=${BERTH_SOURCE_DIR};${arg_ENVIRONMENT}")
endfunction()

# berth_fuzzer(name SOURCES ... LINK ...): always built as a plain program that replays its corpus as
# a unit test; with BERTH_BUILD_FUZZERS also as a libFuzzer target. The source defines
# LLVMFuzzerTestOneInput; the corpus is tests/fuzz/corpus/<name>/.
function(berth_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  set(corpus ${BERTH_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_executable(${name}_replay ${arg_SOURCES} ${BERTH_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
  set_target_properties(${name}_replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name}_replay PRIVATE ${arg_LINK} berth_warnings)
  add_dependencies(unit_tests ${name}_replay)
  add_test(NAME ${name}_replay COMMAND ${name}_replay ${corpus})
  set_tests_properties(${name}_replay PROPERTIES LABELS unit TIMEOUT 120)
  if(BERTH_BUILD_FUZZERS)
    add_executable(${name} ${arg_SOURCES})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE ${arg_LINK})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
endfunction()
