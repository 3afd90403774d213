// SPDX-License-Identifier: Apache-2.0
// The documents that describe the API, as they are in core/api/docs. Thread-safe.
#pragma once

#include <string_view>

namespace berth::api {

// OpenAPI 3, JSON.
std::string_view openapi_document();
// A page that shows it, HTML; it loads nothing but the document.
std::string_view docs_page();

}  // namespace berth::api
