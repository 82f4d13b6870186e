#!/usr/bin/env python3
"""Times rows of work on the GPU by `tenon bench`, and the same by PyTorch (eager and torch.compile) and JAX
where they are installed, in one run and in turns of rows. Prints one table; medians in microseconds.

    table.py TENON [--device gpu] [--small] [--only TEXT] [--seconds N] [--json FILE]

--small takes sizes that the emulator can do too (--device cudasim), so that this script is tested without a
GPU. Rows that fail, or do not fit into the seconds, are said to. A row's process is its own, so no row can
spoil another. Bytes are what must be read and written once, flops what the operation takes: the table shows
them as rates beside the copy rate that was measured in the same run."""
import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

MLP = """
model Mlp() {{
  let a = Linear({1}, {2})
  let b = Linear({2}, {2})
  let c = Linear({2}, 10)
  fn forward(x: f32[B, {1}]) -> f32[B, 10] = x |> a |> relu |> b |> relu |> c
}}
let x: f32[{0}, {1}] ~ normal(0, 1)
let y = arange({0}) % 10
let net = Mlp()
let opt = adam(net, lr = 0.001)
"""
# name, sizes, sizes of --small, what stands before, the expression, bytes of sizes, flops of sizes, the rival's
# name. Without a rival's function a row is Tenon's alone.
ROWS = [
    ("copy f32 (x + 1)", (1 << 28,), (1 << 10,), "let x: f32[{0}] ~ normal(0, 1)", "x + 1.0",
     lambda n: 8 * n, None, "copy"),
    ("gelu(2x + y) f32", (1 << 28,), (1 << 10,), "let x: f32[{0}] ~ normal(0, 1)\nlet y: f32[{0}] ~ normal(0, 1)",
     "gelu(2.0 * x + y)", lambda n: 12 * n, None, "gelu"),
    ("bias + gelu + residual bf16", (16384, 8192), (8, 32),
     "let x = bf16(draw(normal(0, 1), {0}, {1}))\nlet r = bf16(draw(normal(0, 1), {0}, {1}))\nlet b = bf16(draw(normal(0, 1), {1}))",
     "gelu(x + b) + r", lambda n, d: 6 * n * d, None, "bias_gelu"),
    ("softmax bf16", (32768, 4096), (8, 64), "let x = bf16(draw(normal(0, 1), {0}, {1}))", "softmax(x)",
     lambda n, d: 4 * n * d, None, "softmax"),
    ("softmax f32, long rows", (4096, 131072), (2, 3000), "let x = draw(normal(0, 1), {0}, {1})", "softmax(x)",
     lambda n, d: 8 * n * d, None, "softmax"),
    ("layer norm bf16", (32768, 8192), (8, 64), "import nn\nlet x = bf16(draw(normal(0, 1), {0}, {1}))",
     "nn.layer_norm(x)", lambda n, d: 4 * n * d, None, "layer_norm"),
    ("sum f32", (1 << 28,), (1 << 12,), "let x: f32[{0}] ~ normal(0, 1)", "sum(x)", lambda n: 4 * n, None, "sum"),
    ("sum of columns f32", (65536, 4096), (70, 30), "let x = draw(normal(0, 1), {0}, {1})", "sum(x, axis = 0)",
     lambda n, d: 4 * n * d, None, "columns"),
    ("transpose f32 (to memory)", (16384, 8192), (40, 24), "let x = draw(normal(0, 1), {0}, {1})",
     "concat(transpose(x), transpose(x), axis = 0)", lambda n, d: 12 * n * d, None, "transpose"),
    ("product f32", (4096,), (32,), "let a = draw(normal(0, 1), {0}, {0})", "a @ a", None, lambda n: 2 * n**3, "product"),
    ("product bf16", (4096,), (32,), "let a = bf16(draw(normal(0, 1), {0}, {0}))", "a @ a", None, lambda n: 2 * n**3,
     "product"),
    ("product bf16, large", (8192,), (136,), "let a = bf16(draw(normal(0, 1), {0}, {0}))", "a @ a", None,
     lambda n: 2 * n**3, "product"),
    ("product bf16, 16 rows", (16, 8192), (16, 64),
     "let a = bf16(draw(normal(0, 1), {0}, {1}))\nlet w = bf16(draw(normal(0, 1), {1}, {1}))", "a @ w",
     lambda m, n: 2 * (n * n + 2 * m * n), lambda m, n: 2 * m * n * n, "skinny"),
    ("product + bias + gelu bf16", (8192,), (48,),
     "let a = bf16(draw(normal(0, 1), {0}, {0}))\nlet b = bf16(draw(normal(0, 1), {0}))", "gelu(a @ a + b)", None,
     lambda n: 2 * n**3, "product_gelu"),
    ("attention bf16, causal", (4, 32, 4096, 128), (1, 2, 48, 16),
     "import nn\nlet q = bf16(draw(normal(0, 1), {0}, {1}, {2}, {3}))", "nn.attention(q, q, q, causal = true)", None,
     lambda b, h, s, d: 2 * b * h * s * s * d, "attention"),
    ("conv 3x3 bf16, NHWC", (256, 28, 256), (2, 6, 16),
     "let x = bf16(draw(normal(0, 1), {0}, {1} + 2, {1} + 2, {2}))\nlet w = bf16(draw(normal(0, 1), 3, 3, {2}, {2}))\n"
     "fn conv(x: bf16[N, H, W, C], w: bf16[3, 3, C, O]) -> bf16[N, H - 2, W - 2, O] {{\n"
     "  let y[n, p, q, o] = sum[r, s, c] x[n, p + r, q + s, c] * w[r, s, c, o]\n  y\n}}",
     "conv(x, w)", None, lambda n, p, c: 2 * n * p * p * 9 * c * c, "conv"),
    ("stencil of 5 points f32", (16384,), (40,), "let x = draw(normal(0, 1), {0}, {0})",
     "0.2 * (x[1..{0} - 1, 1..{0} - 1] + x[..{0} - 2, 1..{0} - 1] + x[2.., 1..{0} - 1] + x[1..{0} - 1, ..{0} - 2] + x[1..{0} - 1, 2..])",
     lambda n: 8 * n * n, None, "stencil"),
    ("training step of an MLP, adam", (256, 784, 1024), (8, 20, 12), MLP,
     "let (loss, g) = value_and_grad(fn(m) = cross_entropy(m(x), y))(net)\n  (loss, opt.step(net, g))", None, None, "mlp"),
]


