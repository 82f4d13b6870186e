"""Random well-typed programs: some functions that call each other, one scalar function `main` whose
derivatives are taken, and the statements that print them beside differences of main."""

from expressions import Expressions, Name, Scope, call, is_float
from models import Models
from tree import (ADD, BOOL, INT, LOOSE, OR, POSTFIX, PRODUCT, Block, Expr, Function, Model, Record,
                  Statement, Tensor, Tuple)


class Writer(Models, Expressions):
    # ---- statements

    def let(self, scope, out, depth):
        type = self.some_type(scope)
        value = self.expr(scope, type, depth)
        if isinstance(type, Tuple) and self.chance(0.7):
            out.append(Statement(f"let {self.pattern(scope, type)} = ", (value, LOOSE)))
            return
        var, name = self.chance(0.4), self.fresh("v")
        if type == INT:
            var = False
        annotation = f": {type}" if self.chance(0.2) and not isinstance(type, Function) else ""
        out.append(Statement(f"{'var' if var else 'let'} {name}{annotation} = ", (value, LOOSE)))
        scope.names.append(Name(name, type, var, scope.level))

    def pattern(self, scope, type):
        """The names of a tuple's members, some of which are left out."""
        parts = []
        for i, t in enumerate(type.members):
            if isinstance(t, Tuple) and self.chance(0.7):
                parts.append(self.pattern(scope, t))
            elif i > 0 and self.chance(0.15):
                parts.append("_")
            else:
                parts.append(self.fresh("t"))
                scope.names.append(Name(parts[-1], t))
        return f"({', '.join(parts)})"

    def some_type(self, scope):
        size = lambda: self.random.choice(scope.sizes + ["2", "3"])
        kind, f = self.random.randrange(21), self.float
        if kind <= 6:
            return Tensor(f)
        if kind <= 10:
            return Tensor(f, [size()])
        if kind <= 12:
            return Tensor(f, [size(), size()])
        if kind == 13:
            return Tensor("i64", [size()])
        if kind == 14:
            return Tensor("bool", [size()])
        if kind == 15:
            return INT
        if kind == 16:
            return Record([("a", Tensor(f)), ("b", Tensor(f, [size()]))])
        if kind == 17:
            return Tuple([Tensor(f), Tensor(f, [size()])])
        if kind == 18:
            return Tuple([Tensor(f), Tuple([Tensor(f, [size()]), Record([("a", Tensor(f)), ("b", Tensor(f, [size()]))])])])
        if kind == 19:
            return Function([Tensor(f)], Tensor(f))
        return BOOL

    def assign(self, scope, out, depth):
        # Which function a var holds is known when compiling, so nothing that the run decides may change it.
        vars = [n for n in scope.names if n.var and not (isinstance(n.type, Function) and n.level != scope.level)]
        if not vars:
            return self.let(scope, out, depth)
        name = self.random.choice(vars)
        type = name.type
        same = [n for n in vars if n.type == type and n is not name]
        if same and self.chance(0.2):
            other = self.random.choice(same)
            out.append(Statement(f"({name.text}, {other.text}) = ({other.text}, {name.text})"))
        elif isinstance(type, Record):
            field, t = self.random.choice(type.fields)
            out.append(Statement(f"{name.text}.{field} = ", (self.kept(scope, t, depth), LOOSE)))
        elif isinstance(type, Tensor) and type.sizes and self.chance(0.5):
            parts = [name.text, "["]
            whole_rows = len(type.sizes) == 2 and self.chance(0.3)
            for i, s in enumerate(type.sizes[:1] if whole_rows else type.sizes):
                parts += [", " if i else "", (self.index(scope, s, depth - 1), LOOSE)]
            element = Tensor(type.dtype, type.sizes[1:] if whole_rows else ())
            out.append(Statement(*parts, "] = ", (self.kept(scope, element, depth), LOOSE)))
        elif is_float(type) and self.chance(0.3):
            out.append(Statement(name.text, self.random.choice([" += ", " -= "]),
                                 (self.kept(scope, type, depth), LOOSE)))
        else:
            out.append(Statement(f"{name.text} = ", (self.kept(scope, type, depth), LOOSE)))

    def grown(self, scope, out, depth):
        """A var whose size the run decides, and a number made of it."""
        f, rank = self.float, self.random.choice([1, 1, 2])
        row = [self.random.choice(scope.sizes + ["2"])] if rank == 2 else []
        type = Tensor(f, [self.random.choice(scope.sizes + ["1", "2"])] + row)
        name, k, inner = self.fresh("g"), self.fresh("k"), scope.inner()
        out.append(Statement(f"var {name}: {Tensor(f, ['_'] + row)} = ", (self.expr(scope, type, 1), LOOSE), keep=True))
        inner.names.append(Name(k, INT))
        more = self.tame(self.expr(inner, Tensor(f, row), depth - 1))
        join = self.random.choice([["concat(", name, ", [", (more, LOOSE), "])"], ["concat([", (more, LOOSE), "], ", name, ")"],
                                   [f"concat({name}, {name}[..1] * 0.5)"]])
        body = [Statement(f"{name} = ", *join)]
        if self.chance(0.5):
            cut = self.random.choice(["[1..]", "[..-1]", f"[{k} % 2..]"])
            body.append(Statement("if ", (self.expr(inner, BOOL, depth - 1), OR), " ", Block([Statement(f"{name} = {name}{cut}")])))
        if self.chance(0.3):
            jump = Block([Statement(self.random.choice(["break", "continue"]))])
            body.insert(self.random.randrange(2), Statement("if ", (self.expr(inner, BOOL, depth - 1), OR), " ", jump))
        body.append(Statement(f"if len({name}) == 0 ", Block([Statement(f"{name} = ", (self.expr(inner, type, 1), LOOSE))]), keep=True))
        out.append(Statement(f"for {k} in 0..", (self.expr(scope, INT, 2), PRODUCT), f" % {self.random.choice('2345')} ", Block(body)))
        number = self.random.choice([f"mean(sin({name}))", f"sum(softmax({name}) * {name})", f"sum(cumsum({name}, axis = 0) * 0.1)",
                                     f"max(tanh({name}))", f"sum({name}[-1])", f"mean(square({name})) * {f}(len({name}))"])
        made = self.fresh("v")
        out.append(Statement(f"let {made} = {number}"))
        scope.names.append(Name(made, self.scalar()))

    def drawn(self, scope, out):
        """Only where no differences are taken: each place draws its own numbers."""
        type = Tensor(self.float, [self.random.choice(scope.sizes + ["2"]) for _ in range(self.random.randrange(3))])
        name = self.fresh("v")
        out.append(Statement(f"let {name}: {type} ~ {self.random.choice(['normal(0, 1)', 'uniform(-1, 1)'])}"))
        scope.names.append(Name(name, type))

    def kept(self, scope, type, depth):
        """A value for a var: what goes around a loop must not grow."""
        value = self.expr(scope, type, depth)
        return self.tame(value) if is_float(type) else value

    def index_notation(self, scope, out, depth):
        rank = self.random.choice([1, 2, 2])
        sizes = [self.random.choice(scope.sizes + ["3"]) for _ in range(rank)]
        names = [self.fresh("i") for _ in range(rank)]
        body = self.at_indices(scope, dict(zip(names, sizes)), depth)
        ranges = ", ".join(f"{n} in 0..{s}" for n, s in zip(names, sizes))
        name = self.fresh("c")
        out.append(Statement(f"let {name}[{ranges}] = ", (body, LOOSE)))
        scope.names.append(Name(name, Tensor(self.float, sizes)))

    def at_indices(self, scope, indices, depth):
        """A scalar written with indices, each with the size of its range."""
        t = self.scalar()
        e = lambda: self.at_indices(scope, indices, depth - 1)
        plain = [n for n in scope.names if is_float(n.type) and n.type.sizes
                 and all(s in indices.values() for s in n.type.sizes)]
        if depth <= 0 or self.chance(0.2):
            if not plain or self.chance(0.1):
                return Expr(t, PRODUCT, f"{self.float}({self.random.choice(list(indices))}) * 0.13")
            name = self.random.choice(plain)
            at = [self.random.choice([i for i, s in indices.items() if s == size])
                  for size in name.type.sizes]
            return Expr(t, POSTFIX, f"{name.text}[{', '.join(at)}]")
        kind = self.random.randrange(9)
        if kind <= 1:
            return Expr(t, ADD, (e(), ADD), " + ", (e(), PRODUCT))
        if kind <= 3:
            return Expr(t, PRODUCT, (e(), PRODUCT), " * ", (e(), POSTFIX))
        if kind == 4:
            return self.tame(e())
        if kind == 5 and len(indices) < 4:
            k, size = self.fresh("i"), self.random.choice(scope.sizes + ["2"])
            body = self.at_indices(scope, {**indices, k: size}, depth - 1)
            how = self.random.choice(["sum", "sum", "sum", "mean", "max", "min"])
            return Expr(t, LOOSE, f"{how}[{k} in 0..{size}] ", (body, POSTFIX))
        if kind == 6:  # a gather
            vectors = [n for n in scope.names if is_float(n.type) and len(n.type.sizes) == 1]
            whole = [n for n in scope.names if isinstance(n.type, Tensor) and n.type.dtype == "i64"
                     and len(n.type.sizes) == 1 and n.type.sizes[0] in indices.values()]
            if vectors and whole:
                v, ids = self.random.choice(vectors), self.random.choice(whole)
                i = self.random.choice([i for i, s in indices.items() if s == ids.type.sizes[0]])
                return Expr(t, POSTFIX, f"{v.text}[{ids.text}[{i}] % {v.type.sizes[0]}]")
        if kind == 7:  # a mask that keeps a read inside
            i = self.random.choice(list(indices))
            vectors = [n for n in scope.names if is_float(n.type) and n.type.sizes == (indices[i],)]
            if vectors:
                v = self.random.choice(vectors)
                return Expr(t, LOOSE, f"if {i} > 0 {{ {v.text}[{i} - 1] }} else ", Block([], e()))
        i = self.random.choice(list(indices))
        return Expr(t, LOOSE, f"if {i} {self.random.choice(['<', '>', '=='])} {self.random.choice('012')} ",
                    Block([], e()), " else ", Block([], e()))

    def if_statement(self, scope, out, depth, place):
        condition = self.expr(scope, BOOL, depth)
        yes = self.block(scope, depth - 1, place, self.random.randrange(1, 3))
        parts = ["if ", (condition, OR), " ", yes]
        if self.chance(0.5):
            parts += [" else ", self.block(scope, depth - 1, place, self.random.randrange(1, 3))]
        out.append(Statement(*parts))

    def loop(self, scope, out, depth, place):
        inner, first = scope.inner(), []
        kind = self.random.randrange(6)
        if kind <= 1:
            i = self.fresh("k")
            high = self.random.choice(["3", "4"] + scope.sizes)
            low = self.random.choice(["0", "0", "1"])
            span = f"{low}..{high}"
            if self.chance(0.15):
                span = f"reverse({span})"
            header = [f"for {i} in {span} "]
            inner.names.append(Name(i, INT))
        elif kind == 2:
            rows = [n for n in scope.names if is_float(n.type) and n.type.sizes]
            if not rows:
                return self.assign(scope, out, depth)
            row, name = self.random.choice(rows), self.fresh("e")
            inner.names.append(Name(name, Tensor(row.type.dtype, row.type.sizes[1:])))
            if self.chance(0.3):
                i = self.fresh("k")
                inner.names.append(Name(i, INT))
                header = [f"for ({i}, {name}) in enumerate({row.text}) "]
            else:
                header = [f"for {name} in {row.text} "]
        elif kind == 3:  # a list, repeated per element
            element = Record([("a", self.scalar()), ("b", Tensor(self.float, [self.random.choice(scope.sizes + ["2"])]))])
            name = self.fresh("e")
            items = [self.record(scope, element, 2) for _ in range(self.random.randrange(1, 4))]
            parts = [p for n, r in enumerate(items) for p in ([", "] if n else []) + [(r, LOOSE)]]
            header = [f"for {name} in [", *parts, "] "]
            inner.names.append(Name(name, element))
        else:
            count = self.fresh("n")
            out.append(Statement(f"var {count} = 0", keep=True))
            inner.names.append(Name(count, INT))
            parts = [f"{count} < {self.random.choice('345')}"]
            if self.chance(0.5):
                parts += [" and ", (self.expr(scope, BOOL, depth - 1), POSTFIX)]
            header = ["while ", *parts, " "]
            first.append(Statement(f"{count} += 1", keep=True))
        # Where nothing jumps out of it, a loop over a list is straight code.
        straight = kind == 3 and self.chance(0.5)
        inner.level = scope.level if straight else inner.level
        place = {} if straight else {"loop": True, "result": place.get("result")}
        body = self.block(inner, depth - 1, place, self.random.randrange(1, 4), first, 0 if straight else 1)
        out.append(Statement(*header, body))

    def jump(self, scope, out, depth, place):
        kinds = (["break", "continue"] if place.get("loop") else []) + (["return"] if place.get("result") else [])
        if not kinds:
            return self.assign(scope, out, depth)
        kind = self.random.choice(kinds)
        what = Statement(kind)
        if kind == "return":
            what = Statement("return ", (self.expr(scope, place["result"], depth - 1), LOOSE))
        out.append(Statement("if ", (self.expr(scope, BOOL, depth - 1), OR), " ", Block([what])))

    def block(self, scope, depth, place, count, first=(), deeper=1):
        inner, out = scope.inner(deeper), list(first)
        for _ in range(count):
            if self.chance(0.3):  # what is made inside is of use only if a var takes it out
                self.assign(inner, out, max(depth, 1))
            else:
                self.statement(inner, out, depth, place)
        self.assign(inner, out, max(depth, 1))
        return Block(out)

    def statement(self, scope, out, depth, place):
        kind = self.random.randrange(17)
        if depth <= 0:
            kind = min(kind, 8)
        if kind == 16:
            if self.float != "f64" and self.chance(0.5):
                self.drawn(scope, out)
            else:
                self.grown(scope, out, depth)
        elif kind <= 4:
            self.let(scope, out, max(depth, 1))
        elif kind <= 8:
            self.assign(scope, out, max(depth, 1))
        elif kind == 9:
            self.index_notation(scope, out, 3)
        else:
            made = self.if_statement if kind <= 11 else self.loop if kind <= 14 else self.jump
            made(scope, out, depth, place)
            if place:  # where one of them jumps, what follows is a branch
                scope.level += 1

    # ---- functions

    def parameters(self, sizes):
        f = self.float
        choices = [Tensor(f), Tensor(f), Tensor(f, [sizes[0]]), Tensor(f, [sizes[0], sizes[1]]),
                   Tensor(f, [sizes[1]]), INT, Tensor("i64", [sizes[0]]), Function([Tensor(f)], Tensor(f)),
                   Record([("a", Tensor(f)), ("b", Tensor(f, [sizes[1]]))])]
        # Each size stands plainly in the first parameter, so that it can be inferred.
        return [Tensor(f, sizes)] + [self.random.choice(choices) for _ in range(self.random.randrange(0, 3))]

    def start(self, scope, out):
        """Vars to be changed by loops and branches."""
        for t in self.random.sample([n.type for n in scope.names if is_float(n.type)], 1) * self.random.randrange(0, 3):
            name = self.fresh("v")
            out.append(Statement(f"var {name} = ", (self.tame(self.leaf(scope, t)), LOOSE)))
            scope.names.append(Name(name, t, True))

    def end(self, scope, value):
        """The value, and some of what was computed before, which otherwise nobody might need."""
        parts, made = [(value, ADD)], [n for n in scope.names if n.text[0] in "vct"]
        for n in made[-4:]:
            if is_float(n.type) and len(n.type.sizes) == 0:
                parts.append(f" + sin({n.text})")
            elif is_float(n.type):
                parts.append(f" + mean(sin({n.text}))")
        return Expr(value.type, ADD, *parts)

    def function(self):
        name, sizes = self.fresh("u"), ["P", "Q"]  # `f` and a number may be a dtype
        types = self.parameters(sizes)
        result = self.random.choice([Tensor(self.float), Tensor(self.float), Tensor(self.float, ["P"]),
                                     Tensor(self.float, ["P", "Q"])])
        names = [Name(self.fresh("a"), t) for t in types]
        scope = Scope(sizes, names)
        untyped = [self.chance(0.2) and isinstance(t, Tensor) and not t.sizes for t in types]
        parameters = ", ".join(n.text if u else f"{n.text}: {n.type}" for n, u in zip(names, untyped))
        written = f" -> {result}" if self.chance(0.8) or any(untyped) else ""
        if self.chance(0.25):
            made = Statement(f"fn {name}({parameters}){written} = ", (self.expr(scope, result, 3), LOOSE))
        else:
            out = []
            self.start(scope, out)
            for _ in range(self.random.randrange(1, 5)):
                self.statement(scope, out, 3, {"result": result})
            value = self.end(scope, self.expr(scope, result, 3))
            made = Statement(f"fn {name}({parameters}){written} ", Block(out, value))
        self.functions.append((name, types, result, sizes))
        return made

    def recursive(self):
        """On an int that goes down; the depth is bounded whatever it is called with."""
        name, f = self.fresh("r"), self.float
        result = self.random.choice([Tensor(f), Tensor(f, ["P"])])
        n, a, b = Name("n", INT), Name("a", Tensor(f)), Name("b", Tensor(f, ["P"]))
        scope = Scope(["P"], [n, a, b])
        base = self.expr(scope, result, 2)
        step = self.random.choice(["n - 1", "n - 1", "n // 2"])
        out, again = [], self.fresh("v")
        for _ in range(self.random.randrange(0, 3)):
            self.statement(scope, out, 2, {"result": result})
        arguments = [self.tame(self.expr(scope, a.type, 2)), self.tame(self.expr(scope, b.type, 2))]
        out.append(Statement(f"let {again} = {name}(min([{step}, 3]), ", (arguments[0], LOOSE), ", ", (arguments[1], LOOSE), ")"))
        scope.names.append(Name(again, result))
        body = [Statement("if n <= 0 ", Block([Statement("return ", (base, LOOSE))]), keep=True), *out]
        last = Expr(result, ADD, again, " + ", (self.expr(scope, result, 2), PRODUCT))
        self.functions.append((name, [INT, a.type, b.type], result, ["P"]))
        return Statement(f"fn {name}(n: int, a: {a.type}, b: {b.type}) -> {result} ", Block(body, last))

    def generic(self):
        """Over ranks and dtypes."""
        name = self.fresh("g")
        any_type = Tensor(self.float)
        value = self.expr(Scope([], [Name("a", any_type)]), any_type, 3)
        # Only what works elementwise serves every rank: anything else would not be of this type.
        if any(word in "".join(flat(value)) for word in
               ("sum(", "mean(", "max(", "min(", "prod(", "full(", "broadcast(", "[", "logsumexp", self.float, "if ", " @ ", "grad(", "vjp(", "jvp(")):
            value = self.tame(Expr(any_type, POSTFIX, "a"))
        for rank in range(3):
            self.functions.append((name, [Tensor(self.float, ["P", "Q"][:rank])],
                                   Tensor(self.float, ["P", "Q"][:rank]), ["P", "Q"][:rank]))
        return Statement(f"fn {name}(a: T[...]) -> T[...] where T: float = ", (value, LOOSE))

    def main(self):
        f = self.float
        names = [Name("x", Tensor(f, ["N"])), Name("m", Tensor(f, ["N", "K"])), Name("y", Tensor(f)),
                 Name("r", Record([("a", Tensor(f)), ("b", Tensor(f, ["K"]))])),
                 Name("ids", Tensor("i64", ["N"])), Name("n", INT)]
        # zx and zy have the numbers of x and y, and no derivative is taken by them: they may stand
        # under stop_gradient, which differences of main then agree with.
        frozen = [Name("zx", Tensor(f, ["N"])), Name("zy", Tensor(f))]
        net = [Name("net", Model(self.models[-1], "3"))] if self.models else []
        scope = Scope(["N", "K"], names + net, frozen)
        scalar, out = Tensor(f), []
        # Everything that a derivative is taken by has an influence, and a second derivative.
        ends = " + 0.1 * y ** 2 + 0.1 * r.a ** 2 + 0.1 * sum(x * x) + 0.1 * sum(m * m) + 0.1 * sum(r.b * r.b)"
        ends += f" + 0.1 * net.energy(full(0.4, 2, 3, dtype = {f}))" if net else ""
        # What stands behind a `return` in an `if` is a branch itself, where no state can be updated.
        straight = net and self.models[-1] in self.stateful
        place = {"result": scalar} if self.chance(0.3) and not straight else {}
        self.start(scope, out)
        for _ in range(self.random.randrange(3, 8)):
            self.statement(scope, out, 3, place)
        last = Expr(scalar, ADD, (self.end(scope, self.expr(scope, scalar, 4)), ADD), ends)
        parameters = ", ".join(f"{n.text}: {n.type}" for n in names + frozen + net)
        return Statement(f"fn main({parameters}) -> {f} ", Block(out, last), keep=True)

    def program(self, sizes, order):
        """The functions, and the statements that print what is compared."""
        out = []
        for _ in range(self.random.randrange(0, 4)):
            out.append(self.random.choice([self.function, self.function, self.recursive, self.generic])())
        for _ in range(self.random.choice([0, 0, 1, 2, 3])):
            out.append(self.model())
        net = self.models[-1] if self.models else None
        main = self.main()
        n, k = sizes
        f = self.float
        given = f"""fn show(x: T[...]) where T: any {{
  for v in reshape(x, -1) {{ print(v) }}
}}
let data[i in 0..{n}] = sin({f}(i) * 1.7 + 0.3)
let table[i in 0..{n}, j in 0..{k}] = cos({f}(i) * 0.9 + {f}(j) * 2.3)
let one = {f}({self.random.uniform(-1, 1):.3f})
let record = {{a: {f}({self.random.uniform(-1, 1):.3f}), b: cos(cast(arange({k}), {f}) * 1.3)}}
let ids = arange({n}) * 7 % 5 - 1
let whole = int(ids[{n} // 2])"""
        arguments = "data, table, one, record, ids, whole, data, one" + (", net" if net else "")
        names, wanted = ("gx, gm, gy, gr, gn", ', "net"') if net else ("gx, gm, gy, gr", "")
        shown = f"""{f"let net = {net}(3)" if net else "# no model"}
print(main({arguments}))
let ({names}) = grad(main, wrt = ("x", "m", "y", "r"{wanted}))({arguments})
show(gx)
show(gm)
print(gy, gr.a)
show(gr.b)"""
        if net:
            shown += "\nfor g in leaves(gn) { show(g) }\nprint(gn)"
        at, types, moved, towards = "at, (dx, dm, db)", "", "", ""
        if net:  # the states are those of the last argument of map
            at, types = "at, (dx, dm, db), net, dn", f", e: {net}, de: {net}"
            moved = ", map(fn(d, p) = p + t * d, de, e)"
            towards = """let dn = map(fn(p) = cos(p * 1.9), net)
var slope_net = f64(0)
for (g, d) in zip(leaves(gn), leaves(dn)) { slope_net += sum(g * d) }"""
        checked = f"""{towards or "let slope_net = f64(0)"}
let dx = cos(data * 3.1)
let dm = sin(table * 2.7)
let db = cos(record.b * 1.9)
fn along(t: f64, c: (f64[N], f64[N, K], f64, {{a: f64, b: f64[K]}}, i64[N], int), d: (f64[N], f64[N, K], f64[K]){types}) -> f64 =
  main(c[0] + t * d[0], c[1] + t * d[1], c[2] + 0.7 * t, {{a: c[3].a - 0.4 * t, b: c[3].b + t * d[2]}}, c[4], c[5], c[0], c[2]{moved})
let at = (data, table, one, record, ids, whole)
let slope = sum(gx * dx) + sum(gm * dm) + 0.7 * gy - 0.4 * gr.a + sum(gr.b * db) + slope_net
let zero = f64(0)
let forward = jvp(fn(t) = along(t, {at}), zero, f64(1))
print("slope {{slope}} forward {{forward[1]}}")
for h in f64([0.001, 0.0005, 0.00025]) {{
  let low = along(-h, {at})
  let high = along(h, {at})
  print("difference {{h}} {{low}} {{high}}")
}}"""
        second = """let curve = grad(grad(fn(t) = along(t, AT)))(zero)
print("slope {curve} forward {jvp(grad(fn(t) = along(t, AT)), zero, f64(1))[1]}")
for h in f64([0.001, 0.0005, 0.00025]) {
  let low = grad(fn(t) = along(t, AT))(-h)
  let high = grad(fn(t) = along(t, AT))(h)
  print("difference {h} {low} {high}")
}""".replace("AT", at)
        texts = [given]
        tail = [shown]
        if f == "f64":
            tail.append(checked)
            if order > 1:
                tail.append(second)
        return ([Statement(t, keep=True) for t in texts] + out + [main]
                + [Statement(t, keep=t != second) for t in tail])


def flat(e):
    for p in e.parts:
        if isinstance(p, str):
            yield p
        elif isinstance(p, Block):
            yield "if "
        else:
            yield from flat(p[0])
