// `tenon explain`: what a program has become at each stage on its way to machine code.
#include <algorithm>
#include <set>

#include "frontend/ast_print.h"
#include "ir/passes.h"
#include "ir/passes/rewrite.h"
#include "ir/text.h"
#include "jit/compiled.h"
#include "jit/cuda/engine.h"
#include "jit/cuda/nvrtc.h"
#include "jit/plan/explain.h"
#include "session/impl.h"

namespace tenon {

namespace {

std::unique_ptr<ir::Function> after_exact_passes(ir::Module& module, ir::FnId fn) {
  std::unique_ptr<ir::Function> f = std::make_unique<ir::Function>(module.fn(fn));
  for (const ir::Pass& pass : ir::exact_passes()) f = pass.run(module, *f);
  return f;
}

// A function and, behind it, all that it still calls when the passes are done.
std::string plan_of(ir::Module& module, const SourceMap& sources, ir::FnId fn,
                    std::set<ir::FnId>& done) {
  if (!done.insert(fn).second) return "";
  const std::unique_ptr<ir::Function> f = after_exact_passes(module, fn);
  std::string text = plan::explain(*f, module.dims, {}, sources);
  ir::each_node(f->body, [&](const ir::Node& n) {
    if (const auto* call = std::get_if<ir::CallAttr>(&n.attr))
      text += plan_of(module, sources, call->fn, done);
  });
  return text;
}

// Every name with its type and sizes, by lines: those of the top level and the functions, or with a
// function's name that function's own. A function stands once for each kind of arguments.
std::string types_of(const SourceMap& sources, const Findings& found, FileId file,
                     const std::string& function) {
  std::vector<std::pair<uint32_t, std::string>> lines;  // by place
  for (const Findings::Named& n : found.types) {
    if (n.where.file != file) continue;
    const bool is_function = n.text.starts_with("fn ");
    // A method may be named without its model.
    const bool meant = n.function == function || n.function.ends_with("." + function);
    if (function.empty() ? !n.function.empty() && !is_function : !meant) continue;
    const std::pair<uint32_t, std::string> entry{n.where.begin, n.text};
    if (std::find(lines.begin(), lines.end(), entry) == lines.end()) lines.push_back(entry);
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (const auto& [place, text] : lines) {
    std::string number = std::to_string(sources.line_column(file, place).line);
    out += std::string(number.size() < 4 ? 4 - number.size() : 0, ' ') + number + "  ";
    for (char c : text) out += c == '\n' ? std::string("\n        ") : std::string(1, c);
    out += "\n";
  }
  return out;
}

// What each `train` block stands for, and the function of the library that it calls.
std::string trains_of(const SourceMap& sources, const Findings& found) {
  std::string out;
  for (const Findings::Training& t : found.trains) {
    out += "# line " + std::to_string(sources.line_column(t.where.file, t.where.begin).line) + "\n";
    out += t.text + "\n\n";
  }
  if (found.trainer.known())
    out += "# " + std::string(sources.name(found.trainer.file)) + "\n" +
           std::string(sources.text(found.trainer)) + "\n";
  return out;
}

// The function that is meant: a method may be named without its model, if one alone has it.
std::string full_name(const Findings& found, FileId file, const std::string& name) {
  std::string full;
  for (const Findings::Named& n : found.types) {
    if (n.where.file != file || n.function.empty()) continue;
    if (n.function == name) return name;
    if (!n.function.ends_with("." + name) || n.function == full) continue;
    if (!full.empty()) return name;
    full = n.function;
  }
  return full.empty() ? name : full;
}

bool defines(const Findings& found, FileId file, const std::string& name) {
  return std::any_of(found.types.begin(), found.types.end(), [&](const Findings::Named& n) {
    const std::string word = n.text.substr(4, n.text.find(':') - 4);
    return n.where.file == file && n.function.empty() && word == name;
  });
}

}  // namespace

Diagnostics Session::explain_file(const std::string& path, const std::string& stage,
                                  const std::string& function) {
  Impl& s = *impl_;
  ParseResult parsed = s.parse_file(path);
  if (!parsed.module) return parsed.errors;
  if (stage == "ast") {
    s.host.print(print_ast(*parsed.module));
    return {};
  }
  Findings found;
  Elaborator::Options how;
  how.findings = &found;
  Unit unit;
  Diagnostics out = guarded([&] { unit = s.elaborator.unit(parsed.module, how); });
  for (Diagnostic& d : unit.messages)
    if (!d.warning) out.push_back(std::move(d));
  if (!out.empty()) return out;

  const FileId file = parsed.module->top.loc.file;
  if (stage == "train") {
    if (found.trains.empty())
      return {{Code::E0201, {}, "there is no `train` block in " + path, {}, ""}};
    s.host.print(trains_of(s.sources, found));
    return {};
  }
  if (stage == "types") {
    const std::string text = types_of(s.sources, found, file, function);
    if (!text.empty() || function.empty()) {
      s.host.print(text);
      return {};
    }
  }

  std::optional<ir::FnId> fn = unit.fn;
  if (!function.empty()) {
    Diagnostics messages;
    const std::string full = full_name(found, file, function);
    out = guarded([&] { fn = s.elaborator.function_named(full, messages); });
    for (Diagnostic& d : messages)
      if (!d.warning) out.push_back(std::move(d));
    if (!out.empty()) return out;
    if (!fn && defines(found, file, function))
      return {{Code::E0201, {}, "`" + function + "` is a value, and only functions are compiled", {},
               "--emit=types tells its type; without a name the file's own statements are shown"}};
    if (!fn) {
      std::vector<std::string> names;
      for (const Findings::Named& n : found.types)
        if (n.where.file == file && !n.function.empty()) names.push_back(n.function);
      const std::vector<std::string> near = near_misses(function, names);
      return {{Code::E0201, {}, "there is no function `" + function + "` in " + path, {},
               near.empty() ? "name a function or a method of the file"
                            : "did you mean `" + near[0] + "`?"}};
    }
  }
  return guarded([&] {
    std::string text;
    if (stage == "ir") {
      text = ir::print_program(s.module, *fn);
    } else if (stage == "ir-opt") {
      text = ir::print(s.module, *after_exact_passes(s.module, *fn));
    } else {
      // The statements of a file have effects; what is compiled of them are their spans.
      std::vector<ir::FnId> list{*fn};
      if (s.module.fn(*fn).effect) {
        const size_t before = s.module.functions.size();
        SpanCutter(s.module).cut(*fn);
        list.clear();
        for (size_t i = before; i < s.module.functions.size(); ++i)
          if (!s.module.fn(static_cast<ir::FnId>(i)).effect) list.push_back(static_cast<ir::FnId>(i));
      }
      if (stage == "plan") {
        std::set<ir::FnId> done;
        for (ir::FnId id : list) text += plan_of(s.module, s.sources, id, done);
        if (text.empty()) text = "nothing here is compiled: there is no work on tensors\n";
        s.host.print(text);
        return;
      }
      if (stage == "cuda" || stage == "ptx") {
        for (ir::FnId id : list) {
          const std::string kernels = cuda::GpuCompiler::text(s.module, id);
          text += stage == "cuda" ? kernels : cuda::compile_ptx(kernels, "compute_90");
        }
        if (text.empty()) text = "nothing here runs on a GPU: there is no work on tensors\n";
        s.host.print(text);
        return;
      }
      const Compiler::Stage at = stage == "loop"   ? Compiler::Stage::loop
                                 : stage == "llvm" ? Compiler::Stage::llvm
                                                   : Compiler::Stage::assembly;
      for (ir::FnId id : list) text += s.tier.compiler().dump(id, at);
    }
    if (!text.empty() && text.back() != '\n') text += '\n';
    s.host.print(text);
  });
}

}  // namespace tenon
