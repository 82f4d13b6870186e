#!/usr/bin/env python3
"""Runs every program of tests/lang and the examples on a GPU and in eager mode on the CPU, and compares
output byte for byte.  check.py TENON [DEVICE]   (DEVICE: gpu unless told; cudasim tries this script out)"""
import subprocess
import sys
import tempfile
from pathlib import Path

tenon, device = str(Path(sys.argv[1]).resolve()), (sys.argv[2:] or ["gpu"])[0]
root = Path(__file__).resolve().parents[2]
models = sorted((root / "tests/lang").rglob("*.model")) + sorted((root / "examples").glob("*.model"))
equal, different = 0, []
for model in models:
    runs = []
    for arguments in (["--mode", "eager"], ["--device", device]):
        with tempfile.TemporaryDirectory() as fresh:
            folder = model.parent if "tests" in model.parts else fresh
            done = subprocess.run([tenon, "run", *arguments, str(model)], cwd=folder, capture_output=True, timeout=600)
            runs.append((done.returncode, done.stdout, done.stderr))
    if runs[0][:2] == runs[1][:2]:
        equal += 1
    else:
        different.append((model.relative_to(root), runs[1][2].decode(errors="replace")[-500:]))
print(f"\n## Correctness: {equal} of {len(models)} programs give the CPU's bytes on {device}")
for name, error in different:
    print(f"- {name}: {error}")
sys.exit(1 if different else 0)
