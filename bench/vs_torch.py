#!/usr/bin/env python3
"""The steps of bench/step.model in PyTorch (eager and torch.compile) and in Tenon, interleaved A B C A B C
in fresh processes, 2 threads each; medians and bests in microseconds.

    python3 bench/vs_torch.py [ROUNDS]     needs torch (PyPI) and build/tenon
"""
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = {"small step": ([64, 128, 10], 64), "mlp step": ([784, 1024, 1024, 10], 128)}


def measure(step):
    for _ in range(20):
        step()
    samples = []
    for _ in range(60):
        calls, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < 0.005:
            step()
            calls += 1
        samples.append((time.perf_counter() - begin) / calls * 1e6)
    return statistics.median(samples), min(samples)


def torch_rows(compiled):
    import torch
    torch.set_num_threads(2)
    out = {}
    for name, (sizes, batch) in ROWS.items():
        torch.manual_seed(0)
        layers = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        net = torch.nn.Sequential(*layers[:-1])
        x, y = torch.randn(batch, sizes[0]), torch.randint(0, 10, (batch,))
        opt = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

        def loss_of():
            return torch.nn.functional.cross_entropy(net(x), y)

        loss_fn = torch.compile(loss_of) if compiled else loss_of

        def step():
            opt.zero_grad(set_to_none=True)
            loss_fn().backward()
            opt.step()

        out[name] = measure(step)
    return out


def tenon_rows(mode):
    done = subprocess.run([ROOT / "build/tenon", "bench", "--json", "--mode", mode, "--threads", "2",
                           ROOT / "bench/step.model"], capture_output=True, check=True)
    return {r["name"]: (r["median_us"], r["best_us"]) for r in json.loads(done.stdout)["rows"]}


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--child":
        print(json.dumps(torch_rows(sys.argv[2] == "compile")))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {}
    for _ in range(rounds):
        for column in ("torch eager", "torch.compile", "tenon eager", "tenon graph"):
            if column.startswith("tenon"):
                rows = tenon_rows(column.split()[1])
            else:
                child = subprocess.run([sys.executable, __file__, "--child",
                                        "compile" if column.endswith("compile") else "eager"],
                                       capture_output=True, check=True)
                rows = json.loads(child.stdout.splitlines()[-1])
            for name, (median, best) in rows.items():
                results.setdefault((name, column), []).append((median, best))
    for (name, column), samples in sorted(results.items()):
        print(f"{name:12} {column:14} median {statistics.median(m for m, _ in samples):9.1f} us"
              f"   best {min(b for _, b in samples):9.1f} us")


if __name__ == "__main__":
    main()
