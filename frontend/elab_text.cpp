// Strings with holes, and how values become text.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "frontend/elab.h"

namespace tenon::elab {
namespace {

// The shortest decimal that reads back the same, laid out as Python does; what the runtime prints for
// a number that is only known then.
std::string shortest(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[40];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(v), std::chars_format::scientific);
  const std::string s(buffer, r.ptr);
  const size_t e = s.find('e');
  const int exponent = std::stoi(s.substr(e + 1));
  std::string digits = s.substr(0, 1) + (e > 2 ? s.substr(2, e - 2) : "");
  const std::string sign = std::signbit(v) ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) return sign + s;
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return sign + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  return sign + digits.insert(static_cast<size_t>(exponent + 1), ".");
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    out += c;
    if (c == '{' || c == '}') out += c;
  }
  return out;
}

// Python's format mini-language, as far as rule 16 takes it: [[fill]align][sign][#][0][width][,][.n][type]
bool valid_format(std::string_view f, bool integer) {
  size_t i = 0;
  auto align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (f.size() >= 2 && align(f[1])) i = 2;
  else if (!f.empty() && align(f[0])) i = 1;
  if (i < f.size() && (f[i] == '+' || f[i] == '-' || f[i] == ' ')) ++i;
  if (i < f.size() && f[i] == '#') ++i;
  while (i < f.size() && f[i] >= '0' && f[i] <= '9') ++i;
  if (i < f.size() && f[i] == ',') ++i;
  if (i < f.size() && f[i] == '.') {
    ++i;
    size_t digits = i;
    while (i < f.size() && f[i] >= '0' && f[i] <= '9') ++i;
    if (i == digits || i - digits > 3) return false;
  }
  if (i == f.size()) return true;
  if (i + 1 != f.size()) return false;
  char t = f[i];
  if (t == 'd') return integer;
  return t == 'e' || t == 'f' || t == 'g' || t == 's' || t == '%';
}

// A string in a hole with a format that `valid_format` took: alignment, width, and how much of it.
std::string padded(std::string text, std::string_view f) {
  std::string fill = " ";
  char align = '<';
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (f.size() >= 2 && is_align(f[1])) {
    fill = f.substr(0, 1);
    align = f[1];
    f.remove_prefix(2);
  } else if (!f.empty() && is_align(f[0])) {
    align = f[0];
    f.remove_prefix(1);
  }
  auto number = [&] {
    size_t n = 0;
    while (!f.empty() && f[0] >= '0' && f[0] <= '9') {
      n = std::min<size_t>(n * 10 + static_cast<size_t>(f[0] - '0'), 10000);
      f.remove_prefix(1);
    }
    return n;
  };
  auto first_byte = [](char c) { return (c & 0xC0) != 0x80; };  // of a UTF-8 character
  const size_t width = number();
  if (!f.empty() && f[0] == '.') {
    f.remove_prefix(1);
    size_t keep = number(), at = 0;
    while (at < text.size() && (keep > 0 || !first_byte(text[at]))) keep -= first_byte(text[at++]) ? 1 : 0;
    text.resize(at);
  }
  const size_t length = static_cast<size_t>(std::count_if(text.begin(), text.end(), first_byte));
  const size_t missing = width > length ? width - length : 0;
  const size_t before = align == '>' || align == '=' ? missing : align == '^' ? missing / 2 : 0;
  std::string out;
  for (size_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (size_t i = before; i < missing; ++i) out += fill;
  return out;
}

void text_piece(std::vector<TextPiece>& out, std::string text) {
  if (text.empty()) return;
  if (!out.empty() && !out.back().hole) out.back().text += text;
  else out.push_back({std::move(text), nullptr, ""});
}

}  // namespace

