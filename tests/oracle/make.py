#!/usr/bin/env python3
"""Writes the oracle's tests: what PyTorch (or SciPy, scikit-learn) says a function of the library gives,
values and gradients, as .model programs that CI runs without any of them.

    make.py [FAMILY..]     cases/FAMILY.py -> FAMILY.model, all of them without names (needs torch, scipy)
    make.py --count        which functions of the library have a case and which have not (needs nothing)
    make.py --check        every FAMILY.model comes from the cases/FAMILY.py of today, and every function of the library
                           has a case at an edge (needs nothing)

A file of cases says, with `o` given to it (class Oracle below):

    o.case("softmax", "softmax(x, axis = 1)", lambda x: torch.softmax(x, 1), x=o.normal(3, 4))

name of the function, its call in Tenon, the same in Python, and the arguments by name. Arguments are f64
numbers of few digits, drawn from the seed of the case, so the text holds them exactly; arrays of whole
numbers and bools stay what they are. The call may be many lines, whose last is the value, and may give a
tuple. What is compared, all of it in f64:
  - the value, each part of a tuple;
  - the gradient of sum(value * weights), weights drawn, with respect to each float argument that
    `grad` names (all of them unless told; grad=() for what has no derivative).
"""

import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RTOL, ATOL = 1e-10, 1e-12
# What an edge is: nothing in it, one element, equal ones; NaN, infinities, zeros; numbers outside of what is defined or
# too large; a matrix or another argument for which the answer is not defined or not the only one.
KINDS = ("empty", "one", "ties", "nan", "inf", "zero", "outside", "large", "singular")
# What has no edges: it takes no numbers, or its numbers are names of things. Each with its reason.
EDGELESS = {
    **dict.fromkeys(("print", "debug", "fail", "history"), "shows or says something: tests/lang, tests/errors, tests/training"),
    **dict.fromkeys(("npy", "npz", "idx", "image", "text", "csv", "save", "load", "read"), "files: tests/files, tests/fuzz and the unit tests of io/"),
    **dict.fromkeys(("is_function", "is_list", "is_string", "string", "seed"), "asks what a value is, or takes no numbers: tests/lang"),
}
WIDTH = 110


def number(v):
    """As Tenon writes it: 13 digits are enough for 1e-10, and the literals are the arguments."""
    if isinstance(v, (bool,)) or type(v).__name__ == "bool_":
        return "true" if v else "false"
    if isinstance(v, int) or "int" in type(v).__name__:
        return str(int(v))
    if v != v:
        return "nan"
    if v in (float("inf"), float("-inf")):
        return "inf" if v > 0 else "-inf"
    text = f"{float(v):.13g}"
    mantissa, mark, exponent = text.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + mark + exponent


def literal(a):
    if a.ndim == 0:
        return number(a.item())
    return "[" + ", ".join(literal(x) for x in a) + "]"


def wrapped(text, indent):
    """Long literals over several lines: inside a bracket a newline is a blank."""
    lines, line = [], ""
    for part in re.split(r"(?<=,) ", text):
        if line and len(line) + len(part) + 1 + indent > WIDTH:
            lines.append(line)
            line = part
        else:
            line = f"{line} {part}" if line else part
    return ("\n" + " " * (indent + 2)).join(lines + [line])


def value_text(a, indent=2):
    if "float" in str(a.dtype):
        if a.size == 0:
            return "zeros(" + ", ".join(map(str, a.shape)) + ", dtype = f64)"
        return wrapped(f"f64({literal(a)})", indent)
    if a.size == 0:
        return "zeros(" + ", ".join(map(str, a.shape)) + f", dtype = {'bool' if a.dtype == bool else 'i64'})"
    return wrapped(literal(a), indent)


