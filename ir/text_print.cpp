// Prints the IR (text.h). text_parse.cpp reads exactly what is written here.

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "ir/literal.h"
#include "ir/text.h"

namespace tenon::ir {
namespace {

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

std::string word(std::string_view s) {
  std::string out;
  for (char c : s) out += word_char(c) ? c : '_';
  if (out.empty() || (out[0] >= '0' && out[0] <= '9') || out[0] == '.') out.insert(0, "_");
  return out;
}

std::string quoted(std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 32) {
      out += "\\x";
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

template <class F>
std::string shortest(F v) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), v).ptr;
  std::string s(buffer, end);
  if (s.find_first_of(".en") == std::string::npos) s += ".0";
  return s;
}

// The payload of a NaN is part of the text, so that reading gives the same bytes.
std::string element(const Literal& l, size_t i) {
  if (!is_float(l.dtype))
    return l.dtype == DType::boolean ? (integer_at(l, i) ? "true" : "false")
                                     : std::to_string(integer_at(l, i));
  const double v = number_at(l, i);
  if (std::isnan(v)) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), bits_at(l, i), 16).ptr;
    return "nan:" + std::string(buffer, end);
  }
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return l.dtype == DType::f64 ? shortest(v) : shortest(static_cast<float>(v));
}

class Printer {
 public:
  explicit Printer(const Module& module) : module_(module) {
    names_[kAnySize] = *taken_.insert("_").first;
  }

  // With `numbers`, functions are called by their place in it.
  void number_functions(const std::vector<FnId>& order) {
    for (size_t i = 0; i < order.size(); ++i) number_[order[i]] = i;
  }

  void function(FnId id, const Function& fn) {
    fn_ = &fn;
    values_.assign(fn.types.size(), 0);
    next_ = 1;
    out_ += "fn " + fn_ref(id) + " " + word(fn.name) + "[";
    for (size_t i = 0; i < fn.sizes.size(); ++i) out_ += (i ? ", " : "") + binding(fn.sizes[i]);
    out_ += "](";
    const bool many = fn.body.params.size() > 3;
    for (size_t i = 0; i < fn.body.params.size(); ++i) {
      out_ += i ? (many ? ",\n    " : ", ") : (many ? "\n    " : "");
      out_ += defined(fn.body.params[i]);
      if (i < fn.params.size()) leaf(fn.params[i]);
    }
    out_ += ")";
    if (fn.effect) out_ += " effect";
    if (fn.recursive) out_ += " recursive";
    if (fn.vjp_rule) out_ += " rule=" + fn_ref(*fn.vjp_rule);
    out_ += " {\n";
    for (const Node& n : fn.body.nodes) node(n, 1);
    out_ += "  return";
    for (size_t i = 0; i < fn.body.results.size(); ++i) {
      out_ += (i ? ", " : " ") + used(fn.body.results[i]);
      if (i < fn.results.size()) leaf(fn.results[i]);
    }
    out_ += "\n}\n";
  }

  std::string take() { return std::move(out_); }

 private:
  std::string fn_ref(FnId id) const {
    const auto at = number_.find(id);
    return "@" + std::to_string(at == number_.end() ? id : at->second);
  }

