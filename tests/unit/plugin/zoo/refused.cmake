# SPDX-License-Identifier: Apache-2.0
# The refused half of the zoo: one source, each time with one fault. Without sanitizers, since what they
# put into an object is none of a plugin's business.
set(BERTH_ZOO_REFUSED ${CMAKE_BINARY_DIR}/tests/zoo-refused)
set(BERTH_ZOO_REFUSED_TARGETS)

# berth_refused(two_exports [MANY_EXPORTS] [DEFINITIONS ...] [LINK_OPTIONS ...]) -> libberth_two_exports.so
function(berth_refused name)
  cmake_parse_arguments(arg "MANY_EXPORTS" "" "DEFINITIONS;LINK_OPTIONS" ${ARGN})
  string(REPLACE "_" "-" word ${name})
  add_library(zoo_${name} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/zoo/refused.c)
  set_target_properties(zoo_${name} PROPERTIES
    OUTPUT_NAME berth_${name} PREFIX lib LIBRARY_OUTPUT_DIRECTORY ${BERTH_ZOO_REFUSED})
  target_compile_definitions(zoo_${name} PRIVATE "ZOO_NAME=\"${word}\"" ${arg_DEFINITIONS})
  target_compile_options(zoo_${name} PRIVATE -fvisibility=hidden -fno-sanitize=all)
  target_link_libraries(zoo_${name} PRIVATE berth_plugin_api)
  target_link_options(zoo_${name} PRIVATE -fno-sanitize=all -s ${arg_LINK_OPTIONS})
  if(NOT arg_MANY_EXPORTS)
    target_link_options(zoo_${name} PRIVATE
      -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/zoo/refused.map)
  endif()
  set(BERTH_ZOO_REFUSED_TARGETS ${BERTH_ZOO_REFUSED_TARGETS} zoo_${name} PARENT_SCOPE)
endfunction()

berth_refused(good)  # nothing is wrong with it: the others differ from it by one thing
berth_refused(packed LINK_OPTIONS -Wl,-z,pack-relative-relocs)
berth_refused(newer_minor DEFINITIONS ZOO_ABI_MINOR=7)
berth_refused(configured DEFINITIONS
  "ZOO_SCHEMA=\"{\\\"type\\\":\\\"object\\\",\\\"additionalProperties\\\":false,\\\"properties\\\":{\\\"ttl\\\":{\\\"type\\\":\\\"integer\\\",\\\"minimum\\\":1},\\\"token\\\":{\\\"type\\\":\\\"string\\\",\\\"writeOnly\\\":true}}}\"")

berth_refused(wrong_abi DEFINITIONS ZOO_ABI_MAJOR=2)
berth_refused(no_note DEFINITIONS ZOO_WITHOUT_NOTE)
berth_refused(two_notes DEFINITIONS ZOO_SECOND_NOTE)
berth_refused(bad_json DEFINITIONS "ZOO_NOTE=\"{no json\"")
berth_refused(long_note DEFINITIONS ZOO_PADDING=SPACES_64_KIB)
berth_refused(bad_schema DEFINITIONS "ZOO_SCHEMA=\"{\\\"proprties\\\":{}}\"")
berth_refused(other_interface DEFINITIONS "ZOO_PROVIDES=\"\\\"org.example.teleport/1\\\"\"")
berth_refused(other_service DEFINITIONS "ZOO_NEEDS=\"\\\"berth.teleport/1\\\"\"")
berth_refused(other_version DEFINITIONS "ZOO_ENTRY_VERSION=\"9.9.9\"")
berth_refused(other_id DEFINITIONS "ZOO_ENTRY_ID=\"org.example.other\"")
berth_refused(no_open DEFINITIONS ZOO_OPEN=0)
berth_refused(no_version DEFINITIONS ZOO_ENTRY_VERSION=0)
berth_refused(function_entry DEFINITIONS ZOO_FUNCTION_ENTRY)
berth_refused(no_export MANY_EXPORTS DEFINITIONS ZOO_HIDDEN_ENTRY)
berth_refused(two_exports MANY_EXPORTS DEFINITIONS ZOO_SECOND_EXPORT)
berth_refused(rpath LINK_OPTIONS -Wl,--disable-new-dtags,-rpath,/opt/elsewhere)
berth_refused(runpath LINK_OPTIONS -Wl,--enable-new-dtags,-rpath,/opt/elsewhere)
berth_refused(exec_stack LINK_OPTIONS -Wl,-z,execstack)
berth_refused(text_relocation DEFINITIONS ZOO_TEXT_RELOCATION LINK_OPTIONS -Wl,-z,notext)
berth_refused(unresolved DEFINITIONS ZOO_UNRESOLVED)
berth_refused(rewrites_entry DEFINITIONS ZOO_REWRITES_ENTRY)
