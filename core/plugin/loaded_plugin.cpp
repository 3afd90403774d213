// SPDX-License-Identifier: Apache-2.0
// The only file that knows Boost.DLL and the dynamic linker.
#include "plugin/loaded_plugin.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <cassert>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <fmt/format.h>
#include <thread>

#include "base/log.hpp"
#include "plugin/examine.hpp"

namespace berth::plugin {
namespace {

// The dynamic linker remembers objects by the path they were loaded by. If something that could not
// be unmapped is still known as /proc/self/fd/N, a new file there would silently be the old plugin.
bool is_known_to_linker(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return false;
  dlclose(handle);
  return true;
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// What the constructors of the plugin may have made of the entry that was checked in the file.
bool still_agrees(const berth_plugin_entry_v1& entry, const Manifest& manifest) {
  const auto same = [](const char* text, const std::string& expected) {
    return text && std::strncmp(text, expected.c_str(), expected.size() + 1) == 0;
  };
  return entry.struct_size >= sizeof(berth_plugin_entry_v1) &&
         entry.abi_major == manifest.abi.major && entry.abi_minor == manifest.abi.minor &&
         same(entry.name, manifest.name) && same(entry.id, manifest.id) &&
         same(entry.version, manifest.version) && entry.open && entry.query && entry.close;
}

}  // namespace

struct LoadedPlugin::Impl {
  ~Impl();

  Examination examination;
  boost::dll::shared_library library;
  const berth_plugin_entry_v1* entry = nullptr;
  std::thread::id loader = std::this_thread::get_id();
};

LoadedPlugin::Impl::~Impl() {
  assert(loader == std::this_thread::get_id() &&
         "a plugin is unloaded on the thread that loaded it");
  library.unload();
  if (is_known_to_linker(examination.copy.path())) {
    // Its descriptor number must not be used again while the linker knows it.
    examination.copy.keep_open();
    log::warn("plugin", "could not be unmapped; its memory stays until the process ends",
              {{"plugin", examination.manifest->name}});
  }
}

LoadedPlugin::LoadedPlugin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LoadedPlugin::~LoadedPlugin() = default;

Result<std::unique_ptr<LoadedPlugin>> LoadedPlugin::load(Examination examination) {
  if (Status status = examination.status(); !status.ok()) return status;
  if (!examination.ok()) {
    return sdk::failed_precondition(examination.file.string() + ": was not examined");
  }
  auto impl = std::make_unique<Impl>();
  impl->examination = std::move(examination);
  const Examination& examined = impl->examination;
  const std::string path = examined.copy.path();
  const auto link_error = [&](const char* what) {
    // The linker knows the copy by its descriptor; people know the file.
    return Refusal{"link",
                   fmt::format("the dynamic linker says: {}",
                               replace_all(what, path, examined.file.filename().string())),
                   "install the libraries it needs, or link them statically"}
        .status(examined.file);
  };
  if (is_known_to_linker(path)) {
    return sdk::internal(examined.file.string() + ": " + path + " is still known to the linker");
  }
  try {
    impl->library.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    impl->entry = &impl->library.get<const berth_plugin_entry_v1>(BERTH_PLUGIN_ENTRY_SYMBOL);
  } catch (const std::exception& error) {
    return link_error(error.what());
  }
  if (!still_agrees(*impl->entry, *examined.manifest)) {
    return Refusal{"entry",
                   "once loaded, " BERTH_PLUGIN_ENTRY_SYMBOL " does not say what the note says",
                   "keep it constant: nothing may write to it"}
        .status(examined.file);
  }
  return std::unique_ptr<LoadedPlugin>(new LoadedPlugin(std::move(impl)));
}

const Manifest& LoadedPlugin::manifest() const {
  return *impl_->examination.manifest;
}
const std::filesystem::path& LoadedPlugin::file() const {
  return impl_->examination.file;
}
const std::string& LoadedPlugin::sha256() const {
  return impl_->examination.sha256;
}
const berth_plugin_entry_v1& LoadedPlugin::entry() const {
  return *impl_->entry;
}

}  // namespace berth::plugin
