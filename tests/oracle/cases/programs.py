# What takes functions, structures and data sets: derivatives as torch.func gives them, data as scikit-learn does.
import torch
from torch import func

IMPORTS = ["nn", "data"]
fs = {"fn(v) = sum(exp(v) * v)": lambda v: (v.exp() * v).sum(), "fn(v) = v[0] * sin(v[1]) / v[2]": lambda v: v[0] * v[1].sin() / v[2]}
maps = {"fn(v) = v * sum(v * v)": lambda v: v * (v * v).sum(), "fn(v) = tanh(stack(v[0] * v[2], v[1]))": lambda v: torch.stack([v[0] * v[2], v[1]]).tanh()}
for text, f in fs.items():
    o.case("grad", f"grad({text})(x)", lambda x: func.grad(f)(x), x=o.uniform(3, lo=0.3, hi=2.0))
    o.case("value_and_grad", f"let (y, g) = value_and_grad({text})(x)\n(y, g)", lambda x: tuple(reversed(func.grad_and_value(f)(x))), x=o.uniform(3, lo=0.3, hi=2.0))
    o.case("hessian", f"hessian({text})(x)", lambda x: func.hessian(f)(x), grad=(), x=o.uniform(3, lo=0.3, hi=2.0))
for text, f in maps.items():
    o.case("jacobian", f"jacobian({text})(x)", lambda x: func.jacrev(f)(x), x=o.uniform(3, lo=0.3, hi=2.0))
    o.case("jvp", f"let (y, d) = jvp({text}, x, t)\n(y, d)", lambda x, t: func.jvp(f, (x,), (t,)), x=o.uniform(3, lo=0.3, hi=2.0), t=o.normal(3))
    o.case("vjp", f"let (y, pull) = vjp({text}, x)\n(y, pull(sin(y)))", lambda x: (f(x), func.vjp(f, x)[1](f(x).sin())[0]), grad=(), x=o.uniform(3, lo=0.3, hi=2.0))
o.case("stop_gradient", "x * stop_gradient(x)", lambda x: x * x.detach(), x=o.normal(3))
o.case("map", "let r = map(fn(p) = 2.0 * p, {a: x, b: (y, 3)})\n(r.a, r.b[0])", lambda x, y: (2 * x, 2 * y), x=o.normal(3), y=o.normal(2, 2))
o.case("leaves", "let (a, b) = leaves({u: x, n: 4, v: (y,)})\n(a, b)", lambda x, y: (x, y), x=o.normal(3), y=o.normal(2))
o.case("zeros_like", "let r = zeros_like({a: x, b: y})\n(r.a, r.b)", lambda x, y: (torch.zeros_like(x), torch.zeros_like(y)), grad=(), x=o.normal(3), y=o.normal(2, 2))
o.case("scale", "let r = scale({a: x, b: y}, 1.7)\n(r.a, r.b)", lambda x, y: (1.7 * x, 1.7 * y), x=o.normal(3), y=o.normal(2))
o.case("add", "let r = add({a: x, b: y}, {a: y, b: x})\n(r.a, r.b)", lambda x, y: (x + y, x + y), x=o.normal(3), y=o.normal(3))
o.case("parameters", "parameters(nn.LSTM(3, 4, layers = 2, bidirectional = true))", lambda: torch.tensor(sum(p.numel() for p in torch.nn.LSTM(3, 4, 2, bidirectional=True).parameters())), grad=())
norm = torch.nn.BatchNorm1d(2, affine=False).double()
o.case("train_mode", "train_mode(nn.BatchNorm(2, affine = false, T = f64))(x)", lambda x: norm.train()(x), x=o.normal(4, 2))
o.case("eval_mode", "eval_mode(nn.BatchNorm(2, affine = false, T = f64))(x)", lambda x: torch.nn.BatchNorm1d(2, affine=False).double().eval()(x), x=o.normal(4, 2))

# dtypes, sizes and what `for` runs over
for there, here in [(torch.int64, "i64"), (torch.int32, "i32"), (torch.float32, "f32"), (torch.bool, "bool")]:
    back = "f64" if here == "f32" else "i64"
    o.case("cast", f"cast(cast(x, {here}), {back})", lambda x: x.to(there).to(torch.float64 if back == "f64" else torch.int64), grad=(), x=o.array([-2.7, -0.5, 0.0, 0.1, 3.9]))
