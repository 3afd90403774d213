// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over the files of its corpus and over seeded mutations of them, so that every
// build exercises it without libFuzzer. Usage: <target>_replay CORPUS_DIRECTORY.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kMutationsPerFile = 400;

void run(const std::string& input) {
  // An exact-size heap copy lets ASan see a read past the end.
  std::vector<std::uint8_t> copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

std::string mutate(std::string input, std::mt19937& random) {
  const int edits = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < edits && !input.empty(); ++i) {
    const std::size_t at = random() % input.size();
    switch (random() % 4) {
      case 0: input[at] = static_cast<char>(random()); break;
      case 1: input.erase(at, 1 + random() % 8); break;
      case 2: input.insert(at, 1 + random() % 4, static_cast<char>(random())); break;
      default: input[at] = static_cast<char>(input[at] ^ (1 << (random() % 8)));
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
    return 2;
  }
  std::mt19937 random(20231123);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    run(input);
    for (int i = 0; i < kMutationsPerFile; ++i) run(mutate(input, random));
    ++files;
  }
  std::printf("%d corpus files, %d mutations each\n", files, kMutationsPerFile);
  return files > 0 ? 0 : 1;
}
