"""Random well-typed expressions. Everything differentiable stays small and smooth almost everywhere,
so that differences of a program's result are worth comparing with its gradient."""

from tree import (ADD, AND, BOOL, COMPARE, INT, LOOSE, MINUS, NOT, OR, POSTFIX, POWER, PRODUCT,
                  Block, Expr, Function, Record, Tensor, Tuple)


class Name:
    def __init__(self, text, type, var=False, level=0):
        self.text, self.type, self.var, self.level = text, type, var, level


class Scope:
    """The names that can be used at a place, and the sizes that its signature binds. `level`: how many
    loops and branches the run decides about are around it, where a var that holds a function keeps it."""

    def __init__(self, sizes, names=(), frozen=(), level=0):
        self.sizes, self.names, self.frozen, self.level = list(sizes), list(names), list(frozen), level

    def inner(self, deeper=1):
        return Scope(self.sizes, self.names, self.frozen, self.level + deeper)


def is_float(type):
    return isinstance(type, Tensor) and type.dtype in ("f16", "bf16", "f32", "f64")


def call(type, name, *arguments):
    parts = [name, "("]
    for i, a in enumerate(arguments):
        parts += [", "] if i else []
        parts += [a] if isinstance(a, str) else [(a, LOOSE)]
    return Expr(type, POSTFIX, *parts, ")")