Val Elab::string_lit(const ast::StringLit& s, const ScopePtr& sc) {
  std::vector<TextPiece> out;
  for (auto& p : s.pieces) {
    if (!p.hole) {
      text_piece(out, p.text);
      continue;
    }
    Val v = expr(*p.hole, sc);
    if (is_poison(v)) throw Reported{};
    show(v, p.format, out, p.hole->loc);
  }
  return std::make_shared<StringVal>(std::move(out));
}

void Elab::show(const Val& v_in, const std::string& format, std::vector<TextPiece>& out, Loc loc, bool nested) {
  if (is_poison(v_in)) throw Reported{};
  Val v = named_value(v_in);
  auto list = [&](const std::vector<Val>& xs, const char* open, const char* close, const char* one) {
    text_piece(out, open);
    for (size_t i = 0; i < xs.size(); ++i) {
      if (i) text_piece(out, ", ");
      show(xs[i], format, out, loc, true);
    }
    text_piece(out, xs.size() == 1 ? std::string(one) + close : close);
  };
  if (!format.empty()) {
    bool integer = v->kind == Value::integer || (dtype_of(v) && is_integer(*dtype_of(v)));
    bool number = v->kind == Value::tensor || v->kind == Value::integer || v->kind == Value::real;
    if (!valid_format(format, integer) || (!number && v->kind != Value::string && v->kind != Value::tuple && v->kind != Value::list))
      error(Code::E0410, loc, "the format `" + format + "` does not fit " + type_text(v),
            "formats are Python's: {x:.3f} {x:8.2e} {n:5d} {share:.1%}");
  }
  switch (v->kind) {
    case Value::unit: text_piece(out, "nothing"); return;
    case Value::tensor:
      out.push_back({"", v, format});
      return;
    case Value::integer:
      if (auto k = known_int(v); k && format.empty()) text_piece(out, std::to_string(*k));
      else out.push_back({"", v, format});
      return;
    case Value::real:
      if (auto k = as<FloatVal>(v)->known; k && format.empty()) text_piece(out, shortest(*k));
      else out.push_back({"", v, format});
      return;
    case Value::string:
      if (!format.empty()) {
        auto known = as<StringVal>(v)->known();
        if (!known) error(Code::E0410, loc, "a string with holes takes no format", "give the holes inside it a width");
        text_piece(out, padded(*known, format));
        return;
      }
      if (nested) text_piece(out, "\"");
      for (auto& p : as<StringVal>(v)->pieces) {
        if (p.hole) out.push_back(p);
        else text_piece(out, p.text);
      }
      if (nested) text_piece(out, "\"");
      return;
    case Value::tuple: list(as<TupleVal>(v)->elements, "(", ")", ","); return;
    case Value::list: list(as<ListVal>(v)->elements, "[", "]", ""); return;
    case Value::record: {
      text_piece(out, "{");
      bool first = true;
      for (auto& [n, x] : as<RecordVal>(v)->fields) {
        text_piece(out, (first ? "" : ", ") + n + ": ");
        first = false;
        show(x, format, out, loc, true);
      }
      text_piece(out, "}");
      return;
    }
    case Value::range:
      show(as<RangeVal>(v)->lo, "", out, loc, true);
      text_piece(out, "..");
      show(as<RangeVal>(v)->hi, "", out, loc, true);
      return;
    case Value::sequence: text_piece(out, "<sequence>"); return;
    case Value::function: {
      const auto& f = *as<FunctionVal>(v);
      text_piece(out, f.what == FunctionVal::named ? "<fn " + f.decl->id.text + ">"
                      : f.what == FunctionVal::builtin ? "<fn " + std::string(f.primitive->name) + ">" : "<fn>");
      return;
    }
    case Value::model:
      if (nested) text_piece(out, as<ModelVal>(v)->decl->id.text);
      else summary(*as<ModelVal>(v), out, loc);
      return;
    case Value::model_class: text_piece(out, "<model " + as<ModelClassVal>(v)->decl->id.text + ">"); return;
    case Value::dtype: text_piece(out, std::string(tenon::name(as<DTypeVal>(v)->value))); return;
    case Value::module: text_piece(out, "<module " + as<ModuleVal>(v)->name + ">"); return;
    case Value::type: text_piece(out, "<type>"); return;
    case Value::never: case Value::weak: case Value::poison: return;
  }
}

