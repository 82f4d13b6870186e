// The plan of a function as text (explain.h). It asks the planner for its groups and tells them;
// the reasons are read off two groups that could have been one, with the rules of groups.cpp.
#include "jit/plan/explain.h"

#include <algorithm>
#include <map>
#include <set>

#include "jit/plan/groups.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

namespace {

class Explainer {
 public:
  Explainer(const ir::Function& fn, const Dims& dims, const CompileOptions& options,
            const SourceMap& sources)
      : fn_(fn), dims_(dims), options_(options), sources_(sources) {}

  std::string run() {
    out_ = "fn " + fn_.name + "\n";
    region(fn_.body, 1);
    return out_;
  }

 private:
  void line(size_t indent, const std::string& text) {
    out_ += std::string(2 * indent, ' ') + text + "\n";
  }

  std::string place(const Node& n) const {
    if (!n.loc.known()) return "";
    std::string name(sources_.name(n.loc.file));
    if (const size_t slash = name.rfind('/'); slash != name.npos) name = name.substr(slash + 1);
    if (name.ends_with('>')) name.pop_back();  // <stdlib/layers.model>
    std::string text(sources_.text(n.loc));
    if (const size_t newline = text.find('\n'); newline != text.npos)
      text = text.substr(0, newline) + " ..";
    if (text.size() > 60) text = text.substr(0, 57) + " ..";
    return name + ":" + std::to_string(sources_.line_column(n.loc.file, n.loc.begin).line) + "  " +
           text;
  }

  std::string type_text(Value v) const {
    const ir::Type& t = fn_.type(v);
    if (t.tape) return "tape";
    std::string text(name(t.dtype));
    for (size_t i = 0; i < t.shape.size(); ++i) text += (i ? ", " : "[") + dims_.text(t.shape[i]);
    return t.shape.empty() ? text : text + "]";
  }

  static std::string named(const Node& n) {
    if (n.op == Op::contract) return "product";
    if (n.op == Op::reduce) return std::string(ir::name(n.get<ir::ReduceAttr>().kind));
    if (n.op == Op::map) return n.get<ir::MapAttr>().red.empty() ? "gather" : "index sum";
    return std::string(ir::name(n.op));
  }

  // What it is a kernel of.
  std::string kind(const Group& g) const {
    const Node& first = *g.nodes[0];
    switch (g.kind) {
      case Group::point:
        return g.nodes.size() == 1 ? "one pass" : "one pass over the elements";
      case Group::row:
        return "one pass over the rows";
      case Group::block:
        return "products and passes over the rows, a block of rows at a time";
      case Group::tile:
        return "made by tiles, of products";
      case Group::node:
        break;
    }
    if (first.op == Op::contract) return "tiles of a matrix product";
    return "by itself";
  }

  bool heavy(const Group& g) const {  // worth a line: not a view, a constant, a number
    if (g.kind != Group::node) return true;
    const Node& n = *g.nodes[0];
    if (!n.regions.empty() && n.op != Op::map && n.op != Op::scatter) return false;
    if (is_view(n.op) || n.op == Op::constant || n.op == Op::iota || n.op == Op::size ||
        n.op == Op::call)
      return false;
    return std::any_of(n.results.begin(), n.results.end(),
                       [&](Value v) { return !fn_.type(v).scalar(); }) ||
           std::any_of(n.operands.begin(), n.operands.end(),
                       [&](Value v) { return !fn_.type(v).scalar(); });
  }

  std::string operations(const std::vector<const Node*>& nodes) const {
    std::vector<std::pair<std::string, int>> counts;
    for (const Node* n : nodes) {
      const std::string what = named(*n);
      auto at =
          std::find_if(counts.begin(), counts.end(), [&](auto& c) { return c.first == what; });
      if (at == counts.end())
        counts.emplace_back(what, 1);
      else
        ++at->second;
    }
    std::string text;
    for (const auto& [what, count] : counts)
      text += (text.empty() ? "" : ", ") + what + (count > 1 ? " x" + std::to_string(count) : "");
    return text;
  }

  std::set<Value> uses(const Group& g) const {
    std::set<Value> used;
    for (const Node* n : g.nodes) {
      used.insert(n->operands.begin(), n->operands.end());
      for (const Region& inner : n->regions)
        for (Value v : used_in(inner)) used.insert(v);
    }
    for (const Node* n : g.again) used.erase(n->results[0]);
    return used;
  }

  // Why what `maker` makes is written to memory for `user` to read.
  std::string reason(const Group& maker, const Group& user, Value v) const {
    const Node &a = *maker.nodes[0], &b = *user.nodes[0];
    if (user.kind == Group::node) {
      if (b.op == Op::contract) return "a product reads its operands from memory";
      if (b.op == Op::reduce && maker.kind != Group::node)
        return "this reduction is not one over the last axis";
      return std::string("`") + named(b) + "` works on whole tensors";
    }
    for (const Node* n : user.nodes)
      for (const Region& inner : n->regions) {
        const std::vector<Value> inside = used_in(inner);
        if (std::binary_search(inside.begin(), inside.end(), v))
          return "its elements are read at places that the reader chooses";
      }
    if (maker.kind == Group::node) {
      if (a.op == Op::contract) return "a product writes whole tiles";
      if (a.op == Op::reduce) return "it is ready only when all is summed";
      return std::string("`") + named(a) + "` works on whole tensors";
    }
    if (fn_.type(maker.nodes.back()->results[0]).shape != fn_.type(user.nodes[0]->results[0]).shape)
      return "the two run over different shapes";
    if (maker.nodes.size() + user.nodes.size() > 64) return "a pass holds 64 operations at most";
    return "what it needs besides is not ready";
  }

