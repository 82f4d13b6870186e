// Reads the printed form of the IR (text.h). Any text whatever gives a module or a message, never a
// crash; whether the module is well-formed is for verify to say.
//
//   module  := { "fn" "@"int word "[" symbols "](" values ")" {"effect"|"recursive"|"rule=@"int}
//                "{" nodes "return" results "}" }
//   node    := [value ":" type {"," value ":" type} "="] op ["(" %n {"," %n} ")"] attributes
//   regions region  := "{" ["(" value ":" type {..} ")"] nodes "yield" %n {..} "}" size    :=
//   product {("+"|"-") product};  product := factor {("*"|"//") factor} factor  := int | word["?"]["~"]
//   | ("min"|"max") "(" size {"," size} ")" | "(" size ")" | "-" factor
// A "#" starts a comment that ends with its line.

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "ir/infer_rules.h"
#include "ir/literal.h"
#include "ir/text.h"
#include "ir/text_lexer.h"

namespace tenon::ir {
namespace {

constexpr int kDeepest = 600;     // regions or brackets in one another
constexpr size_t kWidest = 2000;  // products in one size

const std::unordered_map<std::string_view, Op>& op_names() {
  static const auto* names = [] {
    auto* m = new std::unordered_map<std::string_view, Op>;
    for (int i = 0; i < kOpCount; ++i) m->emplace(kOps[i].name, static_cast<Op>(i));
    return m;
  }();
  return *names;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text), module_(std::make_unique<Module>()) {
    open_symbols(text);
    advance();
  }

  std::unique_ptr<Module> run() {
    while (token_.kind != Token::end) function();
    if (highest_fn_ >= module_->functions.size() && calls_)
      stop("@" + std::to_string(highest_fn_) + " is called but not there");
    return std::move(module_);
  }

 private:
  [[noreturn]] void stop(std::string what) const { throw Malformed{std::move(what), line_}; }
  [[noreturn]] void expected(std::string_view what) const {
    throw Malformed{"expected " + std::string(what) + ", found '" +
                        std::string(token_.text.substr(0, 40)) + "'",
                    token_.line};
  }

