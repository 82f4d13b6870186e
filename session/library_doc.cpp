// Reading the library for its documentation (library_doc.h).
#include "session/library_doc.h"

#include <algorithm>

#include "frontend/elaborate.h"
#include "frontend/parse.h"
#include "session/statement_docs.h"
#include "stdlib/library.h"

namespace tenon {

namespace {

// One line, with single blanks.
std::string squeezed(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n' || c == ' ') {
      if (!out.empty() && out.back() != ' ' && out.back() != '(') out += ' ';
    } else {
      if (c == ')' && !out.empty() && out.back() == ' ') out.pop_back();
      out += c;
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '=' || out.back() == '{'))
    out.pop_back();
  return out;
}

// From the first byte of a definition to where its body begins.
std::string head_of(std::string_view text, const ast::Stmt& s) {
  size_t end = s.loc.end;
  if (s.kind == ast::Stmt::fn) {
    const auto& body = ast::as<ast::FnDecl>(s).body;
    end = body.block ? body.block->loc.begin : body.expr->loc.begin;
  } else if (s.kind == ast::Stmt::model) {
    int depth = 0;
    for (size_t i = text.find('(', s.loc.begin); i < s.loc.end; ++i) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (depth > 0) continue;
      end = i + 1;
      break;
    }
  }
  return squeezed(text.substr(s.loc.begin, end - s.loc.begin));
}

std::string name_of(const ast::Stmt& s) {
  switch (s.kind) {
    case ast::Stmt::fn: return ast::as<ast::FnDecl>(s).id.text;
    case ast::Stmt::model: return ast::as<ast::ModelDecl>(s).id.text;
    case ast::Stmt::bind: {
      const auto& bind = ast::as<ast::Bind>(s);
      return bind.pattern.kind == ast::Pattern::name ? bind.pattern.id.text : "";
    }
    default: return "";
  }
}

// The comment lines at the top, without the mark `# prelude`.
std::string intro_of(std::string_view text) {
  std::string out;
  while (text.starts_with("#") && !text.starts_with("##")) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(1, end - 1);
    if (line.starts_with(" ")) line.remove_prefix(1);
    if (line != "prelude") out += (out.empty() ? "" : "\n") + std::string(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

DocPage page_of(const LibraryFile& file) {
  DocPage page;
  page.name = file.name;
  page.intro = intro_of(file.text);
  const bool prelude = file.text.starts_with("# prelude");
  const std::string_view path = file.name;
  const std::string module(prelude ? "" : path.substr(0, path.find('/')));
  SourceMap sources;
  const FileId id = sources.add(std::string(file.name), std::string(file.text));
  ParseResult parsed = parse(sources, id);
  require(parsed.module != nullptr, "a file of the library cannot be read");
  for (const ast::Stmt* s : parsed.module->top.stmts) {
    const std::string name = name_of(*s);
    if (name.empty() || name.starts_with("_")) continue;
    page.entries.push_back({module, page.name, module.empty() ? name : module + "." + name,
                            head_of(sources.text(id), *s), s->doc});
  }
  return page;
}

}  // namespace

std::vector<DocPage> library_docs() {
  std::vector<DocPage> pages;
  DocPage statements{"statements", "The words of the language; docs/language.md tells more.", {}};
  for (const PrimitiveDoc& s : statement_docs())
    statements.entries.push_back({"", statements.name, std::string(s.name), std::string(s.signature), std::string(s.text)});
  pages.push_back(std::move(statements));
  DocPage primitives{"primitives",
                     "What the language is built on: these are not written in it, all else is.", {}};
  for (const PrimitiveDoc& p : primitive_docs())
    if (!p.name.starts_with("_"))
      primitives.entries.push_back({"", primitives.name, std::string(p.name), std::string(p.signature),
                                    std::string(p.text)});
  pages.push_back(std::move(primitives));
  for (const LibraryFile& file : library_files()) pages.push_back(page_of(file));
  return pages;
}

}  // namespace tenon
