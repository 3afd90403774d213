// SPDX-License-Identifier: Apache-2.0
#include "support/gzip.hpp"

#include <algorithm>
#include <limits>
#include <zlib.h>

namespace berth::support {
namespace {
constexpr int kWindow = 15;
constexpr int kGzip = 16;  // added to the window's bits
constexpr std::size_t kMaxStep = std::numeric_limits<uInt>::max() / 2;

Bytef* bytes_of(const char* data) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(data));
}
}  // namespace

std::string gzip(std::string_view bytes, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, kWindow + kGzip, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string out;
  out.resize(deflateBound(&stream, bytes.size()));
  std::size_t made = 0;
  int result = Z_OK;
  while (result == Z_OK || result == Z_BUF_ERROR) {
    const std::size_t in = std::min(bytes.size(), kMaxStep);
    const std::size_t room = std::min(out.size() - made, kMaxStep);
    stream.next_in = bytes_of(bytes.data());
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = bytes_of(out.data() + made);
    stream.avail_out = static_cast<uInt>(room);
    result = deflate(&stream, in == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    bytes.remove_prefix(in - stream.avail_in);
    made += room - stream.avail_out;
    if (result == Z_STREAM_ERROR) break;
    if (made == out.size() && result != Z_STREAM_END) out.resize(out.size() + 4096);
  }
  deflateEnd(&stream);
  if (result != Z_STREAM_END) return {};
  out.resize(made);
  return out;
}

bool gunzip(std::string_view bytes, std::size_t max_bytes, std::string& to) {
  z_stream stream{};
  if (inflateInit2(&stream, kWindow + kGzip) != Z_OK) return false;
  char buffer[32 * 1024];
  bool whole = false;  // the bytes end with the end of a member
  for (;;) {
    const std::size_t in = std::min(bytes.size(), kMaxStep);
    stream.next_in = bytes_of(bytes.data());
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = bytes_of(buffer);
    stream.avail_out = sizeof buffer;
    const int result = inflate(&stream, Z_NO_FLUSH);
    const std::size_t made = sizeof buffer - stream.avail_out;
    bytes.remove_prefix(in - stream.avail_in);
    if (made > max_bytes - std::min(max_bytes, to.size())) break;
    to.append(buffer, made);
    if (result == Z_STREAM_END) {
      whole = bytes.empty();
      if (whole || inflateReset(&stream) != Z_OK) break;
    } else if (result != Z_OK) {
      // Damaged, or (Z_BUF_ERROR) cut off.
      break;
    }
  }
  inflateEnd(&stream);
  return whole;
}

}  // namespace berth::support