class Expressions:
    def __init__(self, random, dtype):
        self.random, self.float = random, dtype
        self.functions = []  # (name, parameter types, result type, size variables)
        self.models = []     # names
        self.stateful = set()  # of these
        self.count = 0

    def fresh(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def chance(self, share):
        return self.random.random() < share

    def scalar(self):
        return Tensor(self.float)

    # ---- leaves

    def places(self, scope, wanted):
        """Names and fields of names of the type."""
        out = []
        for name in scope.names:
            if name.type == wanted:
                out.append(Expr(wanted, POSTFIX, name.text))
            elif isinstance(name.type, Record):
                out += [Expr(wanted, POSTFIX, f"{name.text}.{field}")
                        for field, type in name.type.fields if type == wanted]
        return out

    def literal(self, type):
        if type == INT:
            number = self.random.randrange(-3, 6)
            return Expr(INT, POSTFIX if number >= 0 else MINUS, str(number))
        if type == BOOL:
            return Expr(BOOL, POSTFIX, self.random.choice(["true", "false"]))
        number = f"{self.random.choice([-1, 1]) * self.random.randrange(3, 180) / 100}"
        if type.dtype == "i64":
            number = str(self.random.randrange(-4, 9))
        if type.dtype == "bool":
            number = self.random.choice(["true", "false"])
        if not type.sizes:
            return Expr(type, POSTFIX, f"{type.dtype}({number})")
        return Expr(type, POSTFIX, f"full({number}, {', '.join(type.sizes)}, dtype = {type.dtype})")

    def leaf(self, scope, type):
        known = self.places(scope, type)
        if known and not self.chance(0.08):
            # Newer names more often, so that what was computed is used.
            return known[max(self.random.randrange(len(known)), self.random.randrange(len(known)))]
        if isinstance(type, Record):
            return self.record(scope, type, 0)
        if isinstance(type, Tuple):
            return self.tuple(scope, type, 0)
        if isinstance(type, Function):
            return self.lambda_(scope, type, 0)
        if type == BOOL and self.chance(0.85):
            left, right = ((self.leaf(scope, INT), self.random.choice("0123")) if self.chance(0.3) else
                           (self.leaf(scope, self.scalar()), f"{self.random.uniform(-1, 1):.4f}"))
            return Expr(BOOL, COMPARE, (left, ADD), self.random.choice([" < ", " > "]), right)
        if is_float(type) and not self.chance(0.15):
            made = self.converted(scope, type)
            if made:
                return made
        return self.literal(type)

    def converted(self, scope, type):
        """A value of the type made of a name of another shape; None where there is none."""
        floats = self.floats(scope)
        if not type.sizes:
            if not floats:
                return None
            return call(type, self.random.choice(["mean", "max", "min"]), self.random.choice(floats))
        less = [e for e in floats + self.places(scope, Tensor(type.dtype))
                if type.sizes[len(type.sizes) - len(e.type.sizes):] == e.type.sizes]
        if less:
            return call(type, "broadcast", self.random.choice(less), *type.sizes)
        return None

    def floats(self, scope):
        """Names of float tensors with axes, and fields of names."""
        out = []
        for n in scope.names:
            if is_float(n.type) and n.type.sizes:
                out.append(Expr(n.type, POSTFIX, n.text))
            elif isinstance(n.type, Record):
                out += [Expr(t, POSTFIX, f"{n.text}.{field}") for field, t in n.type.fields
                        if is_float(t) and t.sizes]
        return out

    # ---- by type

    def expr(self, scope, type, depth):
        if depth <= 0:
            return self.leaf(scope, type)
        if self.chance(0.05) and not isinstance(type, (Function, Tuple)):
            return self.if_(scope, type, depth)
        if self.chance(0.08) and not isinstance(type, Function):
            made = self.call_known(scope, type, depth)
            if made:
                return made
        if type == INT:
            return self.int(scope, depth)
        if type == BOOL:
            return self.bool(scope, depth)
        if isinstance(type, Record):
            return self.record(scope, type, depth)
        if isinstance(type, Tuple):
            return self.tuple(scope, type, depth)
        if isinstance(type, Function):
            return self.lambda_(scope, type, depth)
        if self.chance(0.12):
            return self.leaf(scope, type)
        if type.dtype == "i64":
            return self.whole(scope, type, depth)
        if type.dtype == "bool":
            return self.mask(scope, type, depth)
        return self.number(scope, type, depth)

    def mapped(self, scope, type, depth):
        """A structure from others of its type, tensor by tensor."""
        body = self.random.choice(["sin({0})", "{0} * 0.7", "tanh({0}) + 0.1"] if self.chance(0.5) else
                                  ["{0} + 0.3 * {1}", "sin({0}) * {1}", "where({0} > 0.1234, {0}, {1})"])
        names = [self.fresh("p") for _ in range(2 if "{1}" in body else 1)]
        given = [self.expr(scope, type, depth - 1) for _ in names]
        return call(type, "map", f"fn({', '.join(names)}) = {body.format(*names)}", *given)

    def record(self, scope, type, depth):
        if depth > 0 and self.chance(0.15) and all(is_float(t) for _, t in type.fields):
            return self.mapped(scope, type, depth)
        parts = ["{"]
        for i, (field, t) in enumerate(type.fields):
            parts += [", " if i else "", f"{field}: ", (self.expr(scope, t, depth - 1), LOOSE)]
        return Expr(type, POSTFIX, *parts, "}")

    def tuple(self, scope, type, depth):
        if depth > 0 and self.chance(0.1) and all(is_float(t) for t in type.members):
            return self.mapped(scope, type, depth)
        parts = ["("]
        for i, t in enumerate(type.members):
            parts += [", " if i else "", (self.expr(scope, t, depth - 1), LOOSE)]
        return Expr(type, POSTFIX, *parts, ")")

    def lambda_(self, scope, type, depth):
        inner, parts = scope.inner(), ["fn("]
        for i, t in enumerate(type.parameters):
            name = self.fresh("p")
            inner.names.append(Name(name, t))
            parts.append(f"{', ' if i else ''}{name}" + (f": {t}" if self.chance(0.7) else ""))
        # The last parameter is used, so that the function depends on it.
        body = self.expr(inner, type.result, max(depth - 1, 1))
        return Expr(type, LOOSE, *parts, ") = ", (body, LOOSE))

    def if_(self, scope, type, depth):
        condition = self.expr(scope, BOOL, depth - 1)
        yes, no = self.expr(scope, type, depth - 1), self.expr(scope, type, depth - 1)
        return Expr(type, LOOSE, "if ", (condition, OR), " ", Block([], yes), " else ", Block([], no))

    def call_known(self, scope, type, depth):
        known = [n for n in scope.names
                 if isinstance(n.type, Function) and n.type.result == type]
        if known and self.chance(0.5):
            name = self.random.choice(known)
            return call(type, name.text,
                        *[self.expr(scope, t, depth - 1) for t in name.type.parameters])
        self.random.shuffle(self.functions)
        for name, parameters, result, sizes in self.functions:
            bound = self.match(result, type, scope)
            if bound is None:
                continue
            for size in sizes:
                bound.setdefault(size, self.random.choice(scope.sizes + ["2", "3"]))
            arguments = [self.expr(scope, self.put(t, bound), depth - 1) for t in parameters]
            if len(arguments) > 1 and self.chance(0.15):
                first, rest = arguments[0], arguments[1:]
                rest_parts = [p for i, a in enumerate(rest) for p in ([", "] if i else []) + [(a, LOOSE)]]
                return Expr(type, LOOSE, (first, OR), " |> ", f"{name}(", *rest_parts, ")")
            return call(type, name, *arguments)
        return None

    def match(self, pattern, type, scope):
        """The sizes of a function whose result is to have the type; None if it cannot."""
        if isinstance(pattern, Tensor) and isinstance(type, Tensor):
            if pattern.dtype != type.dtype or len(pattern.sizes) != len(type.sizes):
                return None
            bound = {}
            for p, t in zip(pattern.sizes, type.sizes):
                if p.isdigit() and p != t or bound.setdefault(p, t) != t:
                    return None
            return bound
        if isinstance(pattern, (Record, Tuple)):
            sizes = set(self.sizes_of(pattern))
            return {} if pattern == type and all(s.isdigit() for s in sizes) else None
        return {} if pattern == type else None

    def sizes_of(self, type):
        if isinstance(type, Tensor):
            return type.sizes
        if isinstance(type, Record):
            return [s for _, t in type.fields for s in self.sizes_of(t)]
        if isinstance(type, Tuple):
            return [s for t in type.members for s in self.sizes_of(t)]
        return []

    def put(self, type, bound):
        if isinstance(type, Tensor):
            return Tensor(type.dtype, [bound.get(s, s) for s in type.sizes])
        if isinstance(type, Record):
            return Record([(n, self.put(t, bound)) for n, t in type.fields])
        if isinstance(type, Tuple):
            return Tuple([self.put(t, bound) for t in type.members])
        if isinstance(type, Function):
            return Function([self.put(t, bound) for t in type.parameters], self.put(type.result, bound))
        return type

    # ---- host numbers

    def int(self, scope, depth):
        e = lambda: self.expr(scope, INT, depth - 1)
        kind = self.random.randrange(7)
        if kind == 0 and scope.sizes and self.chance(0.5):
            return Expr(INT, POSTFIX, self.random.choice(scope.sizes))
        if kind <= 2:
            return Expr(INT, ADD, (e(), ADD), self.random.choice([" + ", " - "]), (e(), PRODUCT))
        if kind == 3:
            return Expr(INT, PRODUCT, (e(), PRODUCT), " * ", self.random.choice(["2", "3"]))
        if kind == 4:
            return Expr(INT, PRODUCT, (e(), PRODUCT), self.random.choice([" // ", " % "]),
                        self.random.choice(["2", "3", "-3", "7"]))
        if kind == 5:
            vectors = [n for n in scope.names if isinstance(n.type, Tensor)
                       and n.type.dtype == "i64" and len(n.type.sizes) == 1]
            if vectors:
                v = self.random.choice(vectors)
                return Expr(INT, POSTFIX, v.text, "[", (self.index(scope, v.type.sizes[0], depth - 1), LOOSE), "]")
        return self.leaf(scope, INT)

    def index(self, scope, size, depth):
        """An int that is a place of an axis, whatever the numbers are."""
        if self.chance(0.15):
            return Expr(INT, POSTFIX, "0")
        if self.chance(0.1):
            return Expr(INT, POSTFIX, "-1")
        return Expr(INT, PRODUCT, (self.expr(scope, INT, min(depth, 2)), PRODUCT), f" % {size}")

    def bool(self, scope, depth):
        kind = self.random.randrange(8)
        if kind <= 1:
            return Expr(BOOL, COMPARE, (self.expr(scope, INT, depth - 1), ADD),
                        self.random.choice([" < ", " <= ", " > ", " >= ", " == ", " != "]),
                        (self.expr(scope, INT, depth - 1), ADD))
        if kind <= 3:
            # Against an irregular number: ties of two floats would be kinks.
            return Expr(BOOL, COMPARE, (self.expr(scope, self.scalar(), depth - 1), ADD),
                        self.random.choice([" < ", " > "]), f"{self.random.uniform(-1, 1):.4f}")
        if kind == 4:
            return Expr(BOOL, AND, (self.expr(scope, BOOL, depth - 1), AND), " and ",
                        (self.expr(scope, BOOL, depth - 1), NOT))
        if kind == 5:
            return Expr(BOOL, OR, (self.expr(scope, BOOL, depth - 1), OR), " or ",
                        (self.expr(scope, BOOL, depth - 1), AND))
        if kind == 6:
            return Expr(BOOL, NOT, "not ", (self.expr(scope, BOOL, depth - 1), NOT))
        mask = Tensor("bool", [self.random.choice(scope.sizes or ["3"])])
        return call(BOOL, self.random.choice(["any", "all"]), self.mask(scope, mask, depth - 1))

    # ---- tensors of bools and of whole numbers

    def mask(self, scope, type, depth):
        if not type.sizes:
            return Expr(type, POSTFIX, "bool(", (self.bool(scope, depth), LOOSE), ")")
        other = Tensor(self.random.choice([self.float, self.float, "i64"]), type.sizes)
        kind = self.random.randrange(5)
        if kind <= 2 or depth <= 1:
            right = (f"{self.random.uniform(-1, 1):.4f}" if is_float(other)
                     else str(self.random.randrange(-2, 6)))
            return Expr(type, COMPARE, (self.expr(scope, other, depth - 1), ADD),
                        self.random.choice([" < ", " > "]), right)
        a, b = self.mask(scope, type, depth - 1), self.mask(scope, type, depth - 1)
        if kind == 3:
            return Expr(type, NOT, "not ", (a, NOT))
        if self.chance(0.5):
            return Expr(type, AND, (a, AND), " and ", (b, NOT))
        return Expr(type, OR, (a, OR), " or ", (b, AND))

    def whole(self, scope, type, depth):
        e = lambda: self.expr(scope, type, depth - 1)
        kind = self.random.randrange(12)
        if kind <= 2:
            return Expr(type, ADD, (e(), ADD), self.random.choice([" + ", " - "]), (e(), PRODUCT))
        if kind == 3:
            return Expr(type, PRODUCT, (e(), PRODUCT), self.random.choice([" * ", " // ", " % "]),
                        self.random.choice(["2", "3", "5"]))
        if kind == 4:
            return call(type, self.random.choice(["bit_and", "bit_or", "bit_xor"]), e(), e())
        if kind == 5:
            return call(type, self.random.choice(["shift_left", "shift_right"]), e(),
                        self.random.choice(["1", "2"]))
        if kind == 6:
            return call(type, "where", self.mask(scope, Tensor("bool", type.sizes), depth - 1), e(), e())
        if kind == 7:
            return call(type, self.random.choice(["maximum", "minimum"]), e(), e())
        if kind == 8:
            return call(type, "cast", self.expr(scope, Tensor(self.float, type.sizes), depth - 1), "i64")
        if kind == 9 and len(type.sizes) == 1:
            return call(type, self.random.choice(["sort", "argsort", "cumsum"]), e())
        if kind == 10:
            size = self.random.choice(scope.sizes + ["2"])
            more = self.expr(scope, Tensor(self.random.choice(["i64", self.float]), (size, *type.sizes)),
                             depth - 1)
            return call(type, self.random.choice(["argmax", "argmin"]), more, "axis = 0")
        if kind == 11:
            size = self.random.choice(scope.sizes + ["2"])
            more = self.expr(scope, Tensor("i64", (size, *type.sizes)), depth - 1)
            return call(type, self.random.choice(["sum", "max", "min", "prod"]), more, "axis = 0")
        return self.leaf(scope, type)

    # ---- floats

    def squared(self, e):
        return call(e.type, "square", e)

    def tame(self, e):
        return call(e.type, self.random.choice(["sin", "tanh", "erf", "cos"]), e)

    def number(self, scope, type, depth):
        e = lambda t=type: self.expr(scope, t, depth - 1)
        choices = [self.binary, self.binary, self.binary, self.unary, self.unary, self.chosen,
                   self.reduced, self.structural, self.structural, self.derived]
        if not type.sizes:
            choices += [self.reduced, self.element, self.element]
        made = self.called(scope, type, depth) if self.chance(0.12) else None
        if made is not None:
            return made
        made = self.random.choice(choices)(scope, type, depth, e)
        return made if made is not None else self.leaf(scope, type)

    def binary(self, scope, type, depth, e):
        other = type
        if type.sizes and self.chance(0.3):  # one side is stretched
            other = Tensor(type.dtype, type.sizes[self.random.randrange(1, len(type.sizes) + 1):])
        a, b = e(), e(other)
        if other != type and self.chance(0.5):
            a, b = b, a
        kind = self.random.randrange(9)
        if kind <= 1:
            return Expr(type, ADD, (a, ADD), " + ", (b, PRODUCT))
        if kind == 2:
            return Expr(type, ADD, (a, ADD), " - ", (b, PRODUCT))
        if kind <= 4:
            return Expr(type, PRODUCT, (a, PRODUCT), " * ", (b, MINUS))
        if kind == 5:
            divisor = Expr(b.type, ADD, "1.5 + ", (self.squared(b), PRODUCT))
            return Expr(type, PRODUCT, (a, PRODUCT), " / ", (divisor, MINUS))
        if kind == 6:
            number = f"{self.random.uniform(0.2, 1.5):.3f}"
            return Expr(type, PRODUCT, number, " * ", (e(), MINUS))
        if kind == 7:
            return call(type, self.random.choice(["maximum", "minimum"]), a, b)
        positive = Expr(b.type, ADD, "1.2 + ", (self.squared(b), PRODUCT))
        return call(type, "atan2", a, positive)

    def unary(self, scope, type, depth, e):
        a, kind = e(), self.random.randrange(13)
        if kind <= 2:
            return call(type, self.random.choice(["sin", "cos", "tanh", "erf"]), a)
        if kind == 3:
            return call(type, self.random.choice(["sigmoid", "gelu", "silu", "softplus", "gelu_tanh"]), a)
        if kind == 4:
            return call(type, self.random.choice(["abs", "relu"]), a)
        if kind == 5:
            return call(type, "exp", Expr(type, MINUS, "-", (self.squared(a), POWER)))
        if kind == 6:
            positive = Expr(type, ADD, (self.squared(a), PRODUCT), " + ", "0.7")
            return call(type, self.random.choice(["sqrt", "log", "log1p", "rsqrt"]), positive)
        if kind == 7:
            return call(type, self.random.choice(["expm1", "sinh", "cosh", "exp"]), self.tame(a))
        if kind == 8:
            return Expr(type, POWER, (a, POSTFIX), " ** ", self.random.choice(["2", "3"]))
        if kind == 9:
            positive = Expr(type, ADD, (self.squared(a), PRODUCT), " + ", "0.9")
            return Expr(type, POWER, (positive, POSTFIX), " ** ", self.random.choice(["1.5", "0.5", "-0.7"]))
        if kind == 10:
            return call(type, "clamp", a, "-0.812", "0.934")
        if kind == 11:
            return Expr(type, LOOSE, (a, OR), " |> ", self.random.choice(["sin", "tanh", "square"]))
        return Expr(type, MINUS, "-", (a, POWER))

    def chosen(self, scope, type, depth, e):
        if self.chance(0.5) or not type.sizes:
            return self.if_(scope, type, depth)
        return call(type, "where", self.mask(scope, Tensor("bool", type.sizes), depth - 1), e(), e())

    def reduced(self, scope, type, depth, e):
        if len(type.sizes) > 2:
            return None
        axis = self.random.randrange(len(type.sizes) + 1)
        sizes = list(type.sizes)
        sizes.insert(axis, self.random.choice(scope.sizes + ["2", "3"]))
        a = e(Tensor(type.dtype, sizes))
        how = self.random.choice(["sum", "mean", "mean", "max", "min", "prod", "logsumexp"])
        if how == "prod":
            a = self.tame(a)
        back = axis - len(sizes) if self.chance(0.4) else axis
        if len(sizes) == 1 and how != "logsumexp" and self.chance(0.6):
            return call(type, how, a)
        return call(type, how, a, f"axis = {back}" if how != "logsumexp" or self.chance(0.5) else str(back))

    def element(self, scope, type, depth, e):
        """An element of a vector or matrix."""
        rank = self.random.choice([1, 1, 2])
        sizes = [self.random.choice(scope.sizes or ["3"]) for _ in range(rank)]
        a = self.leaf(scope, Tensor(type.dtype, sizes))
        parts = [(a, POSTFIX), "["]
        for i, s in enumerate(sizes):
            parts += [", " if i else "", (self.index(scope, s, depth - 1), LOOSE)]
        return Expr(type, POSTFIX, *parts, "]")

    def structural(self, scope, type, depth, e):
        rank, sizes = len(type.sizes), type.sizes
        any_size = self.random.choice(scope.sizes + ["2", "3"])
        kind = self.random.randrange(9)
        of = lambda *s: Tensor(type.dtype, s)
        if rank == 0:
            if kind < 5:
                return Expr(type, PRODUCT, (e(of(any_size)), PRODUCT), " @ ", (e(of(any_size)), MINUS))
            return None
        if rank == 1:
            if kind == 0:
                return Expr(type, PRODUCT, (e(of(sizes[0], any_size)), PRODUCT), " @ ", (e(of(any_size)), MINUS))
            if kind == 1:
                return call(type, self.random.choice(["cumsum", "sort"]), e())
            if kind == 2:
                return call(type, "cumprod", self.tame(e()))
            if kind == 3:
                a = self.leaf(scope, type)
                return call(type, "concat", Expr(of("_"), POSTFIX, (a, POSTFIX), "[1..]"),
                            Expr(of("1"), POSTFIX, (a, POSTFIX), "[..1]"))
            if kind == 4:
                ids = self.expr(scope, Tensor("i64", sizes), depth - 2)
                table = self.leaf(scope, of(any_size))
                return Expr(type, POSTFIX, (table, POSTFIX), "[", (ids, PRODUCT), f" % {any_size}]")
            if kind == 5:
                a = self.leaf(scope, of(any_size, sizes[0]))
                return Expr(type, POSTFIX, (a, POSTFIX), "[", (self.index(scope, any_size, depth - 1), LOOSE), "]")
            if kind == 6:
                a = self.leaf(scope, of(sizes[0], any_size))
                return Expr(type, POSTFIX, (a, POSTFIX), "[.., ", (self.index(scope, any_size, depth - 1), LOOSE), "]")
            if kind == 7:
                return call(type, self.random.choice(["softmax", "log_softmax"]), e())
            return self.comprehension(scope, type, depth)
        if rank == 2:
            if kind <= 1:
                return Expr(type, PRODUCT, (e(of(sizes[0], any_size)), PRODUCT), " @ ",
                            (e(of(any_size, sizes[1])), MINUS))
            if kind == 2:
                return call(type, "transpose", e(of(sizes[1], sizes[0])))
            if kind == 3:
                return call(type, "softmax", e(), f"axis = {self.random.choice([0, 1, -1])}")
            if kind == 4:
                return call(type, self.random.choice(["cumsum", "sort"]), e(), f"axis = {self.random.randrange(2)}")
            if kind == 5:
                return call(type, "reshape", call(of("_"), "transpose", e()), *sizes)
            if kind == 6:
                return call(type, "broadcast", e(of(sizes[1])), *sizes)
            if kind == 7 and sizes[0].isdigit():
                return call(type, "stack", *[e(of(sizes[1])) for _ in range(int(sizes[0]))])
            return self.comprehension(scope, type, depth)
        return self.comprehension(scope, type, depth) if rank == 3 else None

    def comprehension(self, scope, type, depth):
        inner, name = scope.inner(), self.fresh("q")
        element = Tensor(type.dtype, type.sizes[1:])
        over = f"0..{type.sizes[0]}"
        rows = [n for n in scope.names if isinstance(n.type, Tensor) and is_float(n.type)
                and n.type.sizes[:1] == type.sizes[:1]]
        if rows and self.chance(0.5):
            row = self.random.choice(rows)
            over = row.text
            inner.names.append(Name(name, Tensor(row.type.dtype, row.type.sizes[1:])))
        else:
            inner.names.append(Name(name, INT))
        return Expr(type, POSTFIX, "[", (self.expr(inner, element, depth - 1), LOOSE),
                    f" for {name} in {over}]")

    def derived(self, scope, type, depth, e):
        """What a gradient, a pull-back or a stopped value is inside of the program."""
        if scope.frozen and not type.sizes and self.chance(0.5):
            return call(type, "stop_gradient", self.expr(Scope(scope.sizes, scope.frozen), type, depth - 1))
        if self.float != "f64" or len(type.sizes) > 1 or depth < 2 or not self.chance(0.3):
            return None
        name = self.fresh("d")
        inner = scope.inner()
        inner.names.append(Name(name, type))
        # The sine makes the inner function depend on what it is differentiated by.
        body = Expr(self.scalar(), ADD, (self.expr(inner, self.scalar(), depth - 2), ADD), " + ",
                    f"sum(sin({name}))" if type.sizes else f"sin({name})")
        kind = self.random.randrange(4)
        if kind == 1:
            return Expr(type, POSTFIX, f"vjp(fn({name}) = ", (body, LOOSE), ", ", (self.leaf(scope, type), LOOSE),
                        ")[1](", (self.leaf(scope, self.scalar()), LOOSE), ")")
        if kind == 0 and not type.sizes:
            return Expr(type, POSTFIX, f"jvp(fn({name}) = ", (body, LOOSE), ", ", (self.leaf(scope, type), LOOSE),
                        ", ", (self.leaf(scope, type), LOOSE), ")[1]")
        return Expr(type, POSTFIX, f"grad(fn({name}) = ", (body, LOOSE), ")(", (self.leaf(scope, type), LOOSE), ")")
