// SPDX-License-Identifier: Apache-2.0
// How much an encrypted parameter holds, without its key. Stateless.
#pragma once

#include <cstddef>
#include <string_view>

namespace berth::entity {

// The bytes of compact JSON in a text of the form that ParameterCipher makes, by its length alone:
// who sends back what he was shown is measured by what he sent first. With an algorithm other than
// "aes-128" and "aes-256" nothing is known of it: then all of both texts counts.
std::size_t opened_size(std::string_view algorithm, std::string_view sealed);

}  // namespace berth::entity
