#!/usr/bin/env python3
"""Machine code on disk, seen from outside.   cache_test.py TENON

Whatever the state of the cache, a program prints the same: with an empty and a filled one, when many
processes fill it at once, with damaged entries, with a folder that cannot be written and a disk that
is full. `--stats` says what was read and what was made."""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

TENON = os.path.abspath(sys.argv[1])
failures = []

PROGRAM = """\
fn step(w: f32[N, M], x: f32[B, N]) -> f32 = mean(tanh(x @ w) ** 2)
fn settle(x: f64) -> f64 {
  var y = x
  while abs(y * y - 2.0) > 1e-12 { y = y - (y * y - 2.0) / (2.0 * y) }
  y
}
var w = draw(normal(0, 1), 5, 3)
let x = draw(normal(0, 1), 7, 5)
for i in 0..3 {
  let (loss, g) = value_and_grad(step)(w, x)
  w = w - 0.1 * g
  print(loss)
}
print(settle(3.0))
"""


def expect(ok, text):
    if not ok:
        failures.append(text)


def start(program, cache, *options, env=None, **how):
    variables = {**os.environ, "TENON_TIERING": "off", **(env or {})}
    variables.pop("TENON_CACHE", None)
    if cache is not None:
        variables["TENON_CACHE"] = str(cache)
    return subprocess.Popen([TENON, "run", "--stats", "--threads", "2", *options, str(program)], env=variables,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def finish(process, name):
    stdout, stderr = process.communicate(timeout=120)
    found = re.search(r"parts read (\d+) and made (\d+)", stderr)
    expect(process.returncode == 0 and found, f"{name}: exit code {process.returncode}\n{stderr}")
    expect(len(stderr.splitlines()) == 1, f"{name}: says more than --stats\n{stderr}")
    return stdout, *(map(int, found.groups()) if found else (0, 0))


def run(name, program, cache, *options, **how):
    return finish(start(program, cache, *options, **how), name)


def entries(cache):
    return sorted(p for p in (Path(cache) / "code").iterdir())


def whoever_may_not_write():
    """What makes a child of ours somebody whom permissions stop; root they do not."""
    if os.geteuid() != 0:
        return {}
    return {"user": 65534, "group": 65534, "extra_groups": []}


def main(folder):
    program, cache = folder / "p.model", folder / "cache"
    program.write_text(PROGRAM)

    right, read, made = run("cold", program, cache)
    expect((read, made > 1) == (0, True), f"cold: read {read}, made {made}")
    parts = made
    expect(len(entries(cache)) == parts, f"cold: {entries(cache)}")
    eager = subprocess.run([TENON, "run", "--mode", "eager", program], capture_output=True, text=True).stdout
    expect(right == eager, f"graph:\n{right}eager:\n{eager}")
    same = run("warm", program, cache)
    expect(same == (right, parts, 0), f"warm: {same}")

    # What a program is made of counts, not its names; another number is another program.
    program.write_text(PROGRAM.replace("settle", "newton").replace("loss", "value"))
    same = run("other names", program, cache)
    expect(same == (right, parts, 0), f"other names: {same}")
    program.write_text(PROGRAM.replace("2.0", "3.0"))
    other, read, made = run("other numbers", program, cache)
    expect(other != right and made > 0, f"other numbers: read {read}, made {made}\n{other}")
    program.write_text(PROGRAM)

    # Other machines have entries of their own.
    same, read, made = run("v3", program, cache, "--cpu", "x86-64-v3")
    if "avx512" in subprocess.run([TENON, "doctor"], capture_output=True, text=True).stdout:
        expect((read, made) == (0, parts), f"v3: read {read}, made {made}")
    expect(same == right, f"v3:\n{same}")

    # Many at once.
    shared = folder / "shared"
    for done in [finish(p, "at once") for p in [start(program, shared) for _ in range(8)]]:
        expect(done[0] == right and done[1] + done[2] == parts, f"at once: {done}")
    names = [p.name for p in entries(shared)]
    expect(len(names) == parts and not any("." in n for n in names), f"at once: {names}")
    same = run("after them", program, shared)
    expect(same == (right, parts, 0), f"after them: {same}")

    # Damaged in every way that a disk or a program knows.
    source = random.Random(5)
    whole = [p.read_bytes() for p in entries(shared)]

    def damage(how):
        for i, p in enumerate(entries(shared)):
            p.write_bytes(how(i, bytearray(whole[i])))
            p.chmod(0o600)

    def flip(_, b):
        b[source.randrange(len(b))] ^= 1 << source.randrange(8)
        return b

    for name, how in {"empty": lambda i, b: b"", "cut in the header": lambda i, b: b[:11],
                      "cut": lambda i, b: b[:source.randrange(len(b))], "longer": lambda i, b: b + b"\0",
                      "zeroed": lambda i, b: bytes(len(b)), "a bit": flip, "another bit": flip,
                      "another version": lambda i, b: b[:7] + b"0" + b[8:],
                      "exchanged": lambda i, b: whole[(i + 1) % len(whole)]}.items():
        damage(how)
        same = run(name, program, shared)
        expect(same == (right, 0, parts), f"{name}: {same}")
        same = run(f"after {name}", program, shared)
        expect(same == (right, parts, 0), f"after {name}: {same}")

    # A folder that may be read but not written, with one entry missing.
    folder.chmod(0o755)
    shared.chmod(0o755)
    for p in entries(shared):
        p.chmod(0o644)
    entries(shared)[0].unlink()
    (shared / "code").chmod(0o555)
    program.chmod(0o644)
    who = whoever_may_not_write()
    try:
        able = not who or subprocess.run([TENON, "version"], capture_output=True, **who).returncode == 0
    except OSError:
        able = False  # the command lies where nobody but root may look
    if able:
        same = run("read-only", program, shared, cwd=folder, **who)
        expect(same == (right, parts - 1, 1), f"read-only: {same}")
        expect(len(entries(shared)) == parts - 1, "read-only: an entry was written")
    else:
        print("skipped: a folder that cannot be written (nobody but root may run the command)")
    (shared / "code").chmod(0o755)

    # A full disk: every write beyond the first 2000 bytes fails.
    full = folder / "full"

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    same = run("full", program, full, preexec_fn=little_room, restore_signals=False)
    expect(same == (right, 0, parts), f"full: {same}")
    expect(all(p.stat().st_size < 2000 and "." not in p.name for p in entries(full)), f"full: {entries(full)}")
    file = folder / "file"
    file.write_text("x")
    for nowhere in (file, file / "below", "/proc/tenon"):
        same = run(str(nowhere), program, nowhere)
        expect(same == (right, 0, parts), f"{nowhere}: {same}")

    # Where it lies.
    home, xdg = folder / "home", folder / "xdg"
    home.mkdir()
    same = run("off", program, "off", env={"HOME": str(home)})
    expect(same == (right, 0, parts) and not list(home.iterdir()), f"off: {same}")
    run("home", program, None, env={"HOME": str(home), "XDG_CACHE_HOME": ""})
    expect(len(entries(home / ".cache" / "tenon")) == parts, "home")
    run("xdg", program, None, env={"HOME": str(home), "XDG_CACHE_HOME": str(xdg)})
    expect(len(entries(xdg / "tenon")) == parts, "xdg")
    doctor = subprocess.run([TENON, "doctor"], capture_output=True, text=True, env={**os.environ, "TENON_CACHE": str(xdg / "tenon")})
    expect(re.search(rf"^cache\s+{re.escape(str(xdg))}/tenon: {parts} objects, .* MiB", doctor.stdout, re.M), doctor.stdout)
    shutil.rmtree(xdg)
    same = run("cleared", program, xdg / "tenon")
    expect(same == (right, 0, parts), f"cleared: {same}")


with tempfile.TemporaryDirectory() as name:
    main(Path(name))
for text in failures:
    print("FAILED", text)
print(f"{len(failures)} failed")
sys.exit(1 if failures else 0)