o.case("cast", "cast(cast(n, u8), i64)", lambda n: n.to(torch.uint8).long(), grad=(), n=o.array([0, 200, 256, 300, -1]))
o.case("cast", "cast(cast(x, f16), f64)", lambda x: x.half().double(), grad=(), x=o.array([1 / 3, 65504.0, 1e-7, 1e6]))
o.case("cast", "cast(cast(x, bf16), f64)", lambda x: x.bfloat16().double(), grad=(), x=o.array([1 / 3, 3e38, 1e-40]))
o.case("float", "float(x) * 2.0", lambda x: x * 2, grad=(), x=o.array(1.25))
o.case("int", "int(x) // 2", lambda x: x.to(torch.int64) // 2, grad=(), x=o.array(-7.9))
o.case("shape", "let (a, b, c) = shape(x)\n(a + 0 * len(x), b, c)", lambda x: tuple(torch.tensor(n) for n in x.shape), grad=(), x=o.normal(2, 3, 4))
o.case("len", "len(x) + 0", lambda x: torch.tensor(len(x)), grad=(), x=o.normal(5, 2))
o.case("rank", "rank(x) + 0", lambda x: torch.tensor(x.dim()), grad=(), x=o.normal(5, 2))
o.case("dtype_of", "dtype_of(x) == f64 and dtype_of(n) == i64", lambda x, n: torch.tensor(x.dtype == torch.float64 and n.dtype == torch.int64), grad=(), x=o.normal(1), n=o.array([1]))
o.case("reverse", "[v for v in reverse(x)]", lambda x: torch.stack(list(reversed(x))), x=o.normal(4))
o.case("enumerate", "[float(i) * v for (i, v) in enumerate(x)]", lambda x: torch.stack([i * v for i, v in enumerate(x)]), x=o.normal(4))
o.case("zip", "[a * b for (a, b) in zip(x, y)]", lambda x, y: torch.stack([a * b for a, b in zip(x, y)]), x=o.normal(4), y=o.normal(4))
o.case("sequence", "[v for v in sequence(3, fn(i: int) = x[i] * 2.0)]", lambda x: torch.stack([x[i] * 2 for i in range(3)]), x=o.normal(4))
o.case("tuple", "tuple(3, fn(i: int) = x[i])", lambda x: tuple(x[i] for i in range(3)), x=o.normal(3))
o.case("bytes", 'cast(bytes("Grüße, x\\n"), i64)', lambda: torch.tensor(list("Grüße, x\n".encode())), grad=())
for a, b in [([1.0, 2.0], [1.0, 2.0 + 1e-9]), ([1.0, 2.0], [1.0, 2.1])]:
    o.case("close", "close(a, b, rtol = 1.0e-6, atol = 0.0)", lambda a, b: torch.tensor(torch.allclose(a, b, 1e-6, 0.0)), grad=(), a=o.array(a), b=o.array(b))

# data sets
rows = o.normal(7, 3)
o.case("accuracy", "f64(accuracy(x, y))", lambda x, y: (x.argmax(-1) == y).float().mean().double(), grad=(), rtol=1e-6, x=o.normal(9, 3), y=o.integers(9, hi=3))
o.case("shuffle", "sort(data.shuffle(x, seed = 2), axis = 0)", lambda x: x.sort(0).values, grad=(), x=rows)
o.case("split", "let (a, b) = split(x, 0.6, seed = 2)\n(len(a) + 0, len(b) + 0, sort(concat(a, b), axis = 0))", lambda x: (torch.tensor(4), torch.tensor(3), x.sort(0).values), grad=(), x=rows)
o.case("k_fold", "let held = [sum(data.k_fold(x, 3, i, seed = 1)[1]) for i in 0..3]\nlet rest = [sum(data.k_fold(x, 3, i, seed = 1)[0]) for i in 0..3]\n(sum(held), held + rest)",
       lambda x: (x.sum(), x.sum().repeat(3)), grad=(), x=rows)
o.case("batches", "[sum(b) for b in batches(x, 3)]", lambda x: torch.stack([b.sum() for b in x.split(3)]), x=rows)
o.case("batches", "let total = [sum(b) for b in batches(x, 3, seed = 5)]\n(len(total) + 0, sum(total))", lambda x: (torch.tensor(3), x.sum()), grad=(), x=rows)
o.case("batches", "[sum(b) for b in batches(x, 3, drop_last = true)]", lambda x: torch.stack([b.sum() for b in x.split(3)[:2]]), x=rows)
o.case("map_rows", "data.map_rows(x, fn(r) = r / sum(r * r))", lambda x: func.vmap(lambda r: r / (r * r).sum())(x), x=rows)
from sklearn.preprocessing import StandardScaler
scaler = StandardScaler().fit(rows)
o.case("standardise", "data.standardise(x)(z)", lambda x, z: torch.as_tensor(scaler.transform(z.detach().numpy())), grad=(), x=rows, z=o.normal(2, 3))
o.case("standardise", "data.standardise(x).undo(z)", lambda x, z: torch.as_tensor(scaler.inverse_transform(z.detach().numpy())), grad=(), x=rows, z=o.normal(2, 3))
ids = o.integers(11, hi=9)
o.case("windows", "let w = data.windows(ids, 3)\n(w.x, w.y)", lambda ids: (ids[:9].reshape(3, 3), ids[1:10].reshape(3, 3)), grad=(), ids=ids)
from collections import Counter
text = "to be or not to be"
order = [b for b, _ in sorted(Counter(text.encode()).items(), key=lambda p: (-p[1], p[0]))][:4]
o.case("Vocabulary", f'let v = data.Vocabulary(bytes("{text}"), 5)\nlet ids = v.encode(bytes("{text} !"))\n(ids, cast(v.decode(ids), i64))',
       lambda: (torch.tensor([order.index(b) + 1 if b in order else 0 for b in (text + " !").encode()]), torch.tensor([b if b in order else 63 for b in (text + " !").encode()])), grad=())
