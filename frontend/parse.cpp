// Text -> syntax tree, through ANTLR, which only this file and parse_build*.cpp know. A text goes through the lexer
// and the token filter (parse_tokens.h) as a whole, then statement by statement through the parser:
// that bounds what ANTLR's trees need, and an error in one statement leaves the others alone.
#include "frontend/parse.h"

#include <algorithm>

#include "TenonLexer.h"
#include "TenonParser.h"
#include "frontend/parse_build.h"
#include "frontend/parse_message.h"
#include "frontend/parse_string.h"
#include "frontend/parse_tokens.h"

namespace tenon {
namespace {

using tenon_grammar::TenonLexer;
using tenon_grammar::TenonParser;
using P = TenonParser;

#define X(name, spelling)                                              \
  static_assert(static_cast<size_t>(Tk::name) == TenonLexer::name,     \
                "frontend/token.h and grammar/Tenon.g4 do not agree");
TENON_TOKENS(X)
#undef X

// ---------------------------------------------------------------- ANTLR's inputs

// Bytes as characters, so that ANTLR's indices are byte offsets and no text is ever ill-formed.
class ByteStream : public antlr4::CharStream {
 public:
  ByteStream(std::string_view text, size_t begin, size_t end) : text_(text), at_(begin), end_(end) {}
  void consume() override { at_ += at_ < end_; }
  size_t LA(ssize_t i) override {
    size_t j = i > 0 ? at_ + static_cast<size_t>(i) - 1 : at_ + static_cast<size_t>(i);
    return j < end_ ? static_cast<unsigned char>(text_[j]) : antlr4::IntStream::EOF;
  }
  ssize_t mark() override { return -1; }
  void release(ssize_t) override {}
  size_t index() override { return at_; }
  void seek(size_t index) override { at_ = std::min(index, end_); }
  size_t size() override { return end_; }
  std::string getSourceName() const override { return "text"; }
  std::string getText(const antlr4::misc::Interval&) override { return {}; }
  std::string toString() const override { return {}; }

 private:
  std::string_view text_;
  size_t at_, end_;
};

// tokens[from, to) and an END, as ANTLR wants them.
std::unique_ptr<antlr4::ListTokenSource> token_source(const std::vector<Token>& tokens, size_t from,
                                                      size_t to) {
  std::vector<std::unique_ptr<antlr4::Token>> list;
  list.reserve(to - from + 1);
  auto add = [&](size_t type, const Token& t) {
    auto token = std::make_unique<antlr4::CommonToken>(type);
    token->setStartIndex(t.begin);
    token->setStopIndex(static_cast<size_t>(t.end) - 1);
    list.push_back(std::move(token));
  };
  for (size_t i = from; i < to; ++i) add(static_cast<size_t>(tokens[i].kind), tokens[i]);
  add(antlr4::Token::EOF, tokens[to]);
  return std::make_unique<antlr4::ListTokenSource>(std::move(list));
}

// ---------------------------------------------------------------- errors and going on after them

// Reports the first error of a statement and goes on with the next one of the same block.
class Recovery : public antlr4::ANTLRErrorStrategy {
 public:
  Recovery(const std::vector<int>& enclosing, const std::vector<Token>& tokens, size_t offset,
           std::vector<SyntaxFault>& faults)
      : enclosing_(enclosing), tokens_(tokens), offset_(offset), faults_(faults) {}

  void reset(antlr4::Parser*) override {}
  bool inErrorRecoveryMode(antlr4::Parser*) override { return reported_; }
  void reportMatch(antlr4::Parser*) override {}

