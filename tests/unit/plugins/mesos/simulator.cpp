// SPDX-License-Identifier: Apache-2.0
#include "simulator.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace berth::testing {

namespace asio = boost::asio;
namespace json = boost::json;

Simulator::Simulator(const std::vector<std::string>& options) {
  std::vector<std::string> words = {
      "/usr/bin/python3",
      std::string(std::getenv("BERTH_SOURCE_DIR")) + "/tests/mesos/simulator.py", "--proto",
      std::string(std::getenv("BERTH_BUILD_DIR")) + "/plugins/mesos/generated"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  input_ = in[1];
  std::string line;
  char c = 0;
  while (::read(out[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(out[0]);
  if (line.empty()) throw std::runtime_error("the simulator did not start");
  const json::value said = json::parse(line);
  for (const json::value& url : said.at("masters").as_array()) {
    masters_.emplace_back(url.as_string());
  }
  const std::string url(said.at("control").as_string());
  const std::size_t colon = url.rfind(':');
  host_ = url.substr(7, colon - 7);
  port_ = url.substr(colon + 1, url.rfind('/') - colon - 1);
}

Simulator::~Simulator() {
  ::close(input_);
  ::waitpid(pid_, nullptr, 0);
}

std::string Simulator::masters_json() const {
  json::array all;
  for (const std::string& url : masters_) all.emplace_back(url);
  return json::serialize(all);
}

json::value Simulator::control(const std::string& command) const {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  asio::ip::tcp::resolver resolver(context);
  asio::connect(socket, resolver.resolve(host_, port_));
  const std::string request =
      "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(command.size()) + "\r\n\r\n" + command;
  asio::write(socket, asio::buffer(request));
  boost::system::error_code error;
  std::string response;
  socket.shutdown(asio::socket_base::shutdown_send, error);
  asio::read(socket, asio::dynamic_buffer(response), error);
  const std::size_t body = response.find("\r\n\r\n");
  if (body == std::string::npos)
    throw std::runtime_error("the simulator did not answer: " + command);
  return json::parse(response.substr(body + 4));
}

std::size_t Simulator::tasks(const std::string& wanted) const {
  std::size_t count = 0;
  const json::value all = state();
  for (const auto& [id, task] : all.at("tasks").as_object()) {
    if (wanted.empty() || task.at("state").as_string() == wanted) ++count;
  }
  return count;
}

}  // namespace berth::testing
