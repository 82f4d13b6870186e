// The syntax of Tenon, and the authority on it. No actions, no predicates.
//
// Three parts make a tree out of a text: the lexer below, a token filter in C++
// (frontend/parse_tokens.cpp, rule 5 of the language), and the parser below. The filter drops every
// newline that ends nothing (inside ( and [, after an operator, after {, before } and so on), so
// that an NL that is left always stands between two statements and no rule needs NL*.
//
// Every decision takes at most two tokens, except a reduction after `*` or minuses (`* - sum [`);
// the parser runs in SLL mode only. Keep the levels of precedence as separate rules, and keep an
// open `..` out of `expr`: each of those would cost scans of hundreds of tokens. Names of rules must
// not be C++ words.
//
// What a rule cannot say is checked in C++, with better messages: the left side of an assignment,
// chains of comparisons (a < b < c), escapes and holes of strings, the nesting limit.
grammar Tenon;

file_      : (stmt (NL stmt)*)? NL? EOF ;
hole       : expr NL? EOF ;                    // what stands in "{...}" of a string
block      : '{' (stmt (NL stmt)*)? '}' ;

// ---------------------------------------------------------------- statements

stmt       : ('let' | 'var') bind
           | fn
           | forS
           | whileS
           | jump
           | model
           | param
           | update
           | train
           | test
           | derivative
           | typedefS
           | importS
           | simple                             // `if` is an expression only
           ;
simple     : expr (('=' | '+=' | '-=' | '*=' | '/=') expr)? ;
bind       : name '[' index (',' index)* ']' '=' expr         // index notation
           | pattern (':' type)? ('=' | '~') expr ;
index      : name ('in' expr)? ;
pattern    : name | '_' | '(' pattern (',' pattern)* ','? ')' ;
forS       : 'for' pattern 'in' expr block ;
whileS     : 'while' expr block ;
jump       : 'break' | 'continue' | 'return' expr? | 'assert' expr (',' expr)? ;

fn         : 'export'? 'fn' name params ('->' type)? constraints? (block | '=' expr) ;
params     : '(' (par (',' par)* ','?)? ')' ;
par        : name (':' type '...'?)? ('=' expr)? ;
constraints : 'where' constraint (',' constraint)* ;
constraint : name ':' name ;

model      : 'model' name params block ;
param      : ('param' | 'state') name ':' type (('~' | '=') expr)? ('if' expr)? ;
update     : 'update' name '=' expr ;
train      : 'train' place 'on' expr '{' (setting (NL setting)*)? '}' ;
place      : word (member | '[' sub (',' sub)* ']')* ;
setting    : name (params (block | '=' expr) | '=' expr) ;
test       : ('test' | 'bench') STRING block ;
derivative : 'derivative' 'of' name params '->' name ',' name block ;
typedefS    : 'type' name '=' type ;
importS    : 'import' (name | STRING) ('as' name)? ;

// ---------------------------------------------------------------- expressions, loosest first

expr       : lambda | orE stages ;
lambda     : 'fn' params ('->' type)? (block | '=' expr) ;   // up to ',' ')' ']' '}' or NL
// not `'|>' (postfix | lambda)`: a lambda with `=` takes the stages after it, one with a block not
stages     : ('|>' postfix)* ('|>' 'fn' params ('->' type)? ('=' expr | block stages))? ;
orE        : andE ('or' andE)* ;
andE       : notE ('and' notE)* ;
notE       : 'not' notE | cmp ;
cmp        : range (('==' | '!=' | '<' | '<=' | '>' | '>=') range)* ;   // a chain is refused in C++
range      : add ('..' add)? ;
add        : product (('+' | '-') product)* ;
product    : unary (('*' | '/' | '//' | '%' | '@') unary)* ('*' reduce)? | reduce ;
reduce     : '-'* reducer '[' index (',' index)* ']' product ;
unary      : '-' unary | power ;
power      : postfix ('**' unary)? ;
// a bare reducer is never indexed, so `max[k] (a[k])` has one reading
postfix    : primary suffix* | reducer ((call | member) suffix*)? ;
primary    : INT | FLOAT | 'true' | 'false' | STRING | TEXT | word | paren | bracket | record | ifE ;
paren      : '(' (expr (',' expr)* ','?)? ')' ;              // (a) is a, (a,) and (a, b) are tuples
bracket    : '[' (expr ('for' pattern 'in' expr | (',' expr)* ','?))? ']' ;
record     : '{' (field (',' field)* ','?)? '}' ;
field      : name ':' expr ;
ifE        : 'if' expr block ('else' (ifE | block))? ;

suffix     : member | call | '[' sub (',' sub)* ']' ;
member     : '.' name ;
call       : '(' (arg (',' arg)* ','?)? ')' ;
arg        : (name '=')? expr ;
sub        : '...' | '..' add? | expr '..'? ;

// ---------------------------------------------------------------- types and dimensions

