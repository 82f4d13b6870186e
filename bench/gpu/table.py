#!/usr/bin/env python3
"""Times work on the GPU by `tenon bench`, and the same in PyTorch where it is installed. table.py TENON
The rows are those of shared/gpu.md 5 that the kernels of today can run; times are medians in microseconds."""
import json
import subprocess
import sys
from pathlib import Path

tenon = sys.argv[1]
done = subprocess.run([tenon, "bench", "--device", "gpu", "--json", str(Path(__file__).with_name("rows.model"))],
                      capture_output=True, text=True)
if done.returncode != 0:
    sys.exit(done.stderr)
rows = {r["name"]: r for r in json.loads(done.stdout)["rows"]}
rivals = {}
try:
    import torch

    def timed(f):
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

    x = torch.randn(1 << 26, device="cuda")
    y = torch.randn(1 << 26, device="cuda")
    rivals["gelu(2x + y), 2^26"] = timed(lambda: torch.nn.functional.gelu(2 * x + y, approximate="tanh"))
    s = torch.randn(8192, 4096, device="cuda")
    rivals["softmax, 8192 x 4096"] = timed(lambda: torch.softmax(s, 1))
    rivals["sum, 2^26"] = timed(lambda: x.sum())
    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.randn(4096, 4096, device="cuda")
    rivals["matmul f32, 4096 cubed"] = timed(lambda: a @ a)
except ImportError:
    pass
print("\n## Speed (medians, us)\n| row | tenon | torch eager | ratio |\n|---|---|---|---|")
for name, row in rows.items():
    rival = rivals.get(name)
    own = row["median_us"]
    print(f"| {name} | {own:.1f} | " + (f"{rival:.1f} | {rival / own:.2f} |" if rival else "- | - |"))