  // ---- sizes
  std::string symbol(SymId s) {
    if (const auto at = names_.find(s); at != names_.end()) return at->second;
    const std::string base = word(module_.dims.symbol_info(s).name);
    std::string name = base;
    for (int k = 1; !taken_.insert(name).second; ++k) name = base + "." + std::to_string(k);
    return names_[s] = name;
  }
  std::string binding(SymId s) {
    const Symbol& info = module_.dims.symbol_info(s);
    return symbol(s) + (info.rigid ? "" : "?") + (info.signed_ ? "~" : "");
  }
  // Also where a size is only used, its symbols are marked: their order of appearance is free.
  std::string size(DimId d) {
    return module_.dims.text(d, [this](SymId s) { return binding(s); });
  }
  std::string shape(const std::vector<DimId>& dims) {
    std::string s;
    for (size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + size(dims[i]);
    return "[" + s + "]";
  }
  std::string type(const Type& t) {
    if (t.tape) return "tape";
    return std::string(tenon::name(t.dtype)) + (t.shape.empty() ? "" : shape(t.shape));
  }

  // ---- values
  std::string used(Value v) const {
    if (v >= values_.size() || values_[v] == 0) return "%undefined" + std::to_string(v);
    return "%" + std::to_string(values_[v] - 1);
  }
  std::string defined(Value v) {
    if (v >= values_.size()) return used(v);
    values_[v] = next_++;
    return used(v) + ": " + type(fn_->types[v]);
  }
  std::string list(const std::vector<Value>& values) const {
    std::string s;
    for (size_t i = 0; i < values.size(); ++i) s += (i ? ", " : "") + used(values[i]);
    return s;
  }

  void leaf(const Leaf& l) {
    static constexpr const char* kRoles[] = {"data", "param", "state", "key"};
    if (l.role == Leaf::data && l.path.empty()) return;
    out_ += std::string(" ") + kRoles[l.role] + " " + quoted(l.path);
  }

  // ---- nodes
  void node(const Node& n, int depth) {
    out_.append(size_t(depth) * 2, ' ');
    // Numbers of results come first in the text, so they are given first; operands are older.
    for (size_t i = 0; i < n.results.size(); ++i) out_ += (i ? ", " : "") + defined(n.results[i]);
    if (!n.results.empty()) out_ += " = ";
    out_ += ir::name(n.op);
    if (!n.operands.empty()) out_ += "(" + list(n.operands) + ")";
    std::visit([this](const auto& a) { attribute(a); }, n.attr);
    for (const Region& r : n.regions) region(r, depth);
    if (const auto* a = std::get_if<CallAttr>(&n.attr); a && a->fn < module_.functions.size())
      out_ += "  # " + word(module_.fn(a->fn).name);
    out_ += "\n";
  }

  void region(const Region& r, int depth) {
    const std::string indent(size_t(depth) * 2 + 2, ' ');
    out_ += " {\n";
    if (!r.params.empty()) {
      out_ += indent + "(";
      for (size_t i = 0; i < r.params.size(); ++i) out_ += (i ? ", " : "") + defined(r.params[i]);
      out_ += ")\n";
    }
    for (const Node& n : r.nodes) node(n, depth + 1);
    out_ += indent + "yield" + (r.results.empty() ? "" : " ") + list(r.results) + "\n";
    out_ += indent.substr(2) + "}";
  }

  static std::string numbers(const auto& values) {
    std::string s;
    for (size_t i = 0; i < values.size(); ++i) s += (i ? ", " : "") + std::to_string(values[i]);
    return "[" + s + "]";
  }
  std::string affines(const std::vector<Affine>& list) {
    std::string s = "[";
    for (size_t i = 0; i < list.size(); ++i) {
      s += i ? ", " : "";
      bool first = true;
      for (const Affine::Term& t : list[i].terms) {
        if (!first) s += " + ";
        if (t.coefficient != 1) s += std::to_string(t.coefficient) + "*";
        s += "$" + std::to_string(t.index);
        first = false;
      }
      if (first || module_.dims.value(list[i].offset) != int64_t{0})
        s += (first ? "(" : " + (") + size(list[i].offset) + ")";
    }
    return s + "]";
  }
  static std::string axis(int a) { return " axis=" + std::to_string(a); }
  static std::string kind(ReduceKind k) { return " " + std::string(ir::name(k)); }

  void attribute(const std::monostate&) {}
  void attribute(const ConstantAttr& a) {
    if (!a.literal) return;
    const Literal& l = *a.literal;
    if (l.shape.empty()) {
      out_ += " " + element(l, 0);
      return;
    }
    out_ += " [";
    const size_t count = element_count(l.shape);
    for (size_t i = 0; i < count; ++i) out_ += (i ? ", " : "") + element(l, i);
    out_ += "]";
  }
  void attribute(const IotaAttr& a) { out_ += axis(a.axis); }
  void attribute(const DimAttr& a) { out_ += " " + size(a.dim); }
  void attribute(const ShapeAttr&) {}
  void attribute(const BroadcastAttr& a) { out_ += " axes=" + numbers(a.axes); }
  void attribute(const AxesAttr& a) { out_ += " axes=" + numbers(a.axes); }
  void attribute(const SliceAttr& a) { out_ += " strides=" + numbers(a.strides); }
  void attribute(const AxisAttr& a) { out_ += axis(a.axis); }
  void attribute(const ReduceAttr& a) { out_ += kind(a.kind) + " axes=" + numbers(a.axes); }
  void attribute(const ArgReduceAttr& a) { out_ += kind(a.kind) + axis(a.axis); }
  void attribute(const ScanAttr& a) {
    out_ += kind(a.kind) + axis(a.axis) + (a.reverse ? " reverse" : "");
  }
  void attribute(const ContractAttr& a) {
    if (!a.spec) return;
    out_ += " range=" + shape(a.spec->range) + " a=" + affines(a.spec->a) +
            " b=" + affines(a.spec->b) + " out=" + numbers(a.spec->out);
  }
  void attribute(const MapAttr& a) {
    out_ += " out=" + shape(a.out);
    // The kind is part of the text even without a reduction, where it means nothing.
    if (!a.red.empty() || a.kind != ReduceKind::sum) out_ += " red=" + shape(a.red) + kind(a.kind);
  }
  void attribute(const ScatterAttr& a) { out_ += " dims=" + shape(a.dims); }
  void attribute(const ConvertAttr&) {}
  void attribute(const CallAttr& a) {
    out_ += " " + fn_ref(a.fn);
    if (!a.dims.empty()) out_ += " sizes=" + shape(a.dims);
    if (a.fresh.empty()) return;
    out_ += " fresh=[";
    for (size_t i = 0; i < a.fresh.size(); ++i)
      out_ += (i ? ", " : "") + binding(a.fresh[i].first) + ": " + binding(a.fresh[i].second);
    out_ += "]";
  }
  void attribute(const DeriveAttr& a) {
    out_ += a.mode == DeriveAttr::vjp ? " vjp " : " jvp ";
    out_ += fn_ref(a.fn);
    if (!a.dims.empty()) out_ += " sizes=" + shape(a.dims);
    out_ += " wrt=" + numbers(a.wrt) + " seeds=" + numbers(a.seeds);
  }
  void attribute(const SlotAttr& a) { out_ += " slot=" + std::to_string(a.slot); }
  void attribute(const BindAttr& a) { out_ += " " + binding(a.symbol); }
  void attribute(const CheckAttr& a) {
    out_ += " " + std::string(code_name(a.code)) + " " + quoted(a.text);
    if (!a.hint.empty()) out_ += " hint=" + quoted(a.hint);
    if (a.fault == Fault::data) out_ += " data";
  }
  void attribute(const TextAttr& a) { out_ += " " + quoted(a.text); }
  void attribute(const HostAttr& a) {
    out_ += " " + quoted(a.name);
    if (!a.args.empty()) {
      out_ += " args=[";
      for (size_t i = 0; i < a.args.size(); ++i) out_ += (i ? ", " : "") + quoted(a.args[i]);
      out_ += "]";
    }
    if (!a.binds.empty()) {
      out_ += " binds=[";
      for (size_t i = 0; i < a.binds.size(); ++i) out_ += (i ? ", " : "") + binding(a.binds[i]);
      out_ += "]";
    }
  }

  const Module& module_;
  const Function* fn_ = nullptr;
  std::string out_;
  std::vector<uint32_t> values_;  // printed number + 1
  uint32_t next_ = 1;
  std::unordered_map<FnId, size_t> number_;
  std::unordered_map<SymId, std::string> names_;
  std::unordered_set<std::string> taken_;
};

void callees(const Region& r, std::vector<FnId>& out) {
  for (const Node& n : r.nodes) {
    if (const auto* a = std::get_if<CallAttr>(&n.attr)) out.push_back(a->fn);
    if (const auto* a = std::get_if<DeriveAttr>(&n.attr)) out.push_back(a->fn);
    for (const Region& inner : n.regions) callees(inner, out);
  }
}

}  // namespace

std::string print(const Module& module, const Function& fn) {
  FnId id = 0;
  while (id < module.functions.size() && module.functions[id].get() != &fn) ++id;
  Printer p(module);
  p.function(id, fn);
  return p.take();
}

std::string print(const Module& module) {
  Printer p(module);
  for (FnId id = 0; id < module.functions.size(); ++id) p.function(id, module.fn(id));
  return p.take();
}

std::string print_program(const Module& module, FnId fn) {
  std::vector<FnId> order{fn};
  for (size_t i = 0; i < order.size(); ++i) {
    std::vector<FnId> next;
    if (module.fn(order[i]).vjp_rule) next.push_back(*module.fn(order[i]).vjp_rule);
    callees(module.fn(order[i]).body, next);
    for (FnId id : next)
      if (std::find(order.begin(), order.end(), id) == order.end()) order.push_back(id);
  }
  Printer p(module);
  p.number_functions(order);
  for (FnId id : order) p.function(id, module.fn(id));
  return p.take();
}

}  // namespace tenon::ir
