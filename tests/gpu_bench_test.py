#!/usr/bin/env python3
"""bench/gpu is for a machine with a GPU; here its scripts are tried out on cudasim.  gpu_bench_test.py TENON

The folder that is carried to such a machine holds every library that its programs need, and starts in an empty
environment; the comparison finds programs equal, and notices when one is not; a row is timed."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

tenon = Path(sys.argv[1]).resolve()
root = Path(__file__).resolve().parent.parent


def run(*command, code=0, **how):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=root, **how)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(good, what):
    if not good:
        sys.exit(f"not as expected: {what}")


with tempfile.TemporaryDirectory() as folder:
    run("bench/gpu/carry.sh", "--open", folder, env={**os.environ, "TENON_BUILD": str(tenon.parent)})
    carried = Path(folder) / "tenon"
    there = {p.name for p in (carried / "lib").iterdir()} | {p.name for p in (carried / "libc").iterdir()}
    for program in (carried / "bin").iterdir():
        needed = [line.split("[")[1].split("]")[0] for line in run("readelf", "-d", program).splitlines() if "(NEEDED)" in line]
        expect(needed and not set(needed) - there, f"{program.name} needs {sorted(set(needed) - there)}")
    # By its own C library alone, and by the start script with nothing in the environment.
    loader = [carried / "libc/ld-linux-x86-64.so.2", "--library-path", f"{carried}/lib:{carried}/libc", carried / "bin/tenon"]
    for start in (loader, [carried / "tenon"]):
        out = run(*start, "-e", "sum([1.0, 2.0])", env={"PATH": "/usr/bin:/bin", "TENON_CACHE": "off"})
        expect(out.strip() == "3.0", f"the carried command says {out}")

out = run("bench/gpu/check.py", tenon, "--device", "cudasim", "--only", "tests/lang/structures", "--jobs", "1")
expect("programs give the CPU's bytes" in out and " 0 of" not in out, out)
out = run("bench/gpu/check.py", tenon, "--device", "cudasim", "--only", "lang/structures", "--under", "sh -c 'exit 9'", code=1)
expect(" 0 of" in out, out)
out = run("bench/gpu/table.py", tenon, "--device", "cudasim", "--small", "--only", "training step")
expect(out.count("| training step") == 1, out)
