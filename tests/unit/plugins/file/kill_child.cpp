// SPDX-License-Identifier: Apache-2.0
// Appends to the store in the directory of its first argument until it is killed, and says on
// stdout the number of each activation that the store has said to keep. The second argument is the
// first number.
#include <cstdlib>
#include <unistd.h>

#include "file_support.hpp"

int main(int argc, char** argv) {
  using namespace berth::file;
  if (argc != 3) return 2;
  Store store(argv[1], R"({"max_file_bytes":262144,"sync":"never","max_files":0})");
  if (!store.start().ok()) return 3;
  for (std::uint64_t number = std::strtoull(argv[2], nullptr, 10);; number += 8) {
    std::vector<std::uint64_t> ops;
    for (std::uint64_t i = number; i < number + 8; ++i) {
      std::vector<std::string> texts;
      for (std::uint64_t line = 0; line < i % 7; ++line)
        texts.emplace_back((i * 37 + line) % 3000, 'k');
      ops.push_back(store.append_later(id_of(i), make_lines(texts), true));
    }
    for (std::uint64_t i = 0; i < 8; ++i) {
      if (!store.wait(ops[i]).status.ok()) return 4;
      const std::string line = std::to_string(number + i) + "\n";
      if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return 5;
    }
  }
}