class Oracle:
    def __init__(self, family):
        self.family, self.tests, self.names, self.drawn = family, [], {}, 0
        self.edges, self.differs = {}, []

    # ---- arguments: drawn once per call, short numbers
    def _rng(self):
        import numpy as np
        self.drawn += 1
        seed = hashlib.sha256(f"{self.family} {len(self.tests)} {self.drawn}".encode()).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed, "little"))

    def normal(self, *shape, mean=0.0, sd=1.0, digits=3):
        return self._rng().normal(mean, sd, shape).round(digits)

    def uniform(self, *shape, lo=0.0, hi=1.0, digits=3):
        return self._rng().uniform(lo, hi, shape).round(digits)

    def integers(self, *shape, lo=0, hi=10):
        return self._rng().integers(lo, hi, shape)

    def bools(self, *shape, share=0.5):
        return self._rng().random(shape) < share

    def positive_definite(self, n, *batch, digits=3):
        import numpy as np
        a = self.normal(*batch, n, n)
        return (a @ np.swapaxes(a, -1, -2) + n * np.eye(n)).round(digits)

    def array(self, values):
        import numpy as np
        return np.asarray(values)

    def edge(self, kinds, name, call, reference, differs="", pytorch=None, **more):
        """A case at an edge; kinds is one or more of KINDS. Where we give something else than PyTorch on purpose,
        `differs` says so for docs/library/edges.md, and `pytorch`, what it gives, must really differ."""
        kinds = kinds.split()
        assert set(kinds) <= set(KINDS), kinds
        for n in [name, *more.get("also", ())]:
            self.edges.setdefault(n, set()).update(kinds)
        result = self.case(name, call, reference, **{"note": " ".join(kinds), **more})
        if differs:
            import torch
            self.differs.append(f"{name}: {differs}")
            if pytorch:
                try:
                    there = pytorch(*result[0])
                    there = there if isinstance(there, (tuple, list)) else [there]
                    same = all(torch.allclose(a.detach().double(), b.detach().double(), equal_nan=True) if a.shape == b.shape else False
                               for a, b in zip(there, result[1]))
                except (RuntimeError, IndexError, ValueError):
                    same = False
                assert not same, f"{name}, {call}: PyTorch gives the same"

    def refused(self, kinds, name, call, message, pytorch=None, **args):
        """An edge that ends the run with a message; PyTorch must refuse it, too, if asked."""
        import numpy as np
        import torch
        kinds = kinds.split()
        assert set(kinds) <= set(KINDS), kinds
        self.edges.setdefault(name, set()).update(kinds)
        given = {k: torch.as_tensor(np.asarray(v)) for k, v in args.items()}
        if pytorch:
            try:
                pytorch(*given.values())
            except (RuntimeError, IndexError, ValueError):
                pass
            else:
                raise AssertionError(f"{name}, {call}: PyTorch does not refuse it")
        self.names[name] = self.names.get(name, 0) + 1
        title = f"{name} {self.names[name]}: {call} is refused".replace('"', "'").replace("{", "{{").replace("}", "}}")
        lines = [f'test "{title}" {{', *[f"  let {k} = {value_text(t.numpy())}" for k, t in given.items()],
                 f'  assert fails({call}, "{message}")', "}"]
        self.tests.append("\n".join(lines))

    def case(self, name, call, reference, grad=None, rtol=RTOL, atol=ATOL, f32=0.0, note="", also=(), **args):
        """`reference` gets torch tensors, by position, and gives a tensor, a number or a tuple of these.
        A result without a graph (from SciPy, say) is compared without gradients. `also`: further
        functions that this case covers. `f32`: if not 0, the value is computed in f32 too and compared at
        this tolerance, relative and absolute (the case has float arguments only and one result)."""
        import numpy as np
        import torch

        def tensor(v):
            t = torch.as_tensor(v)
            return t.to(torch.float64) if t.is_floating_point() else t

        given = {}
        for k, v in args.items():
            given[k] = tensor(np.asarray(v))
            if given[k].is_floating_point() and (grad is None or k in grad):
                given[k].requires_grad_(True)
        result = reference(*given.values())
        several = isinstance(result, (tuple, list))
        parts = [tensor(r) for r in (result if several else [result])]

        for n in [name, *also]:
            self.names[n] = self.names.get(n, 0) + 1
        title = " ".join(call.split()) if "\n" not in call else note or "several lines"
        if self.edges and "\n" not in call:
            title += f" ({note})" if note else ""
        shapes = ", ".join(f"{k} {list(t.shape)}" for k, t in given.items())
        title = f"{name} {self.names[name]}: {title}" + (f", {shapes}" if shapes else "")
        title = title.replace('"', "'").replace("{", "{{").replace("}", "}}")
        out = [f'test "{title}" {{']
        for k, t in given.items():
            out.append(f"  let {k} = {value_text(t.detach().numpy())}")
        names = ", ".join(given)
        body = "\n".join("    " + line if line.strip() else "" for line in call.strip("\n").split("\n"))
        out.append(f"  let f = fn({names}) = {call}" if "\n" not in call else f"  let f = fn({names}) {{\n{body}\n  }}")
        tolerance = f"rtol = {number(rtol)}, atol = {number(atol)}"

        def compare(what, want):
            want = want.detach().numpy()
            if "float" not in str(want.dtype):
                out.append(f"  assert {what} == {value_text(want)}")
            else:
                out.append(f"  assert close({what}, {value_text(want)}, {tolerance}, nan = true)")

        if several:
            out.append(f"  let ({', '.join(f'y{i}' for i in range(len(parts)))}) = f({names})")
            for i, p in enumerate(parts):
                compare(f"y{i}", p)
        else:
            compare(f"f({names})", parts[0])

        if f32:
            singles = ", ".join(f"cast({k}, f32)" for k in given)
            want = value_text(parts[0].detach().numpy())
            out.append(f"  assert close(cast(f({singles}), f64), {want}, rtol = {number(f32)}, atol = {number(f32)}, nan = true)")

        active = [(i, p) for i, p in enumerate(parts) if p.requires_grad]
        wrt = [k for k, t in given.items() if t.requires_grad]
        if active and wrt:
            weights = {i: tensor(self.normal(*p.shape, digits=2)) for i, p in active}
            total = sum((p * weights[i]).sum() for i, p in active)
            grads = torch.autograd.grad(total, [given[k] for k in wrt], allow_unused=True)
            pairs = [(k, g) for k, g in zip(wrt, grads) if g is not None]
            for i, w in weights.items():
                out.append(f"  let w{i} = {value_text(w.numpy())}")
            weighted = " + ".join(f"sum({f'y{i}' if several else f'f({names})'} * w{i})" for i, _ in active)
            if several:
                out.append(f"  let total = fn({names}) {{")
                out.append(f"    let ({', '.join(f'y{i}' if i in weights else '_' for i in range(len(parts)))}) = f({names})")
                out.append(f"    {weighted}\n  }}")
            else:
                out.append(f"  let total = fn({names}) = {weighted}")
            for k, g in pairs:
                compare(f'grad(total, wrt = "{k}")({names})', g)
        out.append("}")
        self.tests.append("\n".join(out))
        return list(given.values()), parts


