// SPDX-License-Identifier: Apache-2.0
// One plugin, five toolchains, one host: the tiny plugin is built outside the tree, against what
// `cmake --install` put into a prefix, through find_package or pkg-config, loaded and used. So is
// the template project, unchanged.
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <thread>

#include "command.hpp"
#include "host_support.hpp"
#include "plugin/examine.hpp"
#include "plugin/plugin_directory.hpp"

namespace berth::plugin {
namespace {

namespace fs = std::filesystem;
using test::await;
using test::find_program;
using test::later;
using test::Ran;
using test::run;

const std::string kSource = BERTH_SOURCE_DIRECTORY;
const std::string kTiny = kSource + "/tests/integration/plugin/tiny";

struct Toolchain {
  std::string label;  // the plugin is tiny-<label>
  std::string source;
  std::string c, cxx, flags;  // flags: of both languages
  bool pkg_config = false;    // else find_package

  friend void PrintTo(const Toolchain& toolchain, std::ostream* out) { *out << toolchain.label; }
};

const std::vector<Toolchain>& toolchains() {
  static const std::vector<Toolchain> all = {
      {"gcc", "tiny.c", "gcc", "g++", "-std=c99"},
      {"clang-c", "tiny.c", "clang-16", "", "-std=c99", true},
      {"gxx", "tiny.cpp", "gcc", "g++", ""},
      {"clang", "tiny.cpp", "", "clang++-16", "", true},
      {"libcxx", "tiny.cpp", "clang-16", "clang++-16", "-stdlib=libc++"},
      {"rust", "tiny.rs", "", "/usr/bin/rustc", "", true},
  };
  return all;
}

std::string underscored(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

// The prefix, the plugins built so far, and why others could not be.
class Workshop {
 public:
  Workshop() {
    const Ran installed = run({"cmake", "--install", BERTH_BUILD_DIRECTORY, "--component",
                               "plugin-api", "--prefix", prefix()});
    if (installed.exit_code != 0) failure_ = "cmake --install: " + installed.output;
    fs::create_directories(plugins());
  }
  fs::path root() const { return directory_.path(); }
  std::string prefix() const { return (root() / "prefix").string(); }
  fs::path plugins() const { return root() / "plugins"; }
  const std::string& failure() const { return failure_; }

  // Builds it the first time. Empty, or what went wrong.
  std::string build(const Toolchain& toolchain) {
    if (!failure_.empty()) return failure_;
    const auto [known, fresh] = built_.try_emplace(toolchain.label);
    if (fresh)
      known->second = toolchain.pkg_config ? with_pkg_config(toolchain) : with_cmake(toolchain);
    return known->second;
  }

  // Why this toolchain cannot be tried here; empty if it can.
  std::string missing(const Toolchain& toolchain) {
    const auto [known, fresh] = missing_.try_emplace(toolchain.label);
    if (fresh) known->second = look_for(toolchain);
    return known->second;
  }

  fs::path file(const Toolchain& toolchain) const {
    return plugins() / ("libberth_tiny_" + underscored(toolchain.label) + ".so");
  }

 private:
  std::string look_for(const Toolchain& toolchain) const {
    for (const std::string& program : {toolchain.c, toolchain.cxx, std::string("pkg-config")}) {
      if (!program.empty() && find_program(program).empty()) return program + " is not installed";
    }
    if (toolchain.flags == "-stdlib=libc++") {
      const fs::path probe = root() / "probe.cpp";
      std::FILE* file = std::fopen(probe.c_str(), "w");
      std::fputs("#include <string>\n", file);
      std::fclose(file);
      if (run({toolchain.cxx, toolchain.flags, "-fsyntax-only", probe}).exit_code != 0) {
        return "libc++ is not installed";
      }
    }
    return "";
  }

  std::string with_cmake(const Toolchain& toolchain) {
    const std::string build_directory = (root() / ("build-" + toolchain.label)).string();
    const bool is_c = toolchain.source == "tiny.c";
    const Ran configured = run(
        {"cmake", "-S", kTiny, "-B", build_directory, "-DCMAKE_PREFIX_PATH=" + prefix(),
         "-DCMAKE_C_COMPILER=" + toolchain.c, "-DCMAKE_CXX_COMPILER=" + toolchain.cxx,
         (is_c ? "-DCMAKE_C_FLAGS=" : "-DCMAKE_CXX_FLAGS=") + toolchain.flags,
         "-DTINY_NAME=tiny-" + toolchain.label, "-DTINY_SOURCE=" + kTiny + "/" + toolchain.source});
    if (configured.exit_code != 0) return configured.output;
    const Ran made = run({"cmake", "--build", build_directory});
    if (made.exit_code != 0) return made.output;
    fs::copy_file(fs::path(build_directory) / file(toolchain).filename(), file(toolchain));
    return "";
  }

  std::vector<std::string> pkg_config(const std::string& what) const {
    const Ran asked = run({"pkg-config", what, "berth-plugin"},
                          {{"PKG_CONFIG_PATH", prefix() + "/" BERTH_LIBDIR "/pkgconfig"}});
    std::vector<std::string> words;
    std::istringstream text(asked.output);
    for (std::string word; text >> word;) words.push_back(word);
    return words;
  }

  std::string with_pkg_config(const Toolchain& toolchain) {
    std::vector<std::string> command;
    if (toolchain.source == "tiny.rs") {
      command = {toolchain.cxx, "--edition", "2021", "--crate-type", "cdylib", "-C", "opt-level=1"};
      for (const std::string& word : pkg_config("--libs")) {
        // rustc brings a version script of its own.
        if (word.find("version-script") != std::string::npos) continue;
        command.insert(command.end(), {"-C", "link-arg=" + word});
      }
      command.push_back(kTiny + "/" + toolchain.source);
    } else {
      const bool is_c = toolchain.source == "tiny.c";
      command = {is_c ? toolchain.c : toolchain.cxx,
                 is_c ? toolchain.flags : "-std=c++17",
                 "-fPIC",
                 "-shared",
                 "-O1",
                 "-DTINY_NAME=\"tiny-" + toolchain.label + "\"",
                 kTiny + "/" + toolchain.source};
      for (const char* what : {"--cflags", "--libs"}) {
        for (const std::string& word : pkg_config(what)) command.push_back(word);
      }
    }
    command.insert(command.end(), {"-o", file(toolchain).string()});
    const Ran made = run(command);
    return made.exit_code == 0 ? "" : made.output;
  }

  test::TemporaryDirectory directory_;
  std::string failure_;
  std::map<std::string, std::string> built_;
  std::map<std::string, std::string> missing_;
};

std::unique_ptr<Workshop> workshop;

class WorkshopEnvironment final : public testing::Environment {
 public:
  void SetUp() override { workshop = std::make_unique<Workshop>(); }
  void TearDown() override { workshop.reset(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new WorkshopEnvironment);

bool all_required() {
  const char* value = std::getenv("BERTH_REQUIRE_ALL");
  return value != nullptr && std::string(value) == "1";
}

// A loaded and opened plugin.
struct Running {
  std::unique_ptr<LoadedPlugin> loaded;
  test::Hosting hosting;
  std::unique_ptr<PluginInstance> instance;

  ContainerFactory& factory() { return *instance->container_factory(); }
  std::vector<std::string> ids() {
    std::vector<std::string> ids;
    for (const ContainerInfo& info :
         await<std::vector<ContainerInfo>>(factory().list(later())).value()) {
      ids.push_back(info.id);
    }
    return ids;
  }
  Result<ContainerInfo> create(const std::string& name, const std::string& kind = "any") {
    CreateRequest request;
    request.name = name;
    request.kind = kind;
    return await<ContainerInfo>(factory().create(std::move(request), later()));
  }
};

std::unique_ptr<Running> start(const fs::path& file) {
  auto running = std::make_unique<Running>();
  auto loaded = LoadedPlugin::load(examine(file));
  EXPECT_TRUE(loaded) << loaded.error().to_string();
  if (!loaded) return nullptr;
  running->loaded = std::move(*loaded);
  auto opened = PluginInstance::open(*running->loaded, running->hosting.options());
  EXPECT_TRUE(opened) << opened.error().to_string();
  if (!opened) return nullptr;
  running->instance = std::move(*opened);
  EXPECT_TRUE(await<void>(running->factory().start({}, later())));
  return running;
}

using Strings = std::vector<std::string>;

class ToolchainTest : public testing::TestWithParam<Toolchain> {
 protected:
  void SetUp() override {
    const std::string missing = workshop->missing(GetParam());
    if (!missing.empty()) {
      ASSERT_FALSE(all_required()) << missing;
      GTEST_SKIP() << missing;
    }
    ASSERT_EQ(workshop->build(GetParam()), "");
  }
  fs::path file() const { return workshop->file(GetParam()); }
};

TEST_P(ToolchainTest, PassesTheChecks) {
  const Examination examination = examine(file());
  EXPECT_TRUE(examination.ok()) << examination.status().to_string();
}

TEST_P(ToolchainTest, ItsNoteSurvivesStrip) {
  const fs::path directory = workshop->root() / ("stripped-" + GetParam().label);
  fs::create_directories(directory);
  const fs::path stripped = directory / file().filename();
  ASSERT_EQ(run({"strip", "-o", stripped, file()}).exit_code, 0);
  const Examination examination = examine(stripped);
  EXPECT_TRUE(examination.ok()) << examination.status().to_string();
}

TEST_P(ToolchainTest, CreatesListsAndDestroys) {
  const auto running = start(file());
  ASSERT_NE(running, nullptr);
  const auto created = running->create("one");
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_EQ(created->id, "one");
  EXPECT_EQ(created->token, "tiny");
  EXPECT_EQ(created->address, "unix:/tiny");
  ASSERT_TRUE(running->create("two"));
  EXPECT_EQ(running->ids(), (Strings{"one", "two"}));
  EXPECT_TRUE(await<void>(running->factory().destroy("one", later())));
  EXPECT_EQ(await<void>(running->factory().destroy("one", later())).error().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(running->ids(), (Strings{"two"}));
  EXPECT_TRUE(await<LogBatch>(running->factory().read_logs("two", "", 10, later()))->ended);
  EXPECT_EQ(await<void>(running->factory().pause("two", later())).error().code(),
            StatusCode::kUnimplemented);
  EXPECT_TRUE(await<void>(running->factory().stop(StopMode::kKill, later())));
}

// An exception or a panic inside the plugin becomes a status on its side of the boundary.
TEST_P(ToolchainTest, ContainsWhatItThrows) {
  const auto running = start(file());
  ASSERT_NE(running, nullptr);
  const auto thrown = running->create("x", "throws");
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code(), StatusCode::kInternal);
  EXPECT_EQ(running->hosting.metrics.text().find("berth_plugin_exceptions_total"),
            std::string::npos);
  EXPECT_TRUE(running->create("y"));
}

TEST_P(ToolchainTest, IsMappedTwiceInOneProcess) {
  const auto first = start(file());
  const auto second = start(file());
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_NE(&first->loaded->entry(), &second->loaded->entry());
  ASSERT_TRUE(first->create("only-here"));
  EXPECT_EQ(second->ids(), Strings());
  // Two instances of one mapping, too.
  auto other = PluginInstance::open(*first->loaded, second->hosting.options());
  ASSERT_TRUE(other);
  EXPECT_EQ(await<std::vector<ContainerInfo>>((*other)->container_factory()->list(later()))->size(),
            0u);
}

// What stays mapped would pile up with every reload. The calls come from a thread that ends: a
// thread-local with a destructor (Rust's standard library has some) keeps the code while it lives.
// Not so for Rust: its standard library leaves thread-locals with destructors on the thread that
// opened the plugin, and glibc keeps the code for them; berthd says so in its log and goes on.
TEST_P(ToolchainTest, IsUnmappedAfterItsEnd) {
  if (std::string(GetParam().label) == "rust") return;
  const std::string name = file().filename();
  const auto mapped = [&name] {
    std::ifstream maps("/proc/self/maps");
    std::stringstream text;
    text << maps.rdbuf();
    return text.str().find(name) != std::string::npos;
  };
  ASSERT_FALSE(mapped());
  auto running = start(file());
  ASSERT_NE(running, nullptr);
  std::thread([&] {
    EXPECT_TRUE(running->create("one"));
    EXPECT_FALSE(running->create("two", "throws"));
  }).join();
  EXPECT_TRUE(mapped());
  running.reset();
  EXPECT_FALSE(mapped());
}

std::string label(const testing::TestParamInfo<Toolchain>& info) {
  return underscored(info.param.label);
}
INSTANTIATE_TEST_SUITE_P(Tiny, ToolchainTest, testing::ValuesIn(toolchains()), label);

TEST(OneHost, LoadsAllOfThemAtOnce) {
  for (const Toolchain& toolchain : toolchains()) {
    if (workshop->missing(toolchain).empty()) {
      ASSERT_EQ(workshop->build(toolchain), "");
    }
  }
  const auto directory = PluginDirectory::scan(workshop->plugins());
  ASSERT_TRUE(directory) << directory.error().to_string();
  ASSERT_GE(directory->plugins().size(), 2u);
  std::vector<std::unique_ptr<Running>> all;
  for (const PluginListing& listing : directory->plugins()) {
    EXPECT_TRUE(listing.status.ok()) << listing.status.to_string();
    all.push_back(start(listing.file));
    ASSERT_NE(all.back(), nullptr);
  }
  for (const auto& running : all) {
    ASSERT_TRUE(running->create(running->loaded->manifest().name));
  }
  for (const auto& running : all) {
    EXPECT_EQ(running->ids(), (Strings{running->loaded->manifest().name}));
  }
}

TEST(Template, BuildsFromTheInstalledPrefixAndRuns) {
  ASSERT_EQ(workshop->failure(), "");
  const std::string source = workshop->prefix() + "/" BERTH_DATADIR "/berth/plugin-template";
  const std::string build = (workshop->root() / "build-template").string();
  const Ran configured =
      run({"cmake", "-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + workshop->prefix(),
           std::string("-DCMAKE_INSTALL_LIBDIR=lib")});
  ASSERT_EQ(configured.exit_code, 0) << configured.output;
  const Ran made = run({"cmake", "--build", build});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string prefix = (workshop->root() / "template-prefix").string();
  const Ran installed = run({"cmake", "--install", build, "--prefix", prefix});
  ASSERT_EQ(installed.exit_code, 0) << installed.output;

  const auto running = start(fs::path(prefix) / "lib/berth/plugins/libberth_echo.so");
  ASSERT_NE(running, nullptr);
  ASSERT_TRUE(running->create("a"));
  ASSERT_TRUE(running->create("b"));
  EXPECT_EQ(running->ids(), (Strings{"a", "b"}));
  EXPECT_EQ(await<LogBatch>(running->factory().read_logs("a", "", 10, later()))->records.size(),
            1u);
}

TEST(Template, BuildsWithMakeAndPkgConfig) {
  ASSERT_EQ(workshop->failure(), "");
  if (find_program("make").empty()) {
    ASSERT_FALSE(all_required()) << "make is not installed";
    GTEST_SKIP() << "make is not installed";
  }
  const fs::path copy = workshop->root() / "template-make";
  fs::copy(fs::path(workshop->prefix()) / BERTH_DATADIR "/berth/plugin-template", copy,
           fs::copy_options::recursive);
  const Ran made = run({"make", "-C", copy},
                       {{"PKG_CONFIG_PATH", workshop->prefix() + "/" BERTH_LIBDIR "/pkgconfig"}});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  EXPECT_NE(start(copy / "libberth_echo.so"), nullptr);
}

// Those of this very build, too: what is process-wide in one shows here.
TEST(OurPlugins, AreMappedTwiceInOneProcess) {
  const fs::path built = BERTH_BUILD_DIRECTORY "/plugins";
  if (!fs::exists(built)) GTEST_SKIP() << "no plugins are built here";
  const auto directory = PluginDirectory::scan(built);
  ASSERT_TRUE(directory) << directory.error().to_string();
  for (const PluginListing& listing : directory->plugins()) {
    SCOPED_TRACE(listing.file);
    ASSERT_TRUE(listing.status.ok()) << listing.status.to_string();
    auto first = LoadedPlugin::load(examine(listing.file));
    auto second = LoadedPlugin::load(examine(listing.file));
    ASSERT_TRUE(first) << first.error().to_string();
    ASSERT_TRUE(second) << second.error().to_string();
    test::Hosting one;
    test::Hosting two;
    // Some cannot open without settings; but then both must say so, and in order.
    auto first_open = PluginInstance::open(**first, one.options());
    auto second_open = PluginInstance::open(**second, two.options());
    EXPECT_EQ(first_open.has_value(), second_open.has_value());
    if (!first_open) {
      EXPECT_NE(first_open.error().code(), StatusCode::kInternal) << first_open.error().to_string();
    }
  }
}

}  // namespace
}  // namespace berth::plugin