  void region(const Region& r, size_t indent) {
    const std::vector<Group> groups = plan_region(fn_, dims_, r, options_);
    std::map<Value, const Group*> maker;
    std::map<Value, Value> seen_through;  // a view -> what it looks at
    for (const Group& g : groups)
      for (const Node* n : g.nodes) {
        if (g.again.contains(n)) continue;
        for (Value v : n->results) maker[v] = &g;
        if (g.kind == Group::node && is_view(n->op)) seen_through[n->results[0]] = n->operands[0];
      }
    auto root = [&](Value v) {
      for (auto at = seen_through.find(v); at != seen_through.end(); at = seen_through.find(v))
        v = at->second;
      return v;
    };
    std::map<const Group*, int> number;
    for (const Group& g : groups)
      if (heavy(g)) {
        const int next = static_cast<int>(number.size()) + 1;
        number[&g] = next;
      }
    std::map<Value, std::vector<const Group*>> readers;
    for (const Group& g : groups)
      if (heavy(g))
        for (Value v : uses(g)) readers[root(v)].push_back(&g);
    std::set<Value> leaves(r.results.begin(), r.results.end());
    for (Value v : r.results) leaves.insert(root(v));

    for (const Group& g : groups) {
      if (!heavy(g)) {
        nested(*g.nodes[0], indent);
        continue;
      }
      const std::string label = std::to_string(number[&g]) + ". ";
      line(indent, label + kind(g) + ": " + operations(g.nodes));
      std::set<std::string> places;
      for (const Node* n : g.nodes)
        if (const std::string text = place(*n); !text.empty() && places.insert(text).second)
          line(indent + 2, text);
      if (!g.again.empty())
        line(indent + 1, "computed again, which costs less than to keep it: " +
                             operations({g.again.begin(), g.again.end()}));
      for (const Node* n : g.nodes)
        for (Value v : n->results)
          if (!g.again.contains(n)) written(g, v, readers, leaves, number, indent + 2);
    }
  }

  // What comes out of a group into memory, who reads it, and why it did not stay in registers.
  void written(const Group& g, Value v, const std::map<Value, std::vector<const Group*>>& readers,
               const std::set<Value>& leaves, std::map<const Group*, int>& number, size_t indent) {
    if (fn_.type(v).scalar() || fn_.type(v).tape) return;
    std::vector<const Group*> others;
    if (auto at = readers.find(v); at != readers.end())
      for (const Group* user : at->second)
        if (user != &g) others.push_back(user);
    const bool leaves_region = leaves.contains(v);
    if (others.empty() && !leaves_region) return;
    if (const Node& n = *g.nodes[0];
        options_.skip_zeros && n.op == Op::update && framed_by_zeros(fn_, dims_, n)) {
      line(indent, "not made: " + type_text(v) + ", since products read its part beside the zeros");
      return;
    }
    std::string text = "in memory: " + type_text(v) + ", " + bytes(v);
    line(indent, text + (leaves_region ? ", a result" : ""));
    for (const Group* user : others)
      line(indent + 1, "read by " + std::to_string(number[user]) + ": " + reason(g, *user, v));
  }

  std::string bytes(Value v) const {
    const ir::Type& t = fn_.type(v);
    int64_t known = static_cast<int64_t>(size_of(t.dtype));
    std::string symbols;
    for (DimId d : t.shape) {
      if (auto n = dims_.value(d)) {
        known *= *n;
      } else {
        const std::string text = dims_.text(d);
        symbols += "*" + (text.find_first_of(" +-") == text.npos ? text : "(" + text + ")");
      }
    }
    return std::to_string(known) + symbols + " bytes";
  }

  void nested(const Node& n, size_t indent) {
    if (n.op == Op::call) {
      line(indent, "a call: " + place(n));
      return;
    }
    if (n.regions.empty()) return;
    const std::string what = n.op == Op::if_ ? "if" : n.op == Op::for_ ? "for" : "while";
    line(indent, what + ": " + place(n));
    for (const Region& inner : n.regions) {
      if (n.op == Op::if_ && &inner == &n.regions[1]) line(indent, "else");
      region(inner, indent + 1);
    }
  }

  const ir::Function& fn_;
  const Dims& dims_;
  const CompileOptions& options_;
  const SourceMap& sources_;
  std::string out_;
};

}  // namespace

std::string explain(const ir::Function& fn, const Dims& dims, const CompileOptions& options,
                    const SourceMap& sources) {
  return Explainer(fn, dims, options, sources).run();
}

}  // namespace tenon::plan