// A table: path, shape, parameters; sizes that only run time knows are filled in then.
void Elab::summary(const ModelVal& m, std::vector<TextPiece>& out, Loc loc) {
  std::vector<FlatLeaf> flat;
  flatten(std::make_shared<ModelVal>(m), flat);
  size_t wide = 9;
  for (auto& f : flat) {
    wide = std::max(wide, f.path.size());
    for (auto& p : f.also) wide = std::max(wide, p.size());
  }
  DimId total = dims.constant(0), bytes = dims.constant(0);
  text_piece(out, m.decl->id.text + "\n");
  for (auto& f : flat) {
    if (f.role != ir::Leaf::param && f.role != ir::Leaf::state) continue;
    std::string line = "  " + f.path + std::string(wide + 2 - f.path.size(), ' ');
    std::string type = type_text(f.type);
    line += type + std::string(type.size() < 20 ? 20 - type.size() : 1, ' ');
    text_piece(out, line);
    DimId n = dims.constant(1);
    for (DimId d : f.type.shape) n = dims.mul(n, d);
    show(std::make_shared<IntVal>(n), "", out, loc);
    text_piece(out, f.role == ir::Leaf::state ? " (state)\n" : "\n");
    if (f.role == ir::Leaf::param) total = dims.add(total, n);
    bytes = dims.add(bytes, dims.mul(n, dims.constant(static_cast<int64_t>(size_of(f.type.dtype)))));
    for (auto& p : f.also) text_piece(out, "  " + p + std::string(wide + 2 - p.size(), ' ') + "is " + f.path + "\n");
  }
  text_piece(out, "  parameters: ");
  show(std::make_shared<IntVal>(total), "", out, loc);
  text_piece(out, ", bytes: ");
  show(std::make_shared<IntVal>(bytes), "", out, loc);
}

std::vector<TextPiece> Elab::pieces_of(const Val& v, Loc loc) {
  std::vector<TextPiece> out;
  show(v, "", out, loc);
  return out;
}

std::string Elab::holes(const std::vector<TextPiece>& pieces, std::vector<ir::Value>& operands) {
  std::string text;
  for (auto& p : pieces) {
    if (!p.hole) {
      text += escaped(p.text);
      continue;
    }
    text += p.format.empty() ? "{}" : "{:" + p.format + "}";
    if (auto* i = as<IntVal>(p.hole)) operands.push_back(int_value(*i));
    else if (auto* f = as<FloatVal>(p.hole)) operands.push_back(float_value(*f));
    else operands.push_back(use(*as<TensorVal>(p.hole)));
  }
  return text;
}

void Elab::emit_text(std::string_view host_name, const std::vector<TextPiece>& pieces, Loc loc) {
  std::vector<ir::Value> operands;
  std::string text = holes(pieces, operands);
  host(std::string(host_name), {text}, operands, {}, {}, loc);
}

std::vector<Val> Elab::host(const std::string& name, std::vector<std::string> args, std::vector<ir::Value> operands,
                            std::vector<ir::Type> results, std::vector<SymId> binds, Loc loc) {
  require_effect(loc, "`" + name + "`");
  // An effect of the library is one of the statement that called it.
  if (in_library(loc))
    for (const Loc& call : calls)
      if (call.known() && !in_library(call)) loc = call;
  cx->b.at(loc);
  std::vector<Val> out;
  auto values = cx->b.emit(ir::Op::host, std::move(operands),
                           ir::HostAttr{name, std::move(args), std::move(results), std::move(binds)}).results;
  for (ir::Value v : values) out.push_back(tensor(v));
  return out;
}

}  // namespace tenon::elab
