"""The tree of a generated program: what the writer (writer.py) makes, the shrinker (shrink.py) cuts
and render() turns into source text. An expression knows its type, so that it can be replaced by
another one of the same type."""


class Tensor:
    """The type of a tensor: dtype and sizes, which are texts such as 'N' or '3'. A scalar has none."""

    def __init__(self, dtype, sizes=()):
        self.dtype, self.sizes = dtype, tuple(sizes)

    def __eq__(self, other):
        return isinstance(other, Tensor) and (self.dtype, self.sizes) == (other.dtype, other.sizes)

    def __hash__(self):
        return hash((self.dtype, self.sizes))

    def __str__(self):
        return self.dtype + (f"[{', '.join(self.sizes)}]" if self.sizes else "")


class Record:
    def __init__(self, fields):
        self.fields = tuple(fields)  # (name, type)

    def __eq__(self, other):
        return isinstance(other, Record) and self.fields == other.fields

    def __hash__(self):
        return hash(self.fields)

    def __str__(self):
        return "{" + ", ".join(f"{name}: {type}" for name, type in self.fields) + "}"


class Tuple:
    def __init__(self, members):
        self.members = tuple(members)

    def __eq__(self, other):
        return isinstance(other, Tuple) and self.members == other.members

    def __hash__(self):
        return hash(self.members)

    def __str__(self):
        return "(" + ", ".join(map(str, self.members)) + ")"


class Function:
    def __init__(self, parameters, result):
        self.parameters, self.result = tuple(parameters), result

    def __eq__(self, other):
        return (isinstance(other, Function)
                and (self.parameters, self.result) == (other.parameters, other.result))

    def __hash__(self):
        return hash((self.parameters, self.result))

    def __str__(self):
        return f"fn({', '.join(map(str, self.parameters))}) -> {self.result}"


class Model:
    """A model's name, and the text of the size that it was made with."""

    def __init__(self, name, width):
        self.name, self.width = name, width

    def __eq__(self, other):
        return isinstance(other, Model) and (self.name, self.width) == (other.name, other.width)

    def __hash__(self):
        return hash((self.name, self.width))

    def __str__(self):
        return self.name


INT, BOOL = "int", "bool"  # host numbers; other types are the classes above

# How tightly an operator binds; a part of an expression is put in brackets where it binds less.
LOOSE, OR, AND, NOT, COMPARE, ADD, PRODUCT, MINUS, POWER, POSTFIX = range(10)


class Expr:
    """parts are texts, Blocks, and (Expr, level) pairs: an operand and how tightly it must bind."""

    def __init__(self, type, level, *parts):
        self.type, self.level, self.parts = type, level, list(parts)

    def operands(self):
        return [p[0] for p in self.parts if isinstance(p, tuple)]


class Block:
    def __init__(self, statements, result=None):
        self.statements, self.result = statements, result  # result: an Expr or None


class Statement:
    """A line of parts as in Expr; a Block among them is written in braces over lines of its own."""

    def __init__(self, *parts, keep=False):
        self.parts, self.keep = list(parts), keep  # keep: not to be deleted when shrinking


class Layout:
    """How text is spread over the page. With a source of randomness: blanks, line ends and comments
    where the language lets them stand, for the formatter to put right."""

    def __init__(self, random=None):
        self.random = random

    def blank(self):
        return "  " if self.random and self.random.random() < 0.1 else " "

    def after_open(self, depth):
        if self.random and self.random.random() < 0.04:
            return "\n" + " " * self.random.randrange(9)
        return ""

    def end_of_line(self):
        if self.random and self.random.random() < 0.08:
            return self.random.choice(["  # a comment", " #", "   "])
        return ""

    def between(self):
        if self.random and self.random.random() < 0.08:
            return self.random.choice(["\n", "\n\n", "# a comment of its own\n", "\n  # another\n"])
        return ""


def render_expr(expr, level, layout, depth):
    text = "".join(render_part(p, layout, depth) for p in expr.parts)
    redundant = layout.random and expr.level > LOOSE and layout.random.random() < 0.03
    if expr.level < level or redundant:
        return "(" + layout.after_open(depth) + text + ")"
    return text


def render_part(part, layout, depth):
    if isinstance(part, str):
        if layout.random and part.startswith(" ") and part.endswith(" ") and len(part) > 2:
            return layout.blank() + part.strip() + layout.blank()
        if part == "(":
            return "(" + layout.after_open(depth)
        return part
    if isinstance(part, Block):
        return render_block(part, layout, depth)
    return render_expr(part[0], part[1], layout, depth)


def render_block(block, layout, depth):
    if (len(block.statements) == 0 and block.result is not None
            and not (layout.random and layout.random.random() < 0.3)):
        return "{ " + render_expr(block.result, LOOSE, layout, depth) + " }"
    inner = "  " * (depth + 1)
    if layout.random and layout.random.random() < 0.1:
        inner = " " * layout.random.randrange(7)
    lines = []
    for s in block.statements:
        lines.append(layout.between() + inner + render_statement(s, layout, depth + 1)
                     + layout.end_of_line())
    if block.result is not None:
        lines.append(inner + render_expr(block.result, LOOSE, layout, depth + 1)
                     + layout.end_of_line())
    return "{\n" + "".join(line + "\n" for line in lines) + "  " * depth + "}"


def render_statement(statement, layout, depth=0):
    return "".join(render_part(p, layout, depth) for p in statement.parts)


def render(program, layout=None):
    layout = layout or Layout()
    return "".join(layout.between() + render_statement(s, layout) + layout.end_of_line() + "\n"
                   for s in program)