def fingerprint(cases):
    return hashlib.sha256(cases.read_bytes()).hexdigest()[:16]


def head(cases, oracle):
    import torch
    lines = [f"# Written by tests/oracle/make.py from cases/{cases.name} ({fingerprint(cases)}) with PyTorch {torch.__version__.split('+')[0]}; change that and run it."]

    def listed(begin, parts):
        line = begin
        for part in parts:
            if len(line) + len(part) > WIDTH:
                lines.append(line)
                line = begin
            line += " " + part
        if line != begin:
            lines.append(line)

    listed("# covers", [f"{n}:{c}" for n, c in sorted(oracle.names.items())])
    listed("# edges", [f"{n}:{'/'.join(k for k in KINDS if k in e)}" for n, e in sorted(oracle.edges.items())])
    return "\n".join(lines + [f"# differs {d}" for d in oracle.differs])


def make(families):
    sys.path.insert(0, str(HERE))
    for cases in sorted((HERE / "cases").glob("*.py")):
        if families and cases.stem not in families:
            continue
        oracle = Oracle(cases.stem)
        space = {"o": oracle, "__file__": str(cases)}
        exec(compile(cases.read_text(), str(cases), "exec"), space)
        imports = "".join(f"import {m}\n" for m in space.get("IMPORTS", ()))
        text = head(cases, oracle) + "\n" + imports + "\n" + "\n\n".join(oracle.tests) + "\n"
        (HERE / f"{cases.stem}.model").write_text(text)
        print(f"{cases.stem}: {len(oracle.tests)} cases of {len(oracle.names)} functions, {len(text) // 1024} KiB")


def covered():
    """Name -> number of cases, read off the committed programs."""
    out = {}
    for model in sorted(HERE.glob("*.model")):
        for line in model.read_text().splitlines():
            if line.startswith("# covers "):
                for part in line.split()[2:]:
                    name, _, n = part.rpartition(":")
                    out[name] = out.get(name, 0) + int(n)
    return out


def edges():
    """Name -> the kinds of edges that have a case, and what differs from PyTorch, read off the committed programs."""
    out, differs = {}, []
    for model in sorted(HERE.glob("*.model")):
        for line in model.read_text().splitlines():
            if line.startswith("# edges "):
                for part in line.split()[2:]:
                    name, _, kinds = part.partition(":")
                    out.setdefault(name, set()).update(kinds.split("/"))
            elif line.startswith("# differs "):
                differs.append(line[len("# differs "):])
    return out, differs


def library():
    """Every public name of the library: definitions with a `##` above, and the primitives."""
    names = set()
    for model in (ROOT / "stdlib").rglob("*.model"):
        names |= set(re.findall(r"^##.*\n(?:##.*\n)*(?:fn|model) ([a-z]\w*|[A-Z]\w*)", model.read_text(), re.M))
    for table in (ROOT / "frontend").glob("builtins_*.cpp"):
        names |= set(re.findall(r'^    \{"([a-z]\w*)", "', table.read_text(), re.M))
    return names


def count():
    have, all_names = covered(), library()
    missing = sorted(all_names - set(have))
    print(f"{len(all_names)} functions, {len(all_names & set(have))} compared with the oracle in {sum(have.values())} cases")
    print("not compared: " + " ".join(missing))
    return 0


def check():
    bad = 0
    for cases in sorted((HERE / "cases").glob("*.py")):
        model = HERE / f"{cases.stem}.model"
        if not model.exists() or f"({fingerprint(cases)})" not in model.read_text().split("\n", 1)[0]:
            print(f"{model.name} is not what cases/{cases.name} gives now: run tests/oracle/make.py {cases.stem}")
            bad = 1
    known, (have, _) = library(), edges()
    for name in sorted(known - set(have) - set(EDGELESS)):
        print(f"{name} has no case at an edge (empty, one, ties, NaN ..): give it one in cases/edges*.py, or a reason in EDGELESS")
        bad = 1
    for name in sorted((set(EDGELESS) & set(have)) | (set(EDGELESS) - known)):
        print(f"{name} stands in EDGELESS without need")
        bad = 1
    return bad


if __name__ == "__main__":
    if "--count" in sys.argv:
        sys.exit(count())
    if "--check" in sys.argv:
        sys.exit(check())
    make(sys.argv[1:])
