# SPDX-License-Identifier: Apache-2.0
# berth_add_plugin(<name> SOURCES <file>... [LINK <library>...]): one Berth plugin, hardened as berthd
# demands it: libberth_<name>.so with exactly one export, all symbols bound at load, no RPATH, no
# executable stack. <name> is the plugin's short name; `-` in it becomes `_` in the file's name. The
# target is berth_plugin_<name>. With BERTH_PLUGIN_DIR set, the file is built there.

function(berth_add_plugin name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  if(NOT name MATCHES "^[a-z][a-z0-9-]*$")
    message(FATAL_ERROR "berth_add_plugin: the name '${name}' must match [a-z][a-z0-9-]*")
  endif()
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "berth_add_plugin(${name}): needs SOURCES, and nothing but SOURCES and LINK")
  endif()
  set(version_script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/berth_plugin.map)
  string(REPLACE - _ file ${name})
  set(target berth_plugin_${file})

  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE berth_plugin_api ${arg_LINK})
  if(CMAKE_CXX_COMPILER)
    target_compile_features(${target} PRIVATE cxx_std_17)
  endif()
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME libberth_${file} SUFFIX .so
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    SKIP_BUILD_RPATH ON INSTALL_RPATH "" INSTALL_RPATH_USE_LINK_PATH OFF
    LINK_DEPENDS ${version_script})
  if(BERTH_PLUGIN_DIR)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${BERTH_PLUGIN_DIR})
  endif()
  # A unique symbol would keep the plugin mapped for ever after dlclose.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${target} PRIVATE
    LINKER:--version-script=${version_script}
    LINKER:-z,now LINKER:-z,relro LINKER:-z,noexecstack)
  # clang's sanitizer runtimes live in the program: a sanitized plugin has undefined symbols.
  set(flags "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS} ${BERTH_SANITIZE}")
  get_directory_property(options COMPILE_OPTIONS)
  if(NOT "${flags} ${options}" MATCHES "-fsanitize=" AND NOT BERTH_SANITIZE)
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
endfunction()
