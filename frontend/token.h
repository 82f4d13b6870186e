// The tokens of Tenon, in the order of grammar/Tenon.g4 (parse.cpp asserts that they agree), and
// the text they stand for in messages. What lies between the lexer and everything that looks at
// tokens without knowing ANTLR: the newline filter, the messages, the formatter.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tenon {

// X(NAME, spelling). An empty spelling: the token's own text matters.
#define TENON_TOKENS(X)                                                                         \
  X(LET, "let") X(VAR, "var") X(FN, "fn") X(IF, "if") X(ELSE, "else") X(FOR, "for")             \
  X(IN, "in") X(WHILE, "while") X(BREAK, "break") X(CONTINUE, "continue")                       \
  X(RETURN, "return") X(AND, "and") X(OR, "or") X(NOT, "not") X(TRUE, "true")                   \
  X(FALSE, "false") X(IMPORT, "import") X(ASSERT, "assert")                                     \
  X(MODEL, "model") X(PARAM, "param") X(STATE, "state") X(UPDATE, "update")                     \
  X(TRAIN, "train") X(ON, "on") X(TEST, "test") X(BENCH, "bench")                               \
  X(DERIVATIVE, "derivative") X(OF, "of") X(WHERE, "where") X(TYPE, "type")                     \
  X(EXPORT, "export") X(AS, "as")                                                               \
  X(SUM, "sum") X(PROD, "prod") X(MAX, "max") X(MIN, "min") X(MEAN, "mean") X(ANY, "any")       \
  X(ALL, "all") X(ARGMAX, "argmax") X(ARGMIN, "argmin")                                         \
  X(UNDER, "_") X(NAME, "") X(INT, "") X(FLOAT, "") X(TEXT, "") X(STRING, "") X(BAD_STRING, "") \
  X(LPAREN, "(") X(RPAREN, ")") X(LBRACKET, "[") X(RBRACKET, "]") X(LBRACE, "{")                \
  X(RBRACE, "}") X(COMMA, ",") X(COLON, ":") X(DOT, ".") X(RANGE, "..") X(ELLIPSIS, "...")      \
  X(ARROW, "->") X(PIPE, "|>") X(ASSIGN, "=") X(PLUS_ASSIGN, "+=") X(MINUS_ASSIGN, "-=")        \
  X(STAR_ASSIGN, "*=") X(SLASH_ASSIGN, "/=") X(TILDE, "~") X(EQ, "==") X(NE, "!=") X(LT, "<")   \
  X(LE, "<=") X(GT, ">") X(GE, ">=") X(PLUS, "+") X(MINUS, "-") X(STAR, "*") X(SLASH, "/")      \
  X(DSLASH, "//") X(PERCENT, "%") X(AT, "@") X(POW, "**")                                       \
  X(NL, "") X(COMMENT, "") X(BLANK, "") X(BAD, "")

enum class Tk : uint8_t {
  END,  // of the text
#define X(name, spelling) name,
  TENON_TOKENS(X)
#undef X
};

std::string_view spelling(Tk kind);
bool is_soft_word(Tk kind);  // NAME, and the words that are keywords only in their places
bool is_reducer(Tk kind);    // sum prod max ..
inline bool is_name(Tk kind) { return is_soft_word(kind) || is_reducer(kind); }
bool is_reserved(Tk kind);   // let .. assert

// A range of bytes of the text.
struct Token {
  Tk kind = Tk::END;
  uint32_t begin = 0, end = 0;
  bool inserted = false;  // put there by the filter after an error; nothing stands in the text
};

// All tokens between two bytes of a text, comments and newlines too, blanks not. Never fails:
// what is no token comes as BAD. (In parse.cpp: the lexer is ANTLR's.)
std::vector<Token> lex(std::string_view text, uint32_t begin, uint32_t end);

}  // namespace tenon
