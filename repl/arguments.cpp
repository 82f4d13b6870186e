// From argv to an Invocation, with an error that helps for every way of getting it wrong.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "repl/command.h"

namespace tenon {
namespace {

[[noreturn]] void wrong(std::string message, std::string hint) {
  fail(Code::E1001, {}, std::move(message), std::move(hint));
}

const Option* find_option(const Command& command, std::string_view name) {
  for (const Option& option : command.options)
    if (option.name == name) return &option;
  if (command.runs)
    for (const Option& option : run_options())
      if (option.name == name) return &option;
  return nullptr;
}

[[noreturn]] void unknown_option(const Command& command, const std::string& name) {
  std::vector<std::string> known;
  for (const Option& option : command.options) known.emplace_back(option.name);
  if (command.runs)
    for (const Option& option : run_options()) known.emplace_back(option.name);
  std::vector<std::string> near = near_misses(name, known);
  std::string hint;
  if (!near.empty()) {
    hint = "did you mean " + near[0] + "?";
  } else {
    for (const Command& other : commands())
      if (hint.empty() && &other != &command && find_option(other, name))
        hint = "it is an option of `tenon " + std::string(other.name) + "`";
    if (hint.empty() && command.passes_arguments)
      hint = "arguments of the program itself stand after --";
    if (hint.empty()) hint = "`tenon help " + std::string(command.name) + "` lists the options";
  }
  wrong("`tenon " + std::string(command.name) + "` has no option " + name, hint);
}

// The value must be one of the words in the option's own description: "graph|eager".
std::string one_of(const Option& option, const std::string& given) {
  std::vector<std::string> words;
  std::string_view rest = option.value;
  for (;;) {
    size_t bar = rest.find('|');
    words.emplace_back(rest.substr(0, bar));
    if (words.back() == given) return given;
    if (bar == std::string_view::npos) break;
    rest.remove_prefix(bar + 1);
  }
  std::string list;
  for (size_t i = 0; i < words.size(); ++i)
    list += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  std::vector<std::string> near = near_misses(given, words);
  wrong(std::string(option.name) + " is " + list + ", not '" + given + "'",
        near.empty() ? "" : "did you mean " + near[0] + "?");
}

template <class T>
T number(const Invocation& invocation, std::string_view option, T least, T most, T otherwise) {
  if (!invocation.has(option)) return otherwise;
  std::string text = invocation.value(option);
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    wrong(std::string(option) + " is a whole number from " + std::to_string(least) + " to " +
              std::to_string(most) + ", not '" + text + "'",
          "");
  return value;
}

// A folder stands for the programs in it and in the folders inside it, by name; hidden ones are left out.
std::vector<std::string> programs_of(const std::vector<std::string>& operands) {
  namespace fs = std::filesystem;
  std::vector<std::string> out;
  for (const std::string& operand : operands) {
    std::error_code ignored;
    if (!fs::is_directory(operand, ignored)) {
      out.push_back(operand);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::recursive_directory_iterator at(operand, fs::directory_options::skip_permission_denied, ignored), end; at != end;
         at.increment(ignored)) {
      const fs::path path = at->path();
      if (path.filename().string().starts_with('.') && at->is_directory(ignored)) at.disable_recursion_pending();
      else if (path.extension() == ".model" && at->is_regular_file(ignored)) inside.push_back(path.lexically_normal().string());
    }
    if (inside.empty()) wrong("there is no .model file in the folder '" + operand + "'", "");
    std::sort(inside.begin(), inside.end());
    out.insert(out.end(), inside.begin(), inside.end());
  }
  return out;
}

}  // namespace

std::string Invocation::value(std::string_view option, std::string_view otherwise) const {
  auto at = options.find(option);
  return at == options.end() ? std::string(otherwise) : at->second;
}

Invocation parse_arguments(const Command& command, std::span<const std::string> arguments) {
  Invocation out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      auto rest = arguments.subspan(i + 1);
      if (command.passes_arguments)
        out.after_dashes.assign(rest.begin(), rest.end());
      else
        out.operands.insert(out.operands.end(), rest.begin(), rest.end());
      break;
    }
    // -e's operand is an expression, and may well begin with a minus.
    bool is_expression = command.name == "-e" && out.operands.empty() && argument != "--help" &&
                         !find_option(command, argument.substr(0, argument.find('=')));
    if (argument.size() < 2 || argument[0] != '-' || is_expression) {
      out.operands.push_back(argument);
      continue;
    }
    if (argument == "--help" || argument == "-h") {
      out.options["--help"] = "";
      return out;
    }
    size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    const Option* option = find_option(command, name);
    if (!option) unknown_option(command, name);
    if (out.has(option->name)) wrong("the option " + name + " is given twice", "");
    std::string value;
    if (option->value.empty()) {
      if (equals != std::string::npos) wrong("the option " + name + " takes no value", "");
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      wrong("the option " + name + " lacks its value, " + std::string(option->value), "");
    }
    if (option->value.find('|') != std::string_view::npos) value = one_of(*option, value);
    out.options[option->name] = value;
  }
  if (out.operands.size() < command.fewest)
    wrong("`tenon " + std::string(command.name) + "` lacks its " +
              std::string(command.operands.substr(0, command.operands.find_first_of(" .|"))),
          usage(command));
  if (out.operands.size() > command.most)
    wrong("`tenon " + std::string(command.name) + "` does not take '" + out.operands[command.most] +
              "'",
          command.passes_arguments ? "arguments of the program itself stand after --"
                                   : usage(command));
  if (command.operands == kPrograms) out.operands = programs_of(out.operands);
  return out;
}

RunSettings run_settings(const Invocation& invocation, Mode otherwise) {
  RunSettings out;
  out.mode = otherwise;
  if (invocation.has("--mode"))
    out.mode = invocation.value("--mode") == "eager" ? Mode::eager : Mode::graph;
  out.device = invocation.value("--device", "cpu");
  out.tf32 = invocation.value("--precision") == "tf32";
  out.threads = number<int>(invocation, "--threads", 1, 1024, 0);
  out.cpu = invocation.value("--cpu");
  out.seed = number<uint64_t>(invocation, "--seed", 0, UINT64_MAX, 0);
  out.stats = invocation.has("--stats");
  out.code_names = invocation.has("--code-names");
  out.arguments = invocation.after_dashes;
  return out;
}

}  // namespace tenon
