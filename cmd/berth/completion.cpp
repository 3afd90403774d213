// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "output.hpp"

namespace berth::cli {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_shown(const CLI::Option& option) {
  return option.nonpositional() && !option.get_group().empty();
}

// Options of the commands before count after this one, too.
template <typename Visit>
void each_option(const std::vector<const CLI::App*>& path, Visit visit) {
  for (auto app = path.rbegin(); app != path.rend(); ++app) {
    for (const CLI::Option* option : (*app)->get_options()) visit(*option);
  }
}

const CLI::Option* find_option(const std::vector<const CLI::App*>& path, std::string_view name,
                               bool is_long) {
  const CLI::Option* found = nullptr;
  each_option(path, [&](const CLI::Option& option) {
    const auto& names = is_long ? option.get_lnames() : option.get_snames();
    if (found == nullptr && contains(names, name)) found = &option;
  });
  return found;
}

const CLI::App* find_command(const CLI::App& app, std::string_view name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

// How many words follow one use of it; 0: it is a flag.
int words_of(const CLI::Option& option) {
  return option.get_items_expected_max() == 0 ? 0 : std::max(option.get_type_size_max(), 0);
}

// The command line up to the word to complete.
struct Line {
  std::vector<const CLI::App*> path;
  GlobalOptions options;
  const CLI::Option* waiting = nullptr;  // for a word
  int words_wanted = 0;                  // by it
  int arguments = 0;                     // so far, of the last command
  bool only_arguments = false;           // after "--"
};

// An option's word where the program's own options need it, since the server is asked with them.
void note(GlobalOptions& options, const CLI::Option& option, const std::string& value) {
  if (contains(option.get_lnames(), "data-dir")) options.data_dir = value;
  if (contains(option.get_lnames(), "apihost")) options.api_host = value;
}

void begin_option(Line& line, const CLI::Option* option, std::optional<std::string> value) {
  if (option == nullptr) return;
  if (contains(option->get_lnames(), "insecure")) line.options.insecure = true;
  int wanted = words_of(*option);
  if (wanted > 0 && value) {
    note(line.options, *option, *value);
    --wanted;
  }
  line.words_wanted = wanted;
  line.waiting = wanted > 0 ? option : nullptr;
}

// "-b", "-br", "-pKEY": the last one may want more.
void read_short(Line& line, const std::string& word) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    const CLI::Option* option = find_option(line.path, word.substr(i, 1), false);
    if (option == nullptr) return;
    std::optional<std::string> rest;
    if (words_of(*option) > 0 && i + 1 < word.size()) rest = word.substr(i + 1);
    begin_option(line, option, rest);
    if (words_of(*option) > 0) return;
  }
}

void read_word(Line& line, const std::string& word) {
  if (line.waiting != nullptr) {
    note(line.options, *line.waiting, word);
    if (--line.words_wanted == 0) line.waiting = nullptr;
    return;
  }
  if (!line.only_arguments && word == "--") {
    line.only_arguments = true;
  } else if (!line.only_arguments && word.starts_with("--")) {
    const std::size_t equals = word.find('=');
    const bool has_value = equals != std::string::npos;
    begin_option(line,
                 find_option(line.path, word.substr(2, has_value ? equals - 2 : equals), true),
                 has_value ? std::optional(word.substr(equals + 1)) : std::nullopt);
  } else if (!line.only_arguments && word.size() > 1 && word.starts_with('-')) {
    read_short(line, word);
  } else if (const CLI::App* command = find_command(*line.path.back(), word);
             command != nullptr && line.arguments == 0) {
    line.path.push_back(command);
  } else {
    ++line.arguments;
  }
}

const CLI::Option* argument_at(const CLI::App& app, int index) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const int takes = std::max(option->get_items_expected_max(), 1);
    if (index < takes) return option;
    index -= takes;
  }
  return nullptr;
}

class Collector {
 public:
  explicit Collector(const AskNames& ask) : ask_(ask) {}

  Completion take() { return std::move(out_); }

