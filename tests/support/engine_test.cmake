# SPDX-License-Identifier: Apache-2.0
# berth_engine_test(name [REGISTRY] [IMAGES] [OPTIONS with_engine's] [LABEL integration] [TIMEOUT s] COMMAND ...):
# a test that runs beside a Docker engine of its own, REGISTRY: and a registry, IMAGES: with the runtime images
# loaded. Skipped where an engine cannot be had.
function(berth_engine_test name)
  cmake_parse_arguments(arg "REGISTRY;IMAGES" "LABEL;TIMEOUT" "OPTIONS;COMMAND" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL integration)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(arg_REGISTRY)
    list(APPEND arg_OPTIONS --registry)
  endif()
  if(arg_IMAGES)
    list(APPEND arg_OPTIONS --images ${CMAKE_BINARY_DIR}/images/berth-images.tar)
  endif()
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${BERTH_SOURCE_DIR}/tests/support/with_engine.py
                                ${arg_OPTIONS} -- ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 COST 100
                       ENVIRONMENT "BERTH_BUILD_DIR=${CMAKE_BINARY_DIR};BERTH_SOURCE_DIR=${BERTH_SOURCE_DIR}")
  if(arg_IMAGES)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED docker_images)
  endif()
endfunction()
