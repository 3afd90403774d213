// SPDX-License-Identifier: Apache-2.0
// The framing and the messages against what a real master sent and accepted.
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

#include "berth_mesos_v1.pb.h"
#include "mesos/protocol/record_io.hpp"

namespace berth::mesos {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

fs::path data(const char* folder) {
  return fs::path(std::getenv("BERTH_SOURCE_DIR")) / "tests/data/mesos" / folder;
}

std::vector<std::string> split(const std::string& bytes, std::size_t piece) {
  std::vector<std::string> records;
  RecordReader reader(1 << 20, [&](std::string_view record) {
    records.emplace_back(record);
    return true;
  });
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    EXPECT_TRUE(reader.feed(std::string_view(bytes).substr(at, piece))) << reader.error();
  }
  return records;
}

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned block = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      block = block << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kDigits[block >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

std::string describe(const v1::Offer& offer) {
  std::string text = offer.id().value() + " " + offer.agent_id().value() + " " + offer.hostname();
  for (const v1::Resource& r : offer.resources()) {
    const std::string role = r.has_role()                ? r.role()
                             : r.reservations_size() > 0 ? r.reservations().rbegin()->role()
                                                         : "-";
    text += " " + r.name() + "(" + role + ")=";
    if (r.has_scalar()) {
      text += fmt::format("{:g}", r.scalar().value());
      continue;
    }
    const char* comma = "";
    for (const v1::Value::Range& range : r.ranges().range()) {
      text += fmt::format("{}{}-{}", comma, range.begin(), range.end());
      comma = ",";
    }
  }
  for (const v1::Attribute& a : offer.attributes()) {
    text += " " + a.name() + ":" +
            (a.has_text()     ? a.text().value()
             : a.has_scalar() ? fmt::format("{:g}", a.scalar().value())
                              : "?");
  }
  return text;
}

std::string describe(const v1::TaskStatus& s) {
  const auto& infos = s.container_status().network_infos();
  const bool has_ip = !infos.empty() && !infos[0].ip_addresses().empty();
  std::string message = s.has_message() ? s.message() : "-";
  message = message.substr(0, message.find('\n'));
  return fmt::format("{} {} {} {} {} {} {} {}", s.task_id().value(), TaskState_Name(s.state()),
                     v1::TaskStatus::Source_Name(s.source()),
                     s.has_reason() ? v1::TaskStatus::Reason_Name(s.reason()) : "-",
                     s.has_uuid() ? base64(s.uuid()) : "-",
                     has_ip ? infos[0].ip_addresses()[0].ip_address() : "-",
                     !s.has_healthy() ? "-"
                     : s.healthy()    ? "true"
                                      : "false",
                     message);
}

std::string describe(const v1::Event& e) {
  std::string text = v1::Event::Type_Name(e.type());
  switch (e.type()) {
    case v1::Event::SUBSCRIBED:
      return text + fmt::format(" {} {:.1f} {} {}", e.subscribed().framework_id().value(),
                                e.subscribed().heartbeat_interval_seconds(),
                                e.subscribed().master_info().hostname(),
                                e.subscribed().master_info().port());
    case v1::Event::OFFERS:
      for (const v1::Offer& offer : e.offers().offers()) text += " " + describe(offer);
      return text;
    case v1::Event::UPDATE: return text + " " + describe(e.update().status());
    case v1::Event::RESCIND: return text + " " + e.rescind().offer_id().value();
    case v1::Event::FAILURE: return text + " " + e.failure().agent_id().value();
    case v1::Event::ERROR: return text + " " + e.error().message();
    case v1::Event::INVERSE_OFFERS:
      for (const v1::InverseOffer& o : e.inverse_offers().inverse_offers()) {
        text += fmt::format(" {} {} {}", o.id().value(), o.agent_id().value(),
                            o.unavailability().start().nanoseconds());
      }
      return text;
    default: return text;
  }
}

TEST(Protocol, ReadsRecordedStreamsWhateverThePieces) {
  int streams = 0;
  for (const auto& entry : fs::directory_iterator(data("streams"))) {
    if (entry.path().extension() != ".records") continue;
    ++streams;
    const std::string bytes = read(entry.path());
    const std::vector<std::string> records = split(bytes, bytes.size());
    EXPECT_EQ(split(bytes, 1), records);
    EXPECT_EQ(split(bytes, 7), records);
    std::string events;
    for (const std::string& record : records) {
      v1::Event event;
      ASSERT_TRUE(event.ParseFromString(record));
      events += describe(event) + "\n";
      EXPECT_EQ(event.ByteSizeLong(), record.size()) << "nothing is lost";
    }
    EXPECT_EQ(events, read(fs::path(entry.path()).replace_extension(".events"))) << entry.path();
  }
  EXPECT_EQ(streams, 9);
}

// What the master accepted, read and written again, is the same bytes.
TEST(Protocol, WritesRecordedCalls) {
  int calls = 0;
  for (const auto& entry : fs::directory_iterator(data("calls"))) {
    if (entry.path().extension() != ".body") continue;
    ++calls;
    const std::string bytes = read(entry.path());
    v1::Call call;
    ASSERT_TRUE(call.ParseFromString(bytes)) << entry.path();
    EXPECT_EQ(call.SerializeAsString(), bytes) << entry.path();
  }
  EXPECT_GE(calls, 15);
}

TEST(RecordReader, TakesEmptyRecordsAndSeveralAtOnce) {
  EXPECT_EQ(split("0\n3\nabc0\n", 64), (std::vector<std::string>{"", "abc", ""}));
  EXPECT_EQ(split(encode_record("") + encode_record("x\ny"), 1),
            (std::vector<std::string>{"", "x\ny"}));
}

TEST(RecordReader, RefusesWhatIsNoRecord) {
  for (const char* text :
       {"\n", "x", "-1\n", "3 \nabc", "1048577\n", "000000000000000000000001\nx"}) {
    RecordReader reader(1 << 20, [](std::string_view) { return true; });
    EXPECT_FALSE(reader.feed(text)) << text;
    EXPECT_NE(reader.error(), "");
    EXPECT_FALSE(reader.feed("1\nx")) << "it stays refused";
  }
}

TEST(RecordReader, EndsWhenItsOwnerSaysSo) {
  int records = 0;
  RecordReader reader(16, [&](std::string_view) { return ++records < 2; });
  EXPECT_FALSE(reader.feed("1\na1\nb1\nc"));
  EXPECT_EQ(records, 2);
  EXPECT_EQ(reader.error(), "");
}

}  // namespace
}  // namespace berth::mesos
