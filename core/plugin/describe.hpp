// SPDX-License-Identifier: Apache-2.0
// What `berth plugin list` and `berth plugin inspect FILE` print, as text for people and as JSON.
// Nothing of a plugin is run for either. Stateless; thread-safe.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "plugin/examine.hpp"
#include "plugin/plugin_directory.hpp"

namespace berth::plugin {

// A table of name, version, provides, file, state; below it the refusals, one a line. Ends with a
// newline.
std::string list_text(const PluginDirectory& directory);
// {"directory", "plugins": [{name, version, id, provides, file, sha256, state, error}]}; state is
// "ok" or "refused".
boost::json::value list_json(const PluginDirectory& directory);

// What the note says, then each check with ok, REFUSED and the mend, or "not checked". Ends with a
// newline.
std::string inspect_text(const Examination& examination);
// {file, size, sha256, state, manifest, needed, checks: [{rule, verdict, detail, mend}], secrets}
boost::json::value inspect_json(const Examination& examination);

}  // namespace berth::plugin
