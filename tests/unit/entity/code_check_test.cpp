// SPDX-License-Identifier: Apache-2.0
#include "entity/code_check.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <zip.h>

#include "base/base64.hpp"

namespace berth::entity {
namespace {

// A zip archive made by `fill`, as bytes.
std::string make_zip(const std::function<void(zip_t*)>& fill) {
  zip_error_t error;
  zip_source_t* source = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* zip = zip_open_from_source(source, ZIP_TRUNCATE, &error);
  zip_source_keep(source);
  fill(zip);
  EXPECT_EQ(zip_close(zip), 0) << zip_strerror(zip);
  std::string bytes;
  zip_source_open(source);
  zip_source_seek(source, 0, SEEK_END);
  bytes.resize(static_cast<std::size_t>(zip_source_tell(source)));
  zip_source_seek(source, 0, SEEK_SET);
  EXPECT_EQ(zip_source_read(source, bytes.data(), bytes.size()),
            static_cast<zip_int64_t>(bytes.size()));
  zip_source_close(source);
  zip_source_free(source);
  return bytes;
}

// `content` must outlive the archive's making.
zip_int64_t add(zip_t* zip, const std::string& name, std::string_view content) {
  const zip_int64_t index =
      zip_file_add(zip, name.c_str(), zip_source_buffer(zip, content.data(), content.size(), 0),
                   ZIP_FL_ENC_UTF_8);
  EXPECT_GE(index, 0) << zip_strerror(zip);
  return index;
}

std::string zip_of(const std::string& name, std::string_view content = "x") {
  return make_zip([&](zip_t* zip) { add(zip, name, content); });
}

std::string check_bytes(std::string_view bytes, const std::string& kind = "python:3.11",
                        const ArchiveBounds& bounds = {}) {
  Exec exec;
  exec.kind = kind;
  exec.code = base64_encode(bytes);
  return check_code(exec, false, bounds).message();
}

std::string check_text(const std::string& code, bool claimed_binary,
                       const std::string& kind = "python:3.11") {
  Exec exec;
  exec.kind = kind;
  exec.code = code;
  const Status status = check_code(exec, claimed_binary);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
  return status.message();
}

TEST(CodeCheck, TakesTextAndGoodArchives) {
  EXPECT_EQ(check_text("def main(args): return {}", false), "");
  EXPECT_EQ(check_text("", true), "");
  EXPECT_EQ(check_bytes(zip_of("__main__.py", "def main(args): return args")), "");
  const std::string nested = make_zip([](zip_t* zip) {
    zip_dir_add(zip, "lib", 0);
    add(zip, "lib/a..b.js", "1");
    add(zip, "lib/...", "2");
    add(zip, "index.js", "3");
  });
  EXPECT_EQ(check_bytes(nested, "nodejs:20"), "");
  EXPECT_EQ(check_bytes(nested, "native:1"), "");
  EXPECT_EQ(check_bytes(nested, "blackbox"), "");
}

TEST(CodeCheck, RefusesWhatIsNotBase64) {
  EXPECT_EQ(check_text("UEsD*A==", true),
            "/exec/code: is given as binary but is not base64: byte 4 is not of its alphabet");
  EXPECT_EQ(check_text("UEsDBA=", true),
            "/exec/code: is given as binary but is not base64: byte 6 is not of its alphabet");
  EXPECT_EQ(
      check_text("UEsDB", true),
      "/exec/code: is given as binary but is not base64: its length of 5 is not a multiple of 4");
}

TEST(CodeCheck, RefusesWhatIsNoArchive) {
  EXPECT_EQ(check_text("abcd", false),
            "/exec/code: is base64 but no zip archive: kind 'python:3.11' takes text or a base64 "
            "encoded zip "
            "archive");
  EXPECT_NE(check_bytes("\x7f"
                        "ELF..."),
            "");
}

TEST(CodeCheck, NativeMayBeAProgram) {
  const std::string elf(
      "\x7f"
      "ELF\x02\x01\x01\0",
      8);
  EXPECT_EQ(check_bytes(elf, "native:1"), "");
  EXPECT_EQ(check_bytes("#!/bin/sh\nexit", "native:1"), "");
  EXPECT_EQ(check_bytes(elf, "blackbox"), "");
  EXPECT_EQ(check_bytes("anything at all", "blackbox"), "");
  EXPECT_EQ(
      check_bytes("anything at all", "native:1"),
      "/exec/code: is base64 of neither a zip archive nor a program (ELF, or a script with #!)");
}

TEST(CodeCheck, RefusesNamesThatLeadOut) {
  EXPECT_EQ(check_bytes(zip_of("../evil")),
            "/exec/code: zip entry '../evil' leads out of the archive");
  EXPECT_EQ(check_bytes(zip_of("a/../../evil")),
            "/exec/code: zip entry 'a/../../evil' leads out of the archive");
  EXPECT_EQ(check_bytes(zip_of("..")), "/exec/code: zip entry '..' leads out of the archive");
  EXPECT_EQ(check_bytes(zip_of("a\\..\\evil")),
            "/exec/code: zip entry 'a\\..\\evil' leads out of the archive");
  EXPECT_EQ(check_bytes(zip_of("/etc/passwd")),
            "/exec/code: zip entry '/etc/passwd' has an absolute name");
  EXPECT_EQ(check_bytes(zip_of("\\x")), "/exec/code: zip entry '\\x' has an absolute name");
  EXPECT_EQ(check_bytes(zip_of("C:\\x")), "/exec/code: zip entry 'C:\\x' has an absolute name");
  // Also for kinds that take other things than archives.
  EXPECT_NE(check_bytes(zip_of("../evil"), "native:1"), "");
  EXPECT_NE(check_bytes(zip_of("../evil"), "blackbox"), "");
}

TEST(CodeCheck, LinksStayInside) {
  const auto link = [](const std::string& name, const std::string& target) {
    return check_bytes(make_zip([&](zip_t* zip) {
      const auto index = static_cast<zip_uint64_t>(add(zip, name, target));
      zip_file_set_external_attributes(zip, index, 0, ZIP_OPSYS_UNIX, 0120777u << 16);
    }));
  };
  EXPECT_EQ(link("node_modules/.bin/x", "../x/cli.js"), "");
  EXPECT_EQ(link("a", "b/../c"), "");
  const std::string leads_out =
      "/exec/code: zip entry 'a/b' is a link that leads out of the archive";
  EXPECT_EQ(link("a/b", "../../etc"), leads_out);
  EXPECT_EQ(link("a/b", "/etc/passwd"), leads_out);
  EXPECT_EQ(link("a/b", "x/../../../y"), leads_out);
  EXPECT_NE(link("a/b", std::string(5000, 'x')), "");
}

TEST(CodeCheck, RefusesTooManyEntries) {
  const std::string bytes = make_zip([](zip_t* zip) {
    for (int i = 0; i < 20; ++i) add(zip, std::to_string(i), "");
  });
  EXPECT_EQ(check_bytes(bytes), "");
  EXPECT_EQ(check_bytes(bytes, "python:3.11", {.max_entries = 19}),
            "/exec/code: the zip archive has 20 entries, more than the 19 allowed");
}

TEST(CodeCheck, RefusesBombs) {
  const std::string zeros(20 * 1024 * 1024, '\0');
  const std::string bytes = zip_of("zeros", zeros);
  ASSERT_LT(bytes.size(), 100'000u);
  EXPECT_EQ(check_bytes(bytes),
            "/exec/code: the zip archive unpacks to more than 200 times its size");
  EXPECT_EQ(check_bytes(bytes, "python:3.11", {.max_ratio = 2000}), "");
  EXPECT_EQ(check_bytes(bytes, "python:3.11", {.max_unpacked_bytes = 1024 * 1024}),
            "/exec/code: the zip archive unpacks to more than the 1048576 bytes allowed");
}

// The sizes that an archive declares are what the attacker wrote there.
TEST(CodeCheck, RefusesBombsThatLieAboutTheirSize) {
  const std::string zeros(20 * 1024 * 1024, '\0');
  std::string bytes = zip_of("zeros", zeros);
  const std::string size("\x00\x00\x40\x01", 4);  // 20 MiB, little-endian
  const std::string lie("\x10\x00\x00\x00", 4);
  for (std::size_t at = 0; (at = bytes.find(size, at)) != std::string::npos; at += 4) {
    bytes.replace(at, 4, lie);
  }
  EXPECT_EQ(check_bytes(bytes),
            "/exec/code: the zip archive unpacks to more than 200 times its size");
  EXPECT_EQ(check_bytes(bytes, "python:3.11", {.max_ratio = 5000}),
            "/exec/code: zip entry 'zeros' is damaged: it unpacks to 20971520 bytes, not to the 16 "
            "declared");
}

TEST(CodeCheck, RefusesDamage) {
  const std::string good = zip_of("__main__.py", std::string(1000, 'a') + "def main(): pass");
  for (const std::size_t keep : {4ul, 30ul, good.size() / 2, good.size() - 1}) {
    EXPECT_NE(check_bytes(good.substr(0, keep)), "") << keep;
  }
  std::string flipped = good;
  flipped[45] = static_cast<char>(flipped[45] ^ 0x55);
  EXPECT_NE(check_bytes(flipped), "");
  EXPECT_NE(check_bytes("PK\x05\x06" + std::string(18, '\0')), "") << "an archive of nothing";
}

// Whatever a stranger sends: an answer, never a crash (the sanitizers watch).
TEST(CodeCheck, SurvivesRandomDamage) {
  const std::string good = make_zip([](zip_t* zip) {
    add(zip, "__main__.py", "def main(args): return args");
    const auto link = static_cast<zip_uint64_t>(add(zip, "a/link", "../b"));
    zip_file_set_external_attributes(zip, link, 0, ZIP_OPSYS_UNIX, 0120777u << 16);
    add(zip, "b", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
  });
  std::mt19937 random(20260101);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good;
    for (unsigned i = 0; i < 1 + random() % 4; ++i) {
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(4 + random() % bytes.size(), '\0');
    check_bytes(bytes);
  }
}

TEST(CodeCheck, RefusesEncryption) {
  const std::string bytes = make_zip([](zip_t* zip) {
    const auto index = static_cast<zip_uint64_t>(add(zip, "secret", "content"));
    ASSERT_EQ(zip_file_set_encryption(zip, index, ZIP_EM_AES_256, "password"), 0);
  });
  EXPECT_EQ(check_bytes(bytes), "/exec/code: zip entry 'secret' is encrypted");
}

TEST(CodeCheck, ControlCharactersOfNamesAreNotShown) {
  std::string bytes = zip_of("/#[31mred");
  for (std::size_t at = 0; (at = bytes.find("/#", at)) != std::string::npos; ++at)
    bytes[at + 1] = '\x1b';
  EXPECT_EQ(check_bytes(bytes), "/exec/code: zip entry '/?[31mred' has an absolute name");
}

}  // namespace
}  // namespace berth::entity