def torch_functions(torch):
    F = torch.nn.functional
    bf16 = lambda *n: torch.randn(*n, device="cuda", dtype=torch.bfloat16)
    f32 = lambda *n: torch.randn(*n, device="cuda")

    def product(n, kind):
        a = kind(n, n)
        return lambda: a @ a

    def mlp(n, d, h):
        net = torch.nn.Sequential(torch.nn.Linear(d, h), torch.nn.ReLU(), torch.nn.Linear(h, h), torch.nn.ReLU(),
                                  torch.nn.Linear(h, 10)).cuda()
        opt = torch.optim.Adam(net.parameters(), lr=0.001, capturable=True)
        x, y = f32(n, d), torch.arange(n, device="cuda") % 10

        def step():
            opt.zero_grad()
            F.cross_entropy(net(x), y).backward()
            opt.step()
        return step

    def make(name, sizes, text):
        kind = bf16 if "bf16" in text else f32
        if name in ("copy", "gelu", "sum"):
            x = f32(*sizes)
            y = f32(*sizes) if name == "gelu" else None
            return {"copy": lambda: x + 1, "gelu": lambda: F.gelu(2 * x + y, approximate="tanh"), "sum": lambda: x.sum()}[name]
        if name in ("product", "product_gelu"):
            if name == "product":
                return product(sizes[0], kind)
            a, b = bf16(*sizes, *sizes), bf16(*sizes)
            return lambda: F.gelu(a @ a + b, approximate="tanh")
        if name == "mlp":
            return mlp(*sizes)
        if name == "skinny":
            a, w = bf16(sizes[0], sizes[1]), bf16(sizes[1], sizes[1])
            return lambda: a @ w
        if name == "attention":
            q = bf16(*sizes)
            return lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True)
        if name == "conv":
            n, p, c = sizes
            x = bf16(n, c, p + 2, p + 2).to(memory_format=torch.channels_last)
            w = bf16(c, c, 3, 3).to(memory_format=torch.channels_last)
            return lambda: F.conv2d(x, w)
        if name == "stencil":
            x = f32(*sizes, *sizes)
            return lambda: 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])
        x = kind(*sizes)
        if name == "bias_gelu":
            r, b = bf16(*sizes), bf16(sizes[1])
            return lambda: F.gelu(x + b, approximate="tanh") + r
        return {"softmax": lambda: torch.softmax(x, 1), "layer_norm": lambda: F.layer_norm(x, sizes[1:]),
                "columns": lambda: x.sum(0), "transpose": lambda: torch.cat([x.T, x.T], 0)}[name]

    return make