  antlr4::Token* recoverInline(antlr4::Parser* p) override {
    // A block that does not begin where it should: its inside is read all the same.
    size_t rule = p->getContext()->getRuleIndex();
    bool want_brace = p->getExpectedTokens().contains(static_cast<size_t>(TenonLexer::LBRACE));
    if (rule == P::RuleBlock && want_brace) {
      size_t at = p->getCurrentToken()->getTokenIndex() + offset_;
      size_t brace = at;
      while (brace < tokens_.size() && tokens_[brace].kind != Tk::NL &&
             tokens_[brace].kind != Tk::END && tokens_[brace].kind != Tk::RBRACE &&
             !(tokens_[brace].kind == Tk::LBRACE && enclosing_[brace] == enclosing_[at]))
        ++brace;
      if (brace < tokens_.size() && tokens_[brace].kind == Tk::LBRACE) {
        if (!reported_) record(p, at, false);
        while (at < brace) p->consume(), ++at;
        return p->consume();
      }
    }
    throw antlr4::InputMismatchException(p);
  }

  void reportError(antlr4::Parser* p, const antlr4::RecognitionException& e) override {
    if (reported_) return;
    reported_ = true;
    size_t at = e.getOffendingToken()->getTokenIndex() + offset_;
    record(p, at, false);
  }

  void recover(antlr4::Parser* p, std::exception_ptr e) override {
    size_t rule = p->getContext()->getRuleIndex();
    if (rule != P::RuleStmt && rule != P::RuleSetting) std::rethrow_exception(e);
    size_t first = p->getContext()->getStart()->getTokenIndex() + offset_;
    reported_ = false;
    if (!enter_block(p, first)) skip_statement(p, enclosing_[first]);
  }

  // Called before every loop and option: here a statement is seen to be followed by a newline or
  // the end of its block.
  void sync(antlr4::Parser* p) override {
    size_t rule = p->getContext()->getRuleIndex();
    if (rule != P::RuleBlock && rule != P::RuleFile_ && rule != P::RuleTrain) return;
    antlr4::TokenStream* input = p->getTokenStream();
    size_t next = input->LA(1);
    if (next == TenonLexer::NL || next == TenonLexer::RBRACE || next == antlr4::Token::EOF) {
      if (rule != P::RuleFile_ || next != TenonLexer::RBRACE) return;
    }
    size_t at = p->getCurrentToken()->getTokenIndex() + offset_;
    bool opening = at == offset_ || tokens_[at - 1].kind == Tk::LBRACE;
    if (opening && p->getExpectedTokens().contains(next)) return;
    if (opening && rule == P::RuleTrain && tokens_[at - 1].kind != Tk::LBRACE) return;
    if (!reported_) record(p, at, !opening);
    int block = enclosing_[at];
    skip_statement(p, block);
    while (opening && input->LA(1) == TenonLexer::NL) {
      p->consume();
      if (p->getExpectedTokens().contains(input->LA(1))) break;
      skip_statement(p, block);
    }
  }

 private:
  void record(antlr4::Parser* p, size_t at, bool after_statement) {
    SyntaxFault fault;
    fault.at = at;
    fault.after_statement = after_statement;
    fault.first = at;
    while (fault.first > 0) {
      const Token& before = tokens_[fault.first - 1];
      int block = enclosing_[fault.first - 1];
      if (block < enclosing_[at]) break;
      if (block == enclosing_[at] && before.kind == Tk::NL) break;
      --fault.first;
    }
    const std::vector<std::string>& names = p->getRuleNames();
    for (antlr4::RuleContext* c = p->getContext(); c != nullptr;
         c = static_cast<antlr4::RuleContext*>(c->parent)) {
      fault.rules.push_back(names[c->getRuleIndex()]);
      if (fault.rules.size() > 60) break;
    }
    if (at == p->getCurrentToken()->getTokenIndex() + offset_) {
      for (ssize_t type : p->getExpectedTokens().toList())
        fault.expected.push_back(type > 0 ? static_cast<Tk>(type) : Tk::END);
    }
    faults_.push_back(std::move(fault));
  }

