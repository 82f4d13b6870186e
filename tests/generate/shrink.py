"""Cuts a failing program down while it fails in the same way: statements go, compound statements
become their bodies, expressions become one of their parts, a name or a number."""

from tree import BOOL, INT, LOOSE, POSTFIX, Block, Expr, Function, Record, Statement, Tensor, Tuple


def blocks(program):
    """Every list of statements in the program."""
    yield program
    for s in program:
        for p in s.parts:
            yield from blocks_in(p)


def blocks_in(part):
    if isinstance(part, Block):
        yield part.statements
        for s in part.statements:
            for p in s.parts:
                yield from blocks_in(p)
        if part.result is not None:
            yield from blocks_in((part.result, LOOSE))
    elif isinstance(part, tuple):
        for p in part[0].parts:
            yield from blocks_in(p)


def places(program):
    """Every expression, as (get, set) of where it stands."""
    for s in program:
        yield from places_in(s)


def places_in(owner):
    for i, p in enumerate(owner.parts):
        if isinstance(p, tuple):
            yield (lambda o=owner, i=i: o.parts[i][0],
                   lambda e, o=owner, i=i: o.parts.__setitem__(i, (e, o.parts[i][1])))
            yield from places_in(p[0])
        elif isinstance(p, Block):
            if p.result is not None:
                yield (lambda b=p: b.result, lambda e, b=p: setattr(b, "result", e))
                yield from places_in(p.result)
            for s in p.statements:
                yield from places_in(s)


def inside(expr):
    for p in expr.parts:
        if isinstance(p, tuple):
            yield p[0]
            yield from inside(p[0])
        elif isinstance(p, Block) and p.result is not None:
            yield p.result
            yield from inside(p.result)


def simplest(type):
    if type == INT:
        return [Expr(INT, POSTFIX, "1")]
    if type == BOOL:
        return [Expr(BOOL, POSTFIX, "true"), Expr(BOOL, POSTFIX, "false")]
    if isinstance(type, Tensor):
        number = {"bool": "true", "i64": "1"}.get(type.dtype, "0.5")
        if "_" in type.sizes:
            return []
        names = {(): ["y"], ("N",): ["x"], ("N", "K"): ["m"]}.get(type.sizes, []) if number == "0.5" else []
        fill = (f"{type.dtype}({number})" if not type.sizes
                else f"full({number}, {', '.join(type.sizes)}, dtype = {type.dtype})")
        return [Expr(type, POSTFIX, t) for t in names + [fill]]
    return []


def size(program):
    from tree import render
    return len(render(program))


def shrink(program, still_fails, budget=600):
    """still_fails(program) -> bool. Changes the program in place and gives it back."""
    tries = 0

    def attempt():
        nonlocal tries
        tries += 1
        return tries <= budget and still_fails(program)

    changed = True
    while changed and tries < budget:
        changed = False
        # Statements, the last ones first: what uses a name goes before what makes it.
        for block in list(blocks(program)):
            for i in reversed(range(len(block))):
                if i >= len(block) or block[i].keep and block is not program:
                    continue
                taken = block[i]
                del block[i]
                if attempt():
                    changed = True
                    continue
                bodies = [p.statements for p in taken.parts if isinstance(p, Block)]
                block[i:i] = bodies[0] if bodies else []
                if bodies and bodies[0] and attempt():
                    changed = True
                    continue
                del block[i:i + len(bodies[0] if bodies else [])]
                block.insert(i, taken)
        for get, set in list(places(program)):
            old = get()
            candidates = [e for e in inside(old) if e.type == old.type]
            candidates += [e for e in simplest(old.type) if e.parts != old.parts]
            if len(old.parts) == 1 and isinstance(old.parts[0], str):
                candidates = [e for e in candidates if len(str(e.parts[0])) < len(old.parts[0])]
            for e in candidates[:8]:
                set(e)
                if attempt():
                    changed = True
                    break
                set(old)
    return program
