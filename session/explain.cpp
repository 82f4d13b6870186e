// `tenon explain`: what a program has become at each stage on its way to machine code.
#include "frontend/ast_print.h"
#include "ir/passes.h"
#include "ir/text.h"
#include "jit/compiled.h"
#include "session/impl.h"

namespace tenon {

namespace {

std::string after_exact_passes(ir::Module& module, ir::FnId fn) {
  std::unique_ptr<ir::Function> f = std::make_unique<ir::Function>(module.fn(fn));
  for (const ir::Pass& pass : ir::exact_passes()) f = pass.run(module, *f);
  return ir::print(module, *f);
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
  if (stage == "types" || stage == "train" || stage == "plan")
    return {{Code::E1002, {}, "the stage " + stage + " cannot be shown by this build", {},
             "ast, ir, ir-opt, loop, llvm and asm can"}};
  Unit unit;
  Diagnostics out = guarded([&] { unit = s.elaborator.unit(parsed.module, {}); });
  for (Diagnostic& d : unit.messages)
    if (!d.warning) out.push_back(std::move(d));
  if (!out.empty()) return out;

  std::optional<ir::FnId> fn = unit.fn;
  if (!function.empty()) {
    Diagnostics messages;
    out = guarded([&] { fn = s.elaborator.function_named(function, messages); });
    for (Diagnostic& d : messages)
      if (!d.warning) out.push_back(std::move(d));
    if (!out.empty()) return out;
    if (!fn) {
      const std::vector<std::string> near = near_misses(function, s.elaborator.names());
      return {{Code::E0201, {}, "there is no function `" + function + "` in " + path, {},
               near.empty() ? "name a function of the file's top level" : "did you mean `" + near[0] + "`?"}};
    }
  }
  return guarded([&] {
    std::string text;
    if (stage == "ir") {
      text = ir::print_program(s.module, *fn);
    } else if (stage == "ir-opt") {
      text = after_exact_passes(s.module, *fn);
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
