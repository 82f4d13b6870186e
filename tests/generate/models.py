"""Random models: parameters and a state, parts that are used twice, one by two names, a list of them,
two methods. Each maps [B, width] to the same. What updates a state is called in straight code alone."""

from tree import ADD, LOOSE, POSTFIX, PRODUCT, Block, Expr, Model, Statement, Tensor
from expressions import Name, Scope, call, is_float


class Models:
    def model(self):
        name, f = self.fresh("Net"), self.float
        parts, names = [], []
        for _ in range(self.random.randrange(1, 4)):
            p = Name(self.fresh("w"), Tensor(f, self.random.choice([[], ["width"], ["width"], ["width", "width"]])))
            start = self.random.choice([" ~ normal(0, 1)", " ~ uniform(-1, 1)", f" = {''.join(self.literal(p.type).parts)}"])
            parts.append(Statement(f"param {p.text}: {p.type}{start}"))
            names.append(p)
        stateful = False
        state = Name(self.fresh("s"), Tensor(f, ["width"])) if self.chance(0.4) else None
        if state:
            parts.append(Statement(f"state {state.text}: {state.type} = full(0.2, width, dtype = {f})", keep=True))
        blocks = None
        for _ in range(self.random.randrange(0, 3) if self.models else 0):
            made = self.random.choice(self.models)
            one = Name(self.fresh("b"), Model(made, "width"))
            kind = self.random.randrange(4)
            stateful |= made in self.stateful
            if kind == 3 and blocks is None:
                blocks = one
                parts.append(Statement(f"let {blocks.text} = [{made}(width) for _ in 0..{self.random.choice('123')}]"))
                continue
            parts.append(Statement(f"let {one.text} = {made}(width)"))
            names.append(one)
            if kind == 0:
                names.append(Name(self.fresh("b"), one.type))
                parts.append(Statement(f"let {names[-1].text} = {one.text}"))
        x, type = Name("x", Tensor(f, ["B", "width"])), Tensor(f, ["B", "width"])
        # The second call of a part in training reads what the first has made of its state, so differences, which are
        # taken in evaluation, have the same value only where that does not depend on the state.
        seen = [state] if state and f != "f64" else []
        scope = Scope(["B", "width"], names + seen + [x])
        out = []
        self.start(scope, out)
        for _ in range(self.random.randrange(0, 4)):
            self.statement(scope, out, 2, {})
        if blocks:
            self.through(scope, out, blocks, type)
        value = self.end(scope, self.expr(scope, type, 3))
        for n in names:
            if isinstance(n.type, Model) and n.type.name in self.stateful:
                value = Expr(type, ADD, (value, ADD), " + ", (call(type, n.text, self.leaf(scope, type)), PRODUCT))
        if state:  # last, since the value may not depend on the mode: differences are taken in the other
            result = self.fresh("v")
            mean = call(state.type, "mean", self.leaf(scope, type), "axis = 0")
            out += [Statement(f"let {result} = ", (value, LOOSE)),
                    Statement(f"update {state.text} = 0.9 * {state.text} + 0.1 * ", (mean, POSTFIX), keep=True)]
            value = Expr(type, POSTFIX, result)
        parts.append(Statement(f"fn forward(x: {type}) -> {type} ", Block(out, value), keep=True))
        scalar = Tensor(f)
        energy = Expr(scalar, ADD, "mean(sin(forward(x))) + ", (self.expr(Scope(["B", "width"], names + [x]), scalar, 2), PRODUCT))
        parts.append(Statement(f"fn energy(x: {type}) -> {scalar} = ", (energy, LOOSE), keep=True))
        self.models.append(name)
        if state or stateful:
            self.stateful.add(name)
        return Statement(f"model {name}(width: int) ", Block(parts), keep=True)

    def through(self, scope, out, blocks, type):
        """A value goes through the models of a list, some of which may be passed by."""
        v, each = self.fresh("v"), self.fresh("b")
        stateful = blocks.type.name in self.stateful
        out.append(Statement(f"var {v} = ", (self.tame(self.leaf(scope, type)), LOOSE)))
        scope.names.append(Name(v, type, True))
        body = []
        if self.chance(0.5) and not stateful:
            jump = Block([Statement(self.random.choice(["break", "continue"]))])
            body.append(Statement(f"if mean({v}) > {self.random.uniform(-1, 1):.4f} ", jump))
        body.append(Statement(f"{v} = {each}({v})"))
        out.append(Statement(f"for {each} in {blocks.text} ", Block(body)))

    def called(self, scope, type, depth):
        """A value that a model in sight computes; None where none can."""
        known = [n for n in scope.names if isinstance(n.type, Model) and n.type.name not in self.stateful]
        if not known or not is_float(type):
            return None
        net = self.random.choice(known)
        if not type.sizes:
            given = Tensor(type.dtype, [self.random.choice(scope.sizes + ["2"]), net.type.width])
            return call(type, f"{net.text}.energy", self.expr(scope, given, depth - 1))
        if len(type.sizes) == 2 and type.sizes[1] == net.type.width:
            return call(type, net.text, self.expr(scope, type, depth - 1))
        return None