type       : name ('.' name)* ('[' (dim (',' dim)*)? ']')?
           | '(' type (',' type)* ','? ')'
           | '{' (typeField (',' typeField)* ','?)? '}'
           | '[' type ']'
           | 'fn' '(' (type (',' type)* ','?)? ')' '->' type ;
typeField  : name ':' type ;
dim        : '...' | '_' | dimSum ;
dimSum     : dimProduct (('+' | '-') dimProduct)* ;
dimProduct : dimAtom (('*' | '/' | '//') dimAtom)* ;
dimAtom    : '-' dimAtom | name | INT | '(' dimSum ')' ;

// ---------------------------------------------------------------- names

name       : word | reducer ;
// the soft words: keywords only where the next token makes them one (rule 10)
word       : NAME | 'model' | 'param' | 'state' | 'update' | 'train' | 'on' | 'test' | 'bench'
           | 'derivative' | 'of' | 'where' | 'type' | 'export' | 'as' ;
reducer    : 'sum' | 'prod' | 'max' | 'min' | 'mean' | 'any' | 'all' | 'argmax' | 'argmin' ;

// ---------------------------------------------------------------- tokens
// The order is that of frontend/token.h, which has a row for each of them.

LET : 'let' ;      VAR : 'var' ;       FN : 'fn' ;          IF : 'if' ;        ELSE : 'else' ;
FOR : 'for' ;      IN : 'in' ;         WHILE : 'while' ;    BREAK : 'break' ;
CONTINUE : 'continue' ;                RETURN : 'return' ;  AND : 'and' ;      OR : 'or' ;
NOT : 'not' ;      TRUE : 'true' ;     FALSE : 'false' ;    IMPORT : 'import' ;
ASSERT : 'assert' ;

MODEL : 'model' ;  PARAM : 'param' ;   STATE : 'state' ;    UPDATE : 'update' ;
TRAIN : 'train' ;  ON : 'on' ;         TEST : 'test' ;      BENCH : 'bench' ;
DERIVATIVE : 'derivative' ;            OF : 'of' ;          WHERE : 'where' ;  TYPE : 'type' ;
EXPORT : 'export' ;                    AS : 'as' ;

SUM : 'sum' ;      PROD : 'prod' ;     MAX : 'max' ;        MIN : 'min' ;      MEAN : 'mean' ;
ANY : 'any' ;      ALL : 'all' ;       ARGMAX : 'argmax' ;  ARGMIN : 'argmin' ;

UNDER : '_' ;
NAME : [A-Za-z_] [A-Za-z_0-9]* ;
INT : [0-9]+ ;
FLOAT : [0-9]+ '.' [0-9]+ EXP? | [0-9]+ EXP ;          // 0..n is INT '..' NAME; no `1.` or `.5`
fragment EXP : [eE] [+-]? [0-9]+ ;

// Holes are parsed again in C++. In HOLE the longest match wins: "{{" + f("}}") is not one hole.
TEXT : '"""' .*? '"""' ;
STRING : '"' (ESC | '{{' | '}}' | HOLE | ~["\\{}\r\n])* '"' ;
// after STRING: unclosed, or with a lone brace or a wrong escape; one error, no cascade
BAD_STRING : '"' ('\\' ~[\r\n] | ~["\\\r\n])* ('"' | '\\')? ;
fragment HOLE : '{' ([ \t]+ HOLE | [ \t]* ~["{} \t\r\n]) (STRING | HOLE | ~["{}\r\n])* '}' ;
fragment ESC : '\\' ([nt"\\] | 'u{' [0-9a-fA-F]+ '}') ;

LPAREN : '(' ;     RPAREN : ')' ;      LBRACKET : '[' ;     RBRACKET : ']' ;
LBRACE : '{' ;     RBRACE : '}' ;      COMMA : ',' ;        COLON : ':' ;      DOT : '.' ;
RANGE : '..' ;     ELLIPSIS : '...' ;  ARROW : '->' ;       PIPE : '|>' ;
ASSIGN : '=' ;     PLUS_ASSIGN : '+=' ;                     MINUS_ASSIGN : '-=' ;
STAR_ASSIGN : '*=' ;                   SLASH_ASSIGN : '/=' ;
TILDE : '~' ;      EQ : '==' ;         NE : '!=' ;          LT : '<' ;         LE : '<=' ;
GT : '>' ;         GE : '>=' ;         PLUS : '+' ;         MINUS : '-' ;      STAR : '*' ;
SLASH : '/' ;      DSLASH : '//' ;     PERCENT : '%' ;      AT : '@' ;         POW : '**' ;

NL : '\r'? '\n' | '\r' ;
COMMENT : '#' ~[\r\n]* ;               // dropped by the filter, kept for `tenon fmt`
BLANK : [ \t]+ -> skip ;               // tabs are refused by the filter
BAD : . ;                              // a character that the language does not use
