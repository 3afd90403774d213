# SPDX-License-Identifier: Apache-2.0
# Every library Berth uses, found where Debian puts it. packages.txt names the packages.

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(date REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(RAPIDJSON REQUIRED IMPORTED_TARGET RapidJSON)

# Asio without its error-category surprises: one definition set for everybody.
add_library(berth_asio INTERFACE)
target_link_libraries(berth_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(berth_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_REGEX)
