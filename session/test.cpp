// `tenon test`: the top level once, then each test on what it left (rule 17).
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "session/impl.h"

namespace tenon {

namespace {

std::string milliseconds(std::chrono::steady_clock::duration d) {
  char text[48];
  const double ms = std::chrono::duration<double, std::milli>(d).count();
  std::snprintf(text, sizeof text, ms < 10 ? "%.1f ms" : ms < 10000 ? "%.0f ms" : "%.3g ms", ms);
  return text;
}

// What goes wrong in a test says which one it was.
void name_test(Diagnostics& list, const std::string& title) {
  for (Diagnostic& d : list) d.notes.push_back({{}, "in the test \"" + title + "\""});
}

}  // namespace

Diagnostics Session::Impl::run_test(const UnitTest& test, const std::function<void()>& on_failure) {
  const auto start = std::chrono::steady_clock::now();
  std::string printed;
  host.keep_in(&printed);
  Unit unit;
  Diagnostics wrong = guarded([&] { unit = elaborator.test(*test.stmt); });
  for (Diagnostic& d : unit.messages)
    if (!d.warning) wrong.push_back(std::move(d));
  if (wrong.empty()) wrong = guarded([&] { run(unit.fn, {}, {}, unit.inputs); });
  host.keep_in(nullptr);
  const std::string time = milliseconds(std::chrono::steady_clock::now() - start);
  if (wrong.empty()) {
    host.print("ok      " + test.title + "  (" + time + ")\n");
    return wrong;
  }
  if (on_failure) on_failure();
  host.print(printed);
  host.print("FAILED  " + test.title + "  (" + time + ")\n");
  name_test(wrong, test.title);
  return wrong;
}

Diagnostics no_title(const std::string& what, const std::string& path, const std::string& filter,
                     const std::vector<UnitTest>& all) {
  std::string titles;
  for (size_t i = 0; i < all.size() && i < 5; ++i) titles += (i ? ", \"" : "\"") + all[i].title + "\"";
  if (all.size() > 5) titles += " ..";
  return {{Code::E1001, {}, "no " + what + " of " + path + " has '" + filter + "' in its title", {},
           titles.empty() ? "the file has no " + what : "there are " + titles}};
}

Diagnostics Session::test_file(const std::string& path, const std::string& filter) {
  Impl& s = *impl_;
  s.interrupted = false;
  ParseResult parsed = s.parse_file(path);
  if (!parsed.module) return parsed.errors;
  Elaborator::Options how;
  how.check_all = false;
  Unit top;
  Diagnostics out = guarded([&] { top = s.elaborator.unit(parsed.module, how); });
  for (Diagnostic& d : top.messages)
    if (!d.warning) out.push_back(std::move(d));
  if (!out.empty()) return out;

  std::string printed;
  auto show_printed = [&] {
    s.host.keep_in(nullptr);
    if (!printed.empty()) s.host.print(printed);
    printed.clear();
  };
  s.host.keep_in(&printed);
  out = s.run_unit(top);
  s.host.keep_in(nullptr);
  if (!out.empty()) {
    show_printed();
    return out;
  }

  size_t passed = 0, failed = 0;
  bool any = false;  // test whose title has the filter
  for (const UnitTest& test : top.tests) {
    if (test.title.find(filter) == std::string::npos) continue;
    any = true;
    Diagnostics wrong = s.run_test(test, show_printed);
    ++(wrong.empty() ? passed : failed);
    out.insert(out.end(), wrong.begin(), wrong.end());
    if (std::any_of(wrong.begin(), wrong.end(),
                    [](const Diagnostic& d) { return d.code == Code::E0807; }))
      break;
  }
  // Own derivatives, against the automatic ones (rule 12).
  for (const UnitTest& rule : top.rules) {
    if (rule.title.find(filter) == std::string::npos) continue;
    any = true;
    const auto start = std::chrono::steady_clock::now();
    Diagnostics wrong;
    std::string cannot;  // why there is nothing to compare with
    std::string own;
    s.host.keep_in(&own);
    for (int turn = 0; turn < 6 && wrong.empty() && cannot.empty(); ++turn) {
      Unit unit;
      wrong = guarded([&] { unit = s.elaborator.rule_test(*rule.stmt, turn % 2 == 1, turn / 2); });
      for (Diagnostic& d : unit.messages)
        if (!d.warning) cannot = d.message;
      if (wrong.empty() && cannot.empty()) wrong = guarded([&] { s.run(unit.fn, {}, {}, unit.inputs); });
    }
    s.host.keep_in(nullptr);
    const std::string time = milliseconds(std::chrono::steady_clock::now() - start);
    if (!cannot.empty()) {
      s.host.print("--      " + rule.title + "  is not checked: " + cannot + "\n");
      continue;
    }
    ++(wrong.empty() ? passed : failed);
    if (!wrong.empty()) show_printed();
    s.host.print((wrong.empty() ? "ok      " : "FAILED  ") + rule.title + "  (" + time + ")\n");
    out.insert(out.end(), wrong.begin(), wrong.end());
  }
  if (!any && !filter.empty()) return no_title("test", path, filter, top.tests);
  s.host.print(std::to_string(passed) + " passed, " + std::to_string(failed) + " failed\n");
  return out;
}

}  // namespace tenon