  void add(const std::string& text, const std::string& help, const std::string& begin) {
    if (!text.starts_with(begin)) return;
    out_.candidates.push_back({text, help.substr(0, help.find('\n'))});
  }

  // `front` stands before the value in the same word.
  void add_values(const Line& line, const CLI::Option& option, std::string front,
                  std::string begin) {
    const std::string type = option.get_type_name();
    // The choices that an option allows are a part of its type: "TEXT:{yes,no}".
    const std::size_t open = type.find('{');
    if (open != std::string::npos) {
      const std::string choices = type.substr(open + 1, type.find('}', open) - open - 1);
      for (const std::string& choice : CLI::detail::split(choices, ',')) {
        add(front + choice, "", front + begin);
      }
      return;
    }
    std::string kind = type.substr(0, type.find(':'));
    // A plugin is told by its name or its file.
    if (kind == "FILE" || kind == "DIR" || kind == "PLUGIN") out_.files = true;
    if (const std::size_t comma = kind.find(','); comma != std::string::npos) {
      // Several in one word.
      kind.resize(comma);
      const std::size_t last = begin.rfind(',');
      if (last != std::string::npos) {
        front += begin.substr(0, last + 1);
        begin.erase(0, last + 1);
      }
    }
    if (!ask_) return;
    for (const Candidate& name : ask_(line.options, kind, begin)) {
      add(front + name.text, name.help, front + begin);
    }
  }

  void add_options(const Line& line, const std::string& begin) {
    each_option(line.path, [&](const CLI::Option& option) {
      if (!is_shown(option)) return;
      const auto& help = option.get_description();
      for (const std::string& name : option.get_lnames()) add_once("--" + name, help, begin);
      if (begin.size() > 1) return;  // of two characters and more only long ones
      for (const std::string& name : option.get_snames()) add_once("-" + name, help, begin);
    });
  }

  void add_commands(const CLI::App& app, const std::string& begin) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (!command->get_group().empty()) {
        add(command->get_name(), command->get_description(), begin);
      }
    }
  }

 private:
  // A command's own option hides that of the commands before.
  void add_once(const std::string& text, const std::string& help, const std::string& begin) {
    const bool is_there =
        std::any_of(out_.candidates.begin(), out_.candidates.end(),
                    [&text](const Candidate& candidate) { return candidate.text == text; });
    if (!is_there) add(text, help, begin);
  }

  const AskNames& ask_;
  Completion out_;
};

}  // namespace

Completion complete(const CLI::App& program, const std::vector<std::string>& words,
                    const AskNames& ask) {
  Line line;
  line.path.push_back(&program);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) read_word(line, words[i]);
  const std::string begin = words.empty() ? std::string() : words.back();
  Collector found(ask);
  const std::size_t equals = begin.find('=');
  if (line.waiting != nullptr) {
    // Of a pair only the first has a type, and that is its own.
    if (words_of(*line.waiting) == 1) found.add_values(line, *line.waiting, "", begin);
  } else if (!line.only_arguments && begin.starts_with("--") && equals != std::string::npos) {
    const CLI::Option* option = find_option(line.path, begin.substr(2, equals - 2), true);
    if (option != nullptr && words_of(*option) == 1) {
      found.add_values(line, *option, begin.substr(0, equals + 1), begin.substr(equals + 1));
    }
  } else if (!line.only_arguments && begin.starts_with('-')) {
    found.add_options(line, begin);
  } else {
    if (line.arguments == 0) found.add_commands(*line.path.back(), begin);
    const CLI::Option* argument = argument_at(*line.path.back(), line.arguments);
    if (argument != nullptr) found.add_values(line, *argument, "", begin);
  }
  return found.take();
}

std::string to_lines(const Completion& completion) {
  std::string out;
  for (const auto& [text, help] : completion.candidates) {
    out += printable(text);
    if (!help.empty()) out += '\t' + printable(help);
    out += '\n';
  }
  return completion.files ? out + ":files\n" : out;
}

}  // namespace berth::cli