  // The error stands in the head of a model, a function or a loop: go on with its block.
  bool enter_block(antlr4::Parser* p, size_t first) {
    Tk head = tokens_[first].kind;
    if (head != Tk::MODEL && head != Tk::FN && head != Tk::EXPORT && head != Tk::FOR &&
        head != Tk::WHILE && head != Tk::IF && head != Tk::TEST && head != Tk::BENCH)
      return false;
    size_t at = p->getCurrentToken()->getTokenIndex() + offset_;
    size_t brace = at;
    auto inside = [&] {
      Tk k = tokens_[brace].kind;
      return k != Tk::END && !((k == Tk::NL || k == Tk::RBRACE) &&
                               enclosing_[brace] == enclosing_[first]);
    };
    auto opens = [&] {
      if (tokens_[brace].kind != Tk::LBRACE || enclosing_[brace] != enclosing_[first]) return false;
      bool record = is_name(tokens_[brace + 1].kind) && tokens_[brace + 2].kind == Tk::COLON;
      return !record;
    };
    while (inside() && !opens()) ++brace;
    if (!inside()) return false;
    while (at < brace) p->consume(), ++at;
    static_cast<TenonParser*>(p)->block();
    skip_statement(p, enclosing_[first]);
    return true;
  }

  void skip_statement(antlr4::Parser* p, int block) {
    antlr4::TokenStream* input = p->getTokenStream();
    while (input->LA(1) != antlr4::Token::EOF) {
      size_t at = p->getCurrentToken()->getTokenIndex() + offset_;
      // the } of the block is inside it, as its newlines are
      bool ends = tokens_[at].kind == Tk::NL || (tokens_[at].kind == Tk::RBRACE && block >= 0);
      if (ends && enclosing_[at] == block) return;
      p->consume();
    }
  }

  const std::vector<int>& enclosing_;
  const std::vector<Token>& tokens_;
  size_t offset_;  // of ANTLR's token 0 in tokens_
  std::vector<SyntaxFault>& faults_;
  bool reported_ = false;
};

// A limit to the parser's recursion: prefix chains such as `- - - -` nest without the brackets that
// the token filter counts.
class DepthLimit : public antlr4::tree::ParseTreeListener {
 public:
  explicit DepthLimit(FileId file) : file_(file) {}
  void enterEveryRule(antlr4::ParserRuleContext* context) override {
    if (++depth_ <= kMaxNesting * 20) return;
    uint32_t at = static_cast<uint32_t>(context->getStart()->getStartIndex());
    throw TooDeep{{file_, at, at + 1}};
  }
  void exitEveryRule(antlr4::ParserRuleContext*) override { --depth_; }
  void visitTerminal(antlr4::tree::TerminalNode*) override {}
  void visitErrorNode(antlr4::tree::ErrorNode*) override {}

 private:
  FileId file_;
  int depth_ = 0;
};

Diagnostic too_deep(Loc where) {
  return {Code::E0104, where, "nested too deep: more than 500 levels", {},
          "give inner parts names with `let`, or move them to functions"};
}

// One error a line: what follows on the same line is mostly its consequence.
void settle(const SourceMap& sources, FileId file, std::vector<Diagnostic>& errors) {
  constexpr size_t kMost = 50;
  std::stable_sort(errors.begin(), errors.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return a.where.begin < b.where.begin;
  });
  std::vector<Diagnostic> kept;
  std::string_view text = sources.text(file);
  uint32_t last = 0;
  for (Diagnostic& d : errors) {
    std::string_view between = text.substr(last, d.where.begin - last);
    bool same_line = !kept.empty() && between.find('\n') == between.npos;
    if (!same_line && kept.size() < kMost) kept.push_back(std::move(d));
    last = std::min(d.where.begin, static_cast<uint32_t>(text.size()));
  }
  errors = std::move(kept);
}

// Runs the parser over tokens[from, to) beginning with `rule` (file_ or hole), gives its tree to
// `use` if there was no error in it.
template <class Rule, class Use>
void parse_part(Parsing& parsing, const FilteredTokens& filtered, size_t from, size_t to, Rule rule,
                Use use) {
  std::vector<SyntaxFault> faults;
  try {
    auto source = token_source(filtered.tokens, from, to);
    antlr4::CommonTokenStream stream(source.get());
    TenonParser parser(&stream);
    DepthLimit limit(parsing.file);
    parser.addParseListener(&limit);
    parser.removeErrorListeners();
    parser.setErrorHandler(
        std::make_shared<Recovery>(filtered.enclosing, filtered.tokens, from, faults));
    parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(
        antlr4::atn::PredictionMode::SLL);
    auto* tree = (parser.*rule)();
    if (faults.empty()) use(tree);
  } catch (const TooDeep& deep) {
    parsing.errors.push_back(too_deep(deep.where));
  } catch (const antlr4::RecognitionException&) {
    // an error with no statement around it: it is among the faults
  }
  for (const SyntaxFault& fault : faults) {
    // an error where a line ends belongs to what stands before it
    size_t before = fault.at > 0 ? fault.at - 1 : 0;
    if (filtered.is_mended(filtered.tokens[fault.at].begin) ||
        filtered.is_mended(filtered.tokens[before].begin))
      continue;
    parsing.errors.push_back(
        syntax_message(parsing.sources, parsing.file, filtered.tokens, fault));
  }
}

}  // namespace