  // ---- tokens
  void advance() {
    line_ = token_.line;
    token_ = lexer_.next();
  }
  bool is(std::string_view text) const {
    return token_.text == text && (token_.kind == Token::mark || token_.kind == Token::word);
  }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    advance();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) expected("'" + std::string(text) + "'");
  }
  std::string word() {
    if (token_.kind != Token::word) expected("a name");
    std::string s(token_.text);
    advance();
    return s;
  }
  template <class T>
  T unsigned_number() {
    T v{};
    const auto r = std::from_chars(token_.text.data(), token_.text.data() + token_.text.size(), v);
    if (token_.kind != Token::number || r.ec != std::errc{} ||
        r.ptr != token_.text.data() + token_.text.size())
      expected("a number");
    advance();
    return v;
  }
  // The sign is a token of its own; the lowest i64 has no positive counterpart.
  int64_t integer() {
    if (!accept("-")) return unsigned_number<int64_t>();
    return static_cast<int64_t>(0 - unsigned_number<uint64_t>());
  }
  int small() {
    const int64_t v = integer();
    if (v < -1'000'000 || v > 1'000'000'000) stop("the number is too large");
    return static_cast<int>(v);
  }
  std::string string() {
    if (token_.kind != Token::string) expected("a string");
    std::string out;
    const std::string_view s = token_.text;
    for (size_t i = 0; i < s.size(); ++i) {
      if (s[i] != '\\') {
        out += s[i];
        continue;
      }
      if (++i >= s.size()) stop("a string ends with a backslash");
      if (s[i] == 'n') {
        out += '\n';
      } else if (s[i] == 'x') {
        int v = 0;
        if (i + 2 >= s.size()) stop("\\x takes two digits");
        const auto r = std::from_chars(&s[i + 1], &s[i + 1] + 2, v, 16);
        if (r.ec != std::errc{} || r.ptr != &s[i + 1] + 2) stop("\\x takes two digits");
        out += static_cast<char>(v);
        i += 2;
      } else {
        out += s[i];
      }
    }
    advance();
    return out;
  }
  template <class F>
  void bracketed(std::string_view open, std::string_view close, F item) {
    expect(open);
    if (accept(close)) return;
    do {
      item();
    } while (accept(","));
    expect(close);
  }
  template <class T = int>
  std::vector<T> numbers() {
    std::vector<T> out;
    bracketed("[", "]", [&] {
      const int64_t v = integer();
      if (v < std::numeric_limits<T>::min() || v > std::numeric_limits<T>::max())
        stop("the number is too large");
      out.push_back(static_cast<T>(v));
    });
    return out;
  }
  void key(std::string_view name) {
    expect(name);
    expect("=");
  }

  // ---- sizes
  // Which symbols are existential, and which may be negative, is only written beside their names:
  // found before all else.
  void open_symbols(std::string_view text) {
    Lexer l(text);
    Token last;
    auto mark = [](const Token& t, std::string_view text) { return t.kind == Token::mark && t.text == text; };
    for (Token t = l.next(); t.kind != Token::end;) {
      const std::string name(last.text);
      const bool after_name = last.kind == Token::word && name != "_" && !symbols_.count(name);
      last = t;
      const bool open = mark(t, "?"), number = mark(t, "~");
      t = l.next();
      if (after_name && (open || number))
        symbols_[name] = module_->dims.fresh(name, {}, !open, number || mark(t, "~"));
    }
  }
  SymId symbol() { return named(word()); }
  SymId named(const std::string& name) {
    accept("?");
    accept("~");
    if (name == "_") return kAnySize;
    const auto at = symbols_.find(name);
    if (at != symbols_.end()) return at->second;
    return symbols_[name] = module_->dims.fresh(name, {}, true);
  }
  DimId size() {
    deeper();
    DimId d = product();
    for (;;) {
      if (accept("+"))
        d = bounded(module_->dims.add(d, product()));
      else if (accept("-"))
        d = bounded(module_->dims.sub(d, product()));
      else
        break;
    }
    --depth_;
    return d;
  }
  DimId bounded(DimId d) {
    if (module_->dims.poly(d).terms.size() > kWidest) stop("the size has too many parts");
    for (const Dims::Term& t : module_->dims.poly(d).terms)
      if (t.atoms.size() > 64) stop("the size has too many factors");
    return d;
  }
  DimId product() {
    Dims& dims = module_->dims;
    DimId d = factor();
    for (;;) {
      if (accept("*")) {
        const DimId by = factor();
        if ((dims.poly(d).terms.size() + 1) * (dims.poly(by).terms.size() + 1) > kWidest)
          stop("the size has too many parts");
        d = bounded(dims.mul(d, by));
      } else if (accept("//")) {
        d = bounded(dims.floordiv(d, factor()));
      } else {
        return d;
      }
    }
  }
  DimId factor() {
    Dims& dims = module_->dims;
    if (accept("-")) {
      deeper();
      const DimId d = token_.kind == Token::number
                          ? dims.constant(static_cast<int64_t>(0 - unsigned_number<uint64_t>()))
                          : dims.sub(0, factor());
      --depth_;
      return d;
    }
    if (accept("(")) {
      const DimId d = size();
      expect(")");
      return d;
    }
    if (token_.kind == Token::number) return dims.constant(unsigned_number<int64_t>());
    if (is("min") || is("max")) {
      const std::string which(token_.text);
      advance();
      if (!is("(")) return dims.symbol(named(which));
      std::optional<DimId> d;
      int count = 0;
      bracketed("(", ")", [&] {
        if (++count > 64) stop("too many operands");
        const DimId x = size();
        d = !d ? x : bounded(which == "min" ? dims.min(*d, x) : dims.max(*d, x));
      });
      if (!d) stop(which + " of nothing");
      return *d;
    }
    return dims.symbol(symbol());
  }
  std::vector<DimId> shape() {
    std::vector<DimId> out;
    bracketed("[", "]", [&] { out.push_back(size()); });
    return out;
  }
  Type type() {
    const std::string name = word();
    if (name == "tape") return tape_type();
    const auto dtype = dtype_named(name);
    if (!dtype) stop("no such type: " + name);
    Type t{*dtype, {}};
    if (is("[")) t.shape = shape();
    return t;
  }

  // ---- values
  uint64_t value_number() {
    expect("%");
    return unsigned_number<uint64_t>();
  }
  Value used() {
    const uint64_t n = value_number();
    const auto at = values_.find(n);
    if (at == values_.end()) stop("%" + std::to_string(n) + " is not defined before");
    return at->second;
  }
  Value defined() {
    const uint64_t n = value_number();
    expect(":");
    const Value v = fn_->new_value(type());
    if (!values_.emplace(n, v).second) stop("%" + std::to_string(n) + " is defined twice");
    return v;
  }
  Leaf leaf() {
    static constexpr std::string_view kRoles[] = {"data", "param", "state", "key"};
    for (int i = 0; i < 4; ++i)
      if (accept(kRoles[i])) return {static_cast<Leaf::Role>(i), string()};
    return {};
  }
  FnId fn_ref() {
    expect("@");
    const FnId id = unsigned_number<FnId>();
    calls_ = true;
    highest_fn_ = std::max(highest_fn_, id);
    return id;
  }

  void deeper() {
    if (++depth_ > kDeepest) stop("nested too deep");
  }

  // ---- structure
  void function() {
    expect("fn");
    expect("@");
    if (unsigned_number<FnId>() != module_->functions.size())
      stop("functions are numbered in order");
    module_->add(std::make_unique<Function>());
    fn_ = module_->functions.back().get();
    values_.clear();
    fn_->name = word();
    bracketed("[", "]", [&] { fn_->sizes.push_back(symbol()); });
    bracketed("(", ")", [&] {
      fn_->body.params.push_back(defined());
      fn_->params.push_back(leaf());
    });
    for (;;) {
      if (accept("effect")) {
        fn_->effect = true;
      } else if (accept("recursive")) {
        fn_->recursive = true;
      } else if (accept("rule")) {
        expect("=");
        fn_->vjp_rule = fn_ref();
      } else {
        break;
      }
    }
    expect("{");
    while (!is("return")) fn_->body.nodes.push_back(node());
    advance();
    if (is("%")) do {
        fn_->body.results.push_back(used());
        fn_->results.push_back(leaf());
      } while (accept(","));
    expect("}");
  }

  Node node() {
    deeper();
    Node n{};
    if (is("%")) {
      do {
        n.results.push_back(defined());
      } while (accept(","));
      expect("=");
    }
    const std::string name = word();
    const auto op = op_names().find(name);
    if (op == op_names().end()) stop("no such operation: " + name);
    n.op = op->second;
    const bool plain =
        n.op == Op::size || n.op == Op::constant;  // a bracket would be the attribute
    if (!plain && is("(")) bracketed("(", ")", [&] { n.operands.push_back(used()); });
    for (Value v : n.results)
      for (Value w : n.operands)
        if (v == w) stop("a node uses its own result");
    n.attr = attribute(n);
    for (size_t i = region_count(n.op); i > 0; --i) n.regions.push_back(region());
    --depth_;
    return n;
  }

  Region region() {
    Region r;
    expect("{");
    if (is("(")) bracketed("(", ")", [&] { r.params.push_back(defined()); });
    while (!is("yield")) r.nodes.push_back(node());
    advance();
    if (is("%")) do {
        r.results.push_back(used());
      } while (accept(","));
    expect("}");
    return r;
  }

  const Type& result_type(const Node& n) const {
    if (n.results.empty()) stop("a result is missing");
    return fn_->types[n.results[0]];
  }
  const Type& operand_type(const Node& n, size_t i) const {
    if (n.operands.size() <= i) stop("an operand is missing");
    return fn_->types[n.operands[i]];
  }
  ReduceKind kind() {
    const std::string name = word();
    for (int i = 0; i < 6; ++i)
      if (kReduceNames[i] == name) return static_cast<ReduceKind>(i);
    stop("no such reduction: " + name);
  }
  int axis() {
    key("axis");
    return small();
  }
  std::vector<int> listed(std::string_view name) {
    key(name);
    return numbers();
  }
  std::vector<DimId> sizes() {
    if (!accept("sizes")) return {};
    expect("=");
    return shape();
  }

  void element(Literal& l) {
    if (l.dtype == DType::boolean) {
      if (!is("true") && !is("false")) expected("true or false");
      l.bytes += is("true") ? '\1' : '\0';
      advance();
      return;
    }
    if (!is_float(l.dtype)) {
      const int64_t v = integer();
      append_integer(l.bytes, l.dtype, v);
      if (integer_at(l, l.bytes.size() / size_of(l.dtype) - 1) != v)
        stop("the number does not fit");
      return;
    }
    if (is("nan")) {  // nan:7fc00000, read past the lexer since it may start with a digit
      advance_raw(":");
      const std::string_view digits = lexer_.hex();
      uint64_t bits = 0;
      const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
      if (digits.empty() || r.ec != std::errc{}) stop("nan: takes its bits");
      char raw[8];
      std::memcpy(raw, &bits, 8);
      l.bytes.append(raw, size_of(l.dtype));
      if (!std::isnan(number_at(l, l.bytes.size() / size_of(l.dtype) - 1))) stop("not a nan");
      advance();
      return;
    }
    const bool negative = accept("-");
    if (accept("inf")) {
      append_number(l.bytes, l.dtype, negative ? -HUGE_VAL : HUGE_VAL);
      return;
    }
    if (l.dtype == DType::f64) {
      const double v = unsigned_number<double>();
      append_number(l.bytes, l.dtype, negative ? -v : v);
    } else {
      const float v = unsigned_number<float>();
      append_number(l.bytes, l.dtype, negative ? -v : v);
    }
  }
  // The token after `nan` is a colon, and after it the lexer stands right at the digits.
  void advance_raw(std::string_view mark) {
    advance();
    if (!is(mark)) expected(mark);
  }

  Attr constant(const Node& n) {
    const Type& t = result_type(n);
    if (t.tape) stop("a constant is no tape");
    Literal l{t.dtype, {}, {}};
    uint64_t count = 1;
    for (DimId d : t.shape) {
      const auto v = module_->dims.value(d);
      if (!v || *v < 0 || *v > 1'000'000'000) stop("the shape of a constant is made of numbers");
      l.shape.push_back(*v);
      if (count != 0 && *v > 1'000'000'000 / int64_t(count)) stop("the constant is too large");
      count *= uint64_t(*v);
    }
    if (t.shape.empty()) {
      element(l);
    } else {
      bracketed("[", "]", [&] { element(l); });
    }
    if (l.bytes.size() != count * size_of(l.dtype)) stop("a wrong number of elements");
    return ConstantAttr{std::make_shared<const Literal>(std::move(l))};
  }

  Affine affine() {
    Affine a;
    a.offset = module_->dims.constant(0);
    do {
      if (accept("(")) {
        a.offset = size();
        expect(")");
        continue;
      }
      int64_t coefficient = 1;
      if (!is("$")) {
        coefficient = integer();
        expect("*");
      }
      expect("$");
      const int index = small();
      if (index < 0 || index > 255) stop("no such index");
      a.terms.push_back({static_cast<uint8_t>(index), coefficient});
    } while (accept("+"));
    return a;
  }
  Attr contract() {
    ContractSpec s;
    key("range");
    s.range = shape();
    key("a");
    bracketed("[", "]", [&] { s.a.push_back(affine()); });
    key("b");
    bracketed("[", "]", [&] { s.b.push_back(affine()); });
    key("out");
    s.out = numbers<uint8_t>();
    return ContractAttr{std::make_shared<const ContractSpec>(std::move(s))};
  }
  Attr call() {
    CallAttr a{fn_ref(), sizes(), {}};
    if (accept("fresh")) {
      expect("=");
      bracketed("[", "]", [&] {
        const SymId inner = symbol();
        expect(":");
        a.fresh.emplace_back(inner, symbol());
      });
    }
    return a;
  }
  Attr derive() {
    DeriveAttr a{};
    if (!is("vjp") && !is("jvp")) expected("vjp or jvp");
    a.mode = is("vjp") ? DeriveAttr::vjp : DeriveAttr::jvp;
    advance();
    a.fn = fn_ref();
    a.dims = sizes();
    a.wrt = listed("wrt");
    a.seeds = listed("seeds");
    return a;
  }
  Attr check() {
    static constexpr std::string_view kCodes[] = {
#define CODE(id, title, story) #id,
#include "support/codes.def"
#undef CODE
    };
    CheckAttr a{};
    const std::string name = word();
    size_t i = 0;
    while (i < std::size(kCodes) && kCodes[i] != name) ++i;
    if (i == std::size(kCodes)) stop("no such code: " + name);
    a.code = static_cast<Code>(i);
    a.text = string();
    if (accept("hint")) {
      expect("=");
      a.hint = string();
    }
    if (accept("data")) a.fault = Fault::data;
    return a;
  }
  Attr host(const Node& n) {
    HostAttr a;
    a.name = string();
    if (accept("args")) {
      expect("=");
      bracketed("[", "]", [&] { a.args.push_back(string()); });
    }
    if (accept("binds")) {
      expect("=");
      bracketed("[", "]", [&] { a.binds.push_back(symbol()); });
    }
    for (Value v : n.results) a.results.push_back(fn_->types[v]);
    return a;
  }
  int slot() {
    key("slot");
    return small();
  }

  Attr attribute(const Node& n) {
    switch (n.op) {
      case Op::constant:
        return constant(n);
      case Op::iota:
        return IotaAttr{result_type(n).dtype, result_type(n).shape, axis()};
      case Op::size:
        return DimAttr{size()};
      case Op::broadcast:
        return BroadcastAttr{result_type(n).shape, listed("axes")};
      case Op::reshape:
      case Op::retype:
        return ShapeAttr{result_type(n).shape};
      case Op::transpose:
        return AxesAttr{listed("axes")};
      case Op::slice:
        key("strides");
        return SliceAttr{result_type(n).shape, numbers<int64_t>()};
      case Op::update:
        key("strides");
        return SliceAttr{operand_type(n, 1).shape, numbers<int64_t>()};
      case Op::concat:
      case Op::sort:
        return AxisAttr{axis()};
      case Op::reduce: {
        const ReduceKind k = kind();
        return ReduceAttr{k, listed("axes")};
      }
      case Op::arg_reduce: {
        const ReduceKind k = kind();
        return ArgReduceAttr{k, axis()};
      }
      case Op::scan: {
        const ReduceKind k = kind();
        const int a = axis();
        return ScanAttr{k, a, accept("reverse")};
      }
      case Op::contract:
        return contract();
      case Op::map: {
        MapAttr a;
        key("out");
        a.out = shape();
        if (accept("red")) {
          expect("=");
          a.red = shape();
          a.kind = kind();
        }
        return a;
      }
      case Op::scatter:
        key("dims");
        return ScatterAttr{shape()};
      case Op::call:
        return call();
      case Op::derive:
        return derive();
      case Op::push: {
        const int s = slot();
        return SlotAttr{s, operand_type(n, 1)};
      }
      case Op::pop: {
        const int s = slot();
        if (n.results.size() != 2) stop("pop has two results");
        return SlotAttr{s, fn_->types[n.results[1]]};
      }
      case Op::bind_dim:
        return BindAttr{symbol()};
      case Op::check:
        return check();
      case Op::debug:
        return TextAttr{string()};
      case Op::host:
        return host(n);
      case Op::read:
      case Op::if_:
      case Op::for_:
      case Op::while_:
      case Op::tape_new:
      case Op::tape_end:
      case Op::stop_gradient:
        return {};
#define SCALAR(name, arity, cls) case Op::name:
        TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
        if (n.op == Op::convert) return ConvertAttr{result_type(n).dtype};
        return {};
    }
    return {};
  }

  Lexer lexer_;
  Token token_;        // the next one
  uint32_t line_ = 1;  // of the one before it
  std::unique_ptr<Module> module_;
  Function* fn_ = nullptr;
  std::unordered_map<std::string, SymId> symbols_;
  std::unordered_map<uint64_t, Value> values_;
  FnId highest_fn_ = 0;
  bool calls_ = false;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<Module> parse_text(std::string_view text, std::string& error) {
  try {
    return Parser(text).run();
  } catch (const Malformed& m) {
    error = "line " + std::to_string(m.line) + ": " + m.what;
    return nullptr;
  }
}

}  // namespace tenon::ir
