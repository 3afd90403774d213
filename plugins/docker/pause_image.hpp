// SPDX-License-Identifier: Apache-2.0
// The image of the containers that only hold a network namespace: a program of a few hundred bytes
// that the plugin carries and gives to the engine itself. Constant data; any thread.
#pragma once

#include <string>

namespace berth::docker {

// "berth/pause:<hash of the program>".
std::string pause_image_name();
// Its only layer, a tar archive with /pause.
std::string pause_image_tar();
// As the engine's info names it: "x86_64", "aarch64".
const char* pause_image_architecture();

}  // namespace berth::docker
