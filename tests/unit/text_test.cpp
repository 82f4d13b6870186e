// rooms: support ir
// The printed form and its parser are each other's inverse, and no text crashes the parser.

#include "ir/text.h"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

#include "ir/verify.h"

namespace tenon::ir {
namespace {

std::string everything() {
  std::ifstream in("ir/everything.ir");
  EXPECT_TRUE(in) << "run me in tests/";
  std::ostringstream s;
  s << in.rdbuf();
  return s.str();
}

TEST(Text, PrintsWhatItRead) {
  const std::string text = everything();
  std::string error;
  const auto m = parse_text(text, error);
  ASSERT_TRUE(m) << error;
  EXPECT_EQ(print(*m), text);
}

TEST(Text, WhatIsReadIsWellFormed) {
  std::string error;
  const auto m = parse_text(everything(), error);
  ASSERT_TRUE(m) << error;
  for (const auto& f : m->functions) EXPECT_EQ(verify(*m, *f), "");
}

TEST(Text, SymbolsOfOneNameAreToldApart) {
  Module m;
  auto f = std::make_unique<Function>();
  f->name = "two words";
  f->sizes = {m.dims.fresh("N", {}, true), m.dims.fresh("N", {}, true),
              m.dims.fresh("a b", {}, false), m.dims.fresh("n", {}, true, true)};
  for (SymId s : f->sizes) {
    if (m.dims.symbol_info(s).signed_) continue;  // a number is no size
    f->body.params.push_back(f->new_value({DType::f32, {m.dims.symbol(s)}}));
    f->params.emplace_back();
  }
  m.add(std::move(f));
  EXPECT_EQ(print(m),
            "fn @0 two_words[N, N.1, a_b?, n~](%0: f32[N], %1: f32[N.1], %2: f32[a_b?]) {\n"
            "  return\n}\n");
  std::string error;
  const auto again = parse_text(print(m), error);
  ASSERT_TRUE(again) << error;
  EXPECT_EQ(print(*again), print(m));
  EXPECT_TRUE(again->dims.symbol_info(again->functions[0]->sizes[3]).signed_);
  EXPECT_FALSE(again->dims.symbol_info(again->functions[0]->sizes[2]).signed_);
}

TEST(Text, AProgramIsNumberedFromItsRoot) {
  std::string error;
  const auto m = parse_text(everything(), error);
  ASSERT_TRUE(m) << error;
  const std::string program = print_program(*m, 6);
  EXPECT_TRUE(program.starts_with("fn @0 caller[]")) << program;
  const auto again = parse_text(program, error);
  ASSERT_TRUE(again) << error;
  EXPECT_EQ(again->functions.size(), 5u);  // caller, gather, zeros, newton, branch
  EXPECT_EQ(print_program(*again, 0), program);
}

TEST(Text, MessagesNameTheLine) {
  const std::pair<const char*, const char*> bad[] = {
      {"fn @1 f[]() {\n return\n}", "line 1: functions are numbered in order"},
      {"fn @0 f[]() {\n return %0\n}", "line 2: %0 is not defined before"},
      {"fn @0 f[]() {\n\n %0: f33 = constant 1\n return\n}", "line 3: no such type: f33"},
      {"fn @0 f[]() {\n frobnicate()\n return\n}", "line 2: no such operation: frobnicate"},
      {"fn @0 f[]() {\n call @3\n return\n}", "line 4: @3 is called but not there"},
      {"fn @0 f[]() {\n debug() \"x\n return\n}", "line 2: a string does not end"},
      {"fn @0 f[]() {\n %0: f32[2] = constant [1.0]\n return\n}",
       "line 2: a wrong number of elements"},
      {"fn @0 f[]() {\n %0: u8 = constant 256\n return\n}", "line 2: the number does not fit"},
      {"fn", "line 1: expected '@', found ''"},
  };
  for (const auto& [text, message] : bad) {
    std::string error;
    EXPECT_FALSE(parse_text(text, error)) << text;
    EXPECT_EQ(error, message) << text;
  }
}

// What still parses after damage goes to the verifier and the printer, which must stand it too.
void survives(const std::string& text) {
  std::string error;
  const auto m = parse_text(text, error);
  if (!m) {
    ASSERT_FALSE(error.empty());
    return;
  }
  for (const auto& f : m->functions) verify(*m, *f);
  const std::string printed = print(*m);
  const auto again = parse_text(printed, error);
  ASSERT_TRUE(again) << error << "\n" << printed;
  ASSERT_EQ(print(*again), printed);
}

TEST(Text, SurvivesDamage) {
  const std::string text = everything();
  std::mt19937 random(3);
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  for (int round = 0; round < 4000; ++round) {
    std::string s = text;
    for (int k = int(random() % 4); k >= 0; --k) {
      const size_t at = random() % s.size();
      switch (random() % 6) {
        case 0:
          s[at] = char(random() % 256);
          break;
        case 1:
          s.erase(at, random() % 20);
          break;
        case 2:
          s.insert(at, s.substr(random() % s.size(), random() % 40));
          break;
        case 3:
          s.insert(at, lines[random() % lines.size()]);
          break;
        case 4:
          s[at] = "()[]{}%@$0123456789-+*/?,:=\"#"[random() % 29];
          break;
        default:
          s.resize(at + 1);
          break;
      }
    }
    survives(s);
  }
}

TEST(Text, SurvivesWellFormedNonsense) {
  // Whole tokens are swapped, which gets further than damaged letters.
  const std::string text = everything();
  std::vector<std::string> tokens;
  std::string token;
  for (char c : text) {
    if (std::string(" \n(),[]").find(c) != std::string::npos) {
      if (!token.empty()) tokens.push_back(token);
      token.clear();
      tokens.push_back(std::string(1, c));
    } else {
      token += c;
    }
  }
  std::mt19937 random(5);
  int parsed = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::string> t = tokens;
    for (int k = int(random() % 3); k >= 0; --k)
      t[random() % t.size()] = tokens[random() % t.size()];
    std::string s, error;
    for (const std::string& x : t) s += x;
    parsed += parse_text(s, error) != nullptr;
    survives(s);
  }
  EXPECT_GT(parsed, 100);
}

TEST(Text, SurvivesDepthAndWidth) {
  std::string error;
  EXPECT_FALSE(parse_text("fn @0 f[](%0: f32[" + std::string(100000, '(') + "1", error));
  EXPECT_FALSE(parse_text("fn @0 f[](%0: f32[" + std::string(100000, '-') + "1", error));
  std::string deep = "fn @0 f[](%0: bool) {\n";
  for (int i = 0; i < 100000; ++i) deep += "if(%0) {\n";
  EXPECT_FALSE(parse_text(deep, error));
  std::string wide = "(a + b + c + d + e + f)", product = wide;
  for (int i = 0; i < 40; ++i) product += "*" + wide;
  EXPECT_FALSE(parse_text("fn @0 f[](%0: f32[" + product + "]) {\n return\n}", error));
}

}  // namespace
}  // namespace tenon::ir
