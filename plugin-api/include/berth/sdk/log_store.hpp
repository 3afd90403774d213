// SPDX-License-Identifier: Apache-2.0
// `LogStore`: derive from it to provide berth.log-store/1.
//
// Rules of threads and answers as in container_factory.hpp; what each call means is said in
// berth/plugin/log_store.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/plugin/log_store.h"
#include "berth/sdk/container_factory.hpp"
#include "berth/sdk/promise.hpp"
#include "berth/sdk/status.hpp"
#include "berth/sdk/strings.hpp"

namespace berth::sdk {

// Whose logs, owned.
struct ActivationRef {
  std::string activation_id;
  std::string namespace_name;
  std::string namespace_id;
  std::string action;  // "ns/[pkg/]name"
  std::string container_id;
  std::int64_t start_ms = 0;  // since the epoch; fetch: 0 if unknown
  std::int64_t end_ms = 0;    // since the epoch; fetch: 0 if unknown or still running
};

// Whose logs, borrowed.
struct ActivationRefView {
  explicit ActivationRefView(const berth_activation_ref& r)
      : activation_id(view(r.activation_id)),
        namespace_name(view(r.namespace_name)),
        namespace_id(view(r.namespace_id)),
        action(view(r.action)),
        container_id(view(r.container_id)),
        start_ms(r.start_ms),
        end_ms(r.end_ms) {}

  ActivationRef clone() const {
    return ActivationRef{std::string(activation_id),
                         std::string(namespace_name),
                         std::string(namespace_id),
                         std::string(action),
                         std::string(container_id),
                         start_ms,
                         end_ms};
  }

  std::string_view activation_id;
  std::string_view namespace_name;
  std::string_view namespace_id;
  std::string_view action;
  std::string_view container_id;
  std::int64_t start_ms;
  std::int64_t end_ms;
};

// One whole line, owned and borrowed.
struct LogLine {
  Stream stream = Stream::kStdout;
  std::int64_t time_ns = 0;    // since the epoch
  std::uint64_t sequence = 0;  // from 0 within the activation
  std::string text;            // valid UTF-8, without the line's end
};
struct LogLineView {
  Stream stream;
  std::int64_t time_ns;
  std::uint64_t sequence;
  std::string_view text;
};

// The borrowed lines of an `append`.
class LogLinesView {
 public:
  LogLinesView(const berth_log_line* lines, std::uint64_t count) : lines_(lines), count_(count) {}

  std::size_t size() const { return static_cast<std::size_t>(count_); }
  bool empty() const { return count_ == 0; }
  LogLineView operator[](std::size_t i) const {
    const berth_log_line& line = lines_[i];
    return {static_cast<Stream>(line.stream), line.time_ns, line.sequence, view(line.text)};
  }
  std::vector<LogLine> clone() const {
    std::vector<LogLine> copy;
    copy.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
      const LogLineView line = (*this)[i];
      copy.push_back(LogLine{line.stream, line.time_ns, line.sequence, std::string(line.text)});
    }
    return copy;
  }

 private:
  const berth_log_line* lines_;
  std::uint64_t count_;
};

// A result of `fetch`. Copies each line's text once, into one block that is handed over. Answer
// with `done.partial(page)` if some lines are lost.
class LogPage {
 public:
  void add(Stream stream, std::int64_t time_ns, std::uint64_t sequence, std::string_view text) {
    lines_.push_back({stream, time_ns, sequence, text_.size(), text.size()});
    text_.append(text);
  }
  std::size_t size() const { return lines_.size(); }
  bool empty() const { return lines_.empty(); }
  std::size_t bytes() const { return text_.size(); }

  std::string next_cursor;  // empty: the end

 private:
  friend struct Wire<LogPage>;
  struct Line {
    Stream stream;
    std::int64_t time_ns;
    std::uint64_t sequence;
    std::size_t offset;
    std::size_t size;
  };
  std::vector<Line> lines_;
  std::string text_;
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  virtual void start(Promise<void> done) { done.ok(); }
  virtual void container_parameters(Promise<Pairs> done) { done.ok(Pairs()); }
  virtual void append(const ActivationRefView& activation, LogLinesView lines, bool final,
                      Promise<void> done) = 0;
  virtual void fetch(const ActivationRefView& activation, std::string_view cursor,
                     std::uint64_t max_bytes, Promise<LogPage> done) = 0;
  virtual void drain(Promise<void> done) { done.ok(); }
  virtual void stop(Promise<void> done) { done.ok(); }

  // As ContainerFactory::on_cancel.
  virtual void on_cancel(std::uint64_t id) { static_cast<void>(id); }
};

// Derive from it beside LogStore and name BERTH_INTERFACE_LOG_FOLLOW in BERTH_PROVIDES to provide
// berth.log-follow/1.
class LogFollow {
 public:
  virtual ~LogFollow() = default;
  virtual void follow(const ActivationRefView& activation, std::string_view cursor,
                      std::uint64_t max_bytes, Promise<LogPage> done) = 0;
};

// The same for BERTH_INTERFACE_LOG_OUT_OF_BAND.
class LogOutOfBand {
 public:
  virtual ~LogOutOfBand() = default;
  virtual bool out_of_band() const = 0;
};

template <>
struct Wire<Pairs> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       const Pairs& pairs) {
    const PairArray array(pairs);
    const berth_container_parameters wire{sizeof(berth_container_parameters), 0, array.get()};
    host.complete(host.context, op, &status, &wire);
  }
};

template <>
struct Wire<LogPage> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       LogPage page) {
    std::vector<berth_log_line> lines;
    lines.reserve(page.lines_.size());
    const berth_buf owner = detail::hand_over(std::move(page.text_));
    for (const LogPage::Line& l : page.lines_) {
      const std::string_view text(owner.data == nullptr ? "" : owner.data + l.offset, l.size);
      lines.push_back(
          berth_log_line{static_cast<std::int32_t>(l.stream), 0, l.time_ns, l.sequence, str(text)});
    }
    const berth_log_page wire{sizeof(berth_log_page), 0,    lines.data(), lines.size(),
                              str(page.next_cursor),  owner};
    host.complete(host.context, op, &status, &wire);
  }
};

}  // namespace berth::sdk