std::vector<Token> lex(std::string_view text, uint32_t begin, uint32_t end) {
  ByteStream bytes(text, begin, end);
  TenonLexer lexer(&bytes);
  lexer.removeErrorListeners();
  std::vector<Token> tokens;
  for (;;) {
    std::unique_ptr<antlr4::Token> t = lexer.nextToken();
    if (t->getType() == antlr4::Token::EOF) return tokens;
    tokens.push_back({static_cast<Tk>(t->getType()), static_cast<uint32_t>(t->getStartIndex()),
                      static_cast<uint32_t>(t->getStopIndex() + 1), false});
  }
}

const ast::Expr* parse_hole(Parsing& parsing, const StringPart& part, int& height) {
  constexpr int kMaxHoles = 20;  // strings in holes of strings
  if (parsing.hole_depth >= kMaxHoles) throw TooDeep{{parsing.file, part.begin, part.end}};
  FilteredTokens filtered =
      filter_tokens(parsing.sources, parsing.file,
                    lex(parsing.sources.text(parsing.file), part.begin, part.end), part.end,
                    {.allow_tabs = true});
  for (Diagnostic& d : filtered.errors) parsing.errors.push_back(std::move(d));
  if (filtered.hopeless) return nullptr;
  ++parsing.hole_depth;
  const ast::Expr* result = nullptr;
  parse_part(parsing, filtered, 0, filtered.tokens.size() - 1, &P::hole, [&](P::HoleContext* tree) {
    tree_builder::Builder builder(parsing, filtered.docs);
    result = builder.expr(tree->expr());
    height = builder.height();
  });
  --parsing.hole_depth;
  return result;
}

ParseResult parse(SourceMap& sources, FileId file) { return parse(sources, file, ParseOptions{}); }

ParseResult parse(SourceMap& sources, FileId file, ParseOptions options) {
  ParseResult result;
  if (!check_text(sources, file, result.errors)) return result;
  std::string_view text = sources.text(file);
  uint32_t size = static_cast<uint32_t>(text.size());
  auto module = std::make_shared<ast::Module>();
  module->file = file;
  module->top.loc = {file, 0, size};
  FilteredTokens filtered =
      filter_tokens(sources, file, lex(text, 0, size), size, {.allow_tabs = options.allow_tabs});
  result.incomplete = filtered.incomplete;
  result.errors = std::move(filtered.errors);
  Parsing parsing{sources, file, *module, result.errors};
  const std::vector<Token>& tokens = filtered.tokens;
  for (size_t from = 0; !filtered.hopeless && tokens[from].kind != Tk::END;) {
    size_t to = from;
    while (tokens[to].kind != Tk::END &&
           !(tokens[to].kind == Tk::NL && filtered.enclosing[to] == -1))
      ++to;
    parse_part(parsing, filtered, from, to, &P::file_, [&](P::File_Context* tree) {
      for (P::StmtContext* s : tree->stmt())
        module->top.stmts.push_back(tree_builder::Builder(parsing, filtered.docs).stmt(s));
    });
    from = tokens[to].kind == Tk::NL ? to + 1 : to;
  }
  settle(sources, file, result.errors);
  if (result.errors.empty()) result.module = std::move(module);
  return result;
}

}  // namespace tenon