def torch_time(torch, f):
    for _ in range(5):
        f()
    torch.cuda.synchronize()
    times = []
    for _ in range(20):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        f()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b) * 1e3)
    return sorted(times)[10]


def jax_time(jax, name, sizes, text):
    """Of the rows that JAX says in one line."""
    jnp, key = jax.numpy, jax.random.PRNGKey(0)
    dtype = jnp.bfloat16 if "bf16" in text else jnp.float32
    x = jax.random.normal(key, (sizes[0], sizes[0]) if name in ("product", "stencil") else sizes, dtype)
    f = {"copy": lambda x: x + 1, "gelu": lambda x: jax.nn.gelu(2 * x + x), "sum": lambda x: x.sum(),
         "softmax": lambda x: jax.nn.softmax(x, axis=-1), "columns": lambda x: x.sum(0), "product": lambda x: x @ x,
         "stencil": lambda x: 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])}.get(name)
    if not f:
        return None
    g = jax.jit(f)
    for _ in range(3):
        g(x).block_until_ready()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        g(x).block_until_ready()
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)[10]


def tenon_time(options, row, sizes, limit):
    before, body = row[3].format(*sizes), row[4].format(*sizes)
    with tempfile.NamedTemporaryFile("w", suffix=".model") as f:
        f.write(f'{before}\nbench "row" {{\n  {body}\n}}\n')
        f.flush()
        done = subprocess.run([options.tenon, "bench", "--device", options.device, "--json", f.name],
                              capture_output=True, text=True, timeout=limit)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[0])
    return json.loads(done.stdout)["rows"][0]["median_us"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon")
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--json")
    options = parser.parse_args()
    options.tenon = str(Path(options.tenon).resolve())
    begin = time.time()
    torch = jax = None
    if not options.small:
        import os
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        try:
            import torch
            torch = torch if torch.cuda.is_available() else None
        except ImportError:
            pass
        try:
            import jax
        except ImportError:
            pass
    make = torch_functions(torch) if torch else None
    wrong, copy, kept = [], None, []
    print("\n## Speed (medians in us; rates are Tenon's)\n"
          "| row | tenon | torch eager | torch.compile | jax | of the better rival | GB/s | of the copy | TFLOP/s |\n"
          "|---|---|---|---|---|---|---|---|---|", flush=True)
    for row in ROWS:
        name, sizes, rival = row[0], row[2] if options.small else row[1], row[7]
        if options.only not in name:
            continue
        left = options.seconds - (time.time() - begin)
        if left < 5:
            wrong.append(f"{name}: no time was left for it")
            continue
        own, rivals = None, [None] * 3
        try:
            own = tenon_time(options, row, sizes, left)
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            wrong.append(f"{name}: {e}")
        for i in range(3):
            if options.seconds - (time.time() - begin) < 30:
                break
            try:
                if i < 2 and make:
                    f = make(rival, sizes, row[3])
                    # The optimizer's step is not compiled: what it does there is a story of its own.
                    rivals[i] = torch_time(torch, torch.compile(f, mode="max-autotune-no-cudagraphs") if i == 1 and rival != "mlp" else f)
                    del f
                    torch.cuda.empty_cache()
                elif i == 2 and jax:
                    rivals[i] = jax_time(jax, rival, sizes, row[3])
            except Exception as e:  # a rival that fails is not our row's fault
                wrong.append(f"{name}, {('torch', 'torch.compile', 'jax')[i]}: {str(e).splitlines()[0][:200] if str(e) else type(e).__name__}")
        rate = row[5](*sizes) / own / 1e3 if own and row[5] else None
        if name.startswith("copy"):
            copy = rate
        flops = row[6](*sizes) / own / 1e6 if own and row[6] else None
        best = min((r for r in rivals if r), default=None)
        cell = lambda v, how="{:.1f}": how.format(v) if v else "-"
        print(f"| {name}, {' x '.join(map(str, sizes))} | {cell(own)} | " + " | ".join(cell(r) for r in rivals) +
              f" | {cell(best / own if best and own else None, '{:.2f}')} | {cell(rate)} | "
              f"{cell(100 * rate / copy if rate and copy else None, '{:.0f} %')} | {cell(flops)} |", flush=True)
        kept.append({"row": name, "sizes": sizes, "tenon_us": own, "torch_us": rivals[0], "torch_compile_us": rivals[1],
                     "jax_us": rivals[2], "gbytes": rate, "tflops": flops})
    for line in wrong:
        print(f"- {line}")
    if options.json:
        Path(options.json).write_text(json.dumps(kept, indent=1))
    return 1 if options.small and wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
