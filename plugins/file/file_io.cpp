// SPDX-License-Identifier: Apache-2.0
#include "file_io.hpp"

namespace berth::file {

sdk::Status io_error(std::string_view what, const std::filesystem::path& path, int error) {
  return support::io_error(
      what, path, error,
      {.room = "make room, or lower max_files",
       .permission = "let berthd's user write there, or name another directory in [plugin.file]"});
}

}  // namespace berth::file
