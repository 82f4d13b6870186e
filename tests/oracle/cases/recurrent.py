# RNN, GRU and LSTM: layers, directions, starts; the gradients of all weights.
import torch
import torch.nn as tn

IMPORTS = ["nn"]


def recurrent(kind, layers, ways, start, only=None, **options):
    size, hidden, batch, steps = 2, 3, 2, 3
    module = getattr(tn, kind)(size, hidden, layers, batch_first=True, bidirectional=ways == 2, **options).double()
    names = [n for n, _ in module.named_parameters()]
    args = {"x": o.normal(batch, steps, size)}
    states = {"RNN": ["h"], "GRU": ["h"], "LSTM": ["h", "c"]}[kind]
    if start:
        for s in states:
            args[s] = o.normal(layers * ways, batch, hidden)
    lines = [f"var m = nn.{kind}({size}, {hidden}, layers = {layers}, bidirectional = {'true' if ways == 2 else 'false'}"
             + (", rectified = true" if options else "") + ", T = f64)"]
    for n, p in module.named_parameters():
        what, of, layer = n.replace("_reverse", "").rsplit("_", 2)
        args[n] = o.normal(*p.shape, sd=0.5)
        lines.append(f"m.cells[{layer[1:]}][{1 if 'reverse' in n else 0}].{what}_{of} = {n}")
    given = "" if not start else ", h" if len(states) == 1 else ", (h, c)"
    lines.append(f"m(x{given})" if len(states) == 1 else f"let (y, (end, cell)) = m(x{given})\n(y, end, cell)")

    def reference(x, *rest):
        rest = list(rest)
        first = [rest.pop(0) for _ in states] if start else None
        y, end = torch.func.functional_call(module, dict(zip(names, rest)), (x,) if not start else (x, first[0] if len(first) == 1 else tuple(first)))
        return (y, end) if len(states) == 1 else (y, *end)
    o.case(kind, "\n".join(lines), reference, note=f"{layers} layers, {ways} ways" + (", started" if start else ""), grad=only, **args)


for kind in ("RNN", "GRU", "LSTM"):
    recurrent(kind, 1, 1, True)
    recurrent(kind, 2, 2, False, only=("x", "weight_ih_l0", "weight_hh_l1_reverse", "bias_hh_l1"))
recurrent("RNN", 1, 1, False, only=("x", "weight_hh_l0"), nonlinearity="relu")

# cells
for kind, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
    cell = getattr(tn, kind + "Cell")(2, 3).double()
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    for started in (False, True):
        states = (["h", "c"] if kind == "LSTM" else ["h"]) if started else []
        args = {"x": o.normal(2, 2), **{s: o.normal(2, 3) for s in states}, **{n: o.normal(*getattr(cell, n).shape, sd=0.5) for n in names}}
        given = "" if not started else ", (h, c)" if kind == "LSTM" else ", h"
        lines = [f"var m = nn.{kind}Cell(2, 3, T = f64)", *[f"m.cell.{n} = {n}" for n in names], f"m(x{given})"]

        def stepped(x, *rest):
            state, weights = rest[:len(states)], rest[len(states):]
            return torch.func.functional_call(cell, dict(zip(names, weights)), (x, (state if kind == "LSTM" else state[0]) if started else None))
        o.case(kind + "Cell", "\n".join(lines), stepped, note="started" if started else "from zeros", **args)

# rows of their own lengths, as packed sequences
for kind, ways in (("RNN", 1), ("GRU", 2), ("LSTM", 2)):
    module = getattr(tn, kind)(2, 2, 1, batch_first=True, bidirectional=ways == 2).double()
    names = [n for n, _ in module.named_parameters()]
    args = {"x": o.normal(3, 4, 2), "l": o.array([4, 2, 3]), **{n: o.normal(*p.shape, sd=0.5) for n, p in module.named_parameters()}}
    lines = [f"var m = nn.{kind}(2, 2, bidirectional = {'true' if ways == 2 else 'false'}, T = f64)"]
    for n in names:
        what, of, _ = n.replace("_reverse", "").rsplit("_", 2)
        lines.append(f"m.cells[0][{1 if 'reverse' in n else 0}].{what}_{of} = {n}")
    lines.append("m(x, lengths = l)" if kind != "LSTM" else "let (y, (end, cell)) = m(x, lengths = l)\n(y, end, cell)")

    def packed(x, l, *weights):
        rows = tn.utils.rnn.pack_padded_sequence(x, l, batch_first=True, enforce_sorted=False)
        y, end = torch.func.functional_call(module, dict(zip(names, weights)), (rows,))
        y = tn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]
        return (y, end) if kind != "LSTM" else (y, *end)
    o.case(kind, "\n".join(lines), packed, note="rows of their own lengths", grad=("x", "weight_ih_l0", "weight_hh_l0"), **args)
