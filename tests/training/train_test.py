#!/usr/bin/env python3
"""`train` from outside: runs that are killed and go on, event files, what is shown, what goes wrong.
train_test.py TENON"""

import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import events  # noqa: E402

TENON = os.path.abspath(sys.argv[1])
failures = []

# Everything that a state consists of: dropout draws, a state that is updated, shuffled batches with a
# short last one, Adam's moments, a schedule, patience with its best model.
PROGRAM = """
model Net(hidden: int) {
  let first = Linear(3, hidden)
  let second = Linear(hidden, 1)
  state seen: f32[3] = zeros(3)
  fn forward(x: f32[B, 3]) -> f32[B, 1] {
    update seen = 0.9 * seen + 0.1 * mean(x, axis = 0)
    x - seen |> first |> tanh |> dropout(0.2) |> second
  }
}
let x: f32[ROWS, 3] ~ normal(0, 1)
let data = {x: x, y: sum(sin(x), axis = 1, keep = true)}
let (fit, held) = split(data, 0.8, seed = 1)
var net = Net(HIDDEN)
train net on fit {
  loss(batch) = mse(net(batch.x), batch.y)
  optimizer   = adamw(lr = cosine(1e-3, warmup = 20), weight_decay = 0.01)
  batch       = 32
  epochs      = EPOCHS
  seed        = 7
  metrics     = {error: fn(batch) = mean(abs(net(batch.x) - batch.y))}
  validate    = held
  patience    = 1000
  clip        = 1.0
ENTRIES
}
save(net, "net.safetensors")
let curve = history(net)
print(len(curve.loss), curve.epoch[-1], curve.step[-1])
print(curve.loss[-1], curve.held.loss, curve.held.error[-1])
"""


def program(folder, entries="", rows=1000, hidden=32, epochs=6, text=PROGRAM):
    text = (text.replace("ROWS", str(rows)).replace("HIDDEN", str(hidden))
            .replace("EPOCHS", str(epochs)).replace("ENTRIES", entries))
    path = Path(folder) / "net.model"
    path.write_text(text)
    return str(path)


def expect(name, ok, detail=""):
    if not ok:
        failures.append(f"{name}: {detail}")


def run(folder, path, *options, limit=120):
    return subprocess.run([TENON, "run", *options, path], cwd=folder, capture_output=True, text=True,
                          timeout=limit, errors="replace", stdin=subprocess.DEVNULL)


def last_state(folder):
    return (Path(folder) / "net.safetensors").read_bytes()


# ---------------------------------------------------------------- killed at any moment

def killed(mode, kills, longer=1):
    """A run that is killed again and again ends like one that never was. On a busy machine a run may
    end before it can be killed: then a longer one is tried."""
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
        size = dict(rows=1500, hidden=48, epochs=longer * (25 if mode == "graph" else 8))
        done = run(whole, program(whole, **size), "--mode", mode)
        expect(f"{mode}, uninterrupted", done.returncode == 0, done.stderr)
        path = program(parts, '  checkpoint  = "net.ckpt"', **size)
        checkpoint = Path(parts) / "net.ckpt"
        resumed, steps = 0, []
        for kill in range(kills + 1):
            process = subprocess.Popen([TENON, "run", "--mode", mode, path], cwd=parts, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if kill < kills:
                # At once after a checkpoint was written, a little later, while the next is written ..
                before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
                end = time.time() + 60
                while process.poll() is None and time.time() < end:
                    if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                        break
                    time.sleep(0.0005)
                time.sleep(0.004 * kill)
                process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=120)
            if said := re.search(r"goes on from step (\d+) of (\d+)", err):
                resumed += 1
                steps.append(int(said.group(1)))
                expect(f"{mode}, killed", 0 < steps[-1] < int(said.group(2)), err)
            if process.returncode == 0:
                break
        if len(set(steps)) < 2 and process.returncode == 0 and longer < 8:
            return killed(mode, kills, 2 * longer)
        expect(f"{mode}, killed", process.returncode == 0, err)
        expect(f"{mode}, killed", resumed >= 2, f"went on {resumed} times only, from {steps}")
        expect(f"{mode}, killed", steps == sorted(steps) and len(set(steps)) > 1, f"went on from {steps}")
        expect(f"{mode}, killed", out == done.stdout, f"{out}\nis not\n{done.stdout}")
        expect(f"{mode}, killed", last_state(parts) == last_state(whole), f"other bits after going on from {steps}")
        # Once more: the training is finished, and its result still there.
        again = run(parts, path, "--mode", "eager")
        expect(f"{mode}, finished", again.returncode == 0 and "nothing is left to do" in again.stderr, again.stderr)
        expect(f"{mode}, finished", again.stdout == done.stdout, f"{again.stdout}\nis not\n{done.stdout}")
        expect(f"{mode}, finished", last_state(parts) == last_state(whole), "other bits of the finished run")


killed("graph", 5)
killed("eager", 3)

# A checkpoint of another training is refused, with what differs.
with tempfile.TemporaryDirectory() as folder:
    path = program(folder, '  checkpoint = "net.ckpt"', epochs=2)
    expect("checkpoint", run(folder, path).returncode == 0)
    text = Path(path).read_text()
    other = run(folder, path, "--seed", "3")
    expect("other seed", other.returncode == 1 and "--seed is 0 in the file and 3 here" in other.stderr, other.stderr)
    Path(path).write_text(text.replace("batch       = 32", "batch       = 16"))
    other = run(folder, path)
    expect("other batch", other.returncode == 1 and "batch is 32 in the file and 16 here" in other.stderr, other.stderr)
    expect("other batch", "net.model:15:1" in other.stderr, other.stderr)
    Path(path).write_text(text.replace("Net(32)", "Net(16)"))
    other = run(folder, path)
    expect("other net", other.returncode == 1 and "net.first.weight is f32[32, 3] in the file and f32[16, 3] here" in other.stderr, other.stderr)
    expect("other net", "optimizer.m.first.weight" in other.stderr and "best.net.second.weight" in other.stderr, other.stderr)
    (Path(folder) / "net.ckpt").write_bytes(last_state(folder))
    Path(path).write_text(text)
    other = run(folder, path)
    expect("no checkpoint", other.returncode == 1 and "it is no checkpoint" in other.stderr, other.stderr)
    (Path(folder) / "net.ckpt").write_bytes(b"nothing of the kind")
    other = run(folder, path)
    expect("no checkpoint", other.returncode == 1 and "is not a safetensors file" in other.stderr, other.stderr)

# More epochs go on where fewer ended; the model of a checkpoint can be loaded.
with tempfile.TemporaryDirectory() as folder:
    path = program(folder, '  checkpoint = "net.ckpt"', epochs=2)
    expect("more epochs", run(folder, path).returncode == 0)
    path = program(folder, '  checkpoint = "net.ckpt"', epochs=3)
    more = run(folder, path)
    expect("more epochs", "goes on from step 50 of 75" in more.stderr, more.stderr)
    loading = Path(folder) / "load.model"
    loading.write_text(Path(path).read_text().split("let x:")[0] +
                       'assert load(Net(32), "net.ckpt") == load(Net(32), "net.safetensors")\n')
    loaded = run(folder, str(loading))
    expect("load of a checkpoint", loaded.returncode == 0, loaded.stderr)

# Steps that end inside an epoch: run again it reports nothing twice, and with more steps it goes on in that epoch.
with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
    def inside(folder, steps, entries=""):
        path = program(folder, entries)
        text = (Path(path).read_text().replace("epochs      = 6", f"steps       = {steps}")
                .replace("adamw(lr = cosine(1e-3, warmup = 20), weight_decay = 0.01)", "sgd(lr = 0.01)"))
        Path(path).write_text(text)
        return run(folder, path)
    first = inside(parts, 60, '  checkpoint = "net.ckpt"')
    expect("inside an epoch", first.returncode == 0 and first.stdout.startswith("3 3 60\n"), first.stdout + first.stderr)
    again = inside(parts, 60, '  checkpoint = "net.ckpt"')
    expect("inside an epoch, again", "nothing is left" in again.stderr and again.stdout == first.stdout, f"{again.stdout}\nis not\n{first.stdout}")
    more, done = inside(parts, 70, '  checkpoint = "net.ckpt"'), inside(whole, 70)
    expect("inside an epoch, more", "goes on from step 60 of 70" in more.stderr, more.stderr)
    expect("inside an epoch, more", more.stdout.splitlines()[1].split()[0] == done.stdout.splitlines()[1].split()[0],
           f"the loss of the last epoch\n{more.stdout}\nis not\n{done.stdout}")
    expect("inside an epoch, more", last_state(parts) == last_state(whole), "other bits")

# ---------------------------------------------------------------- event files

with tempfile.TemporaryDirectory() as folder:
    path = program(folder, '  log = "runs/first"', epochs=3)
    done = run(folder, path)
    expect("log", done.returncode == 0, done.stderr)
    files = sorted((Path(folder) / "runs/first").iterdir())
    expect("log", len(files) == 1 and files[0].name.startswith("events.out.tfevents."), files)
    version, starts, points = events.scalars(files[0])
    expect("log", version == "brain.Event:2" and starts == [1], (version, starts))
    curve = {}
    for tag, step, value, wall in points:
        curve.setdefault(tag, []).append((step, value))
        expect("log", abs(wall - time.time()) < 3600, wall)
    steps = 3 * 25
    expect("log", sorted(curve) == ["held-out/error", "held-out/loss", "train/learning rate", "train/loss"], sorted(curve))
    expect("log", [s for s, _ in curve["train/loss"]] == list(range(1, steps + 1)), curve["train/loss"])
    for step, rate in curve["train/learning rate"]:
        at = step - 1
        wanted = 1e-3 * (at + 1) / 20 if at < 20 else 0.5e-3 * (1 + math.cos(math.pi * (at - 20) / (steps - 20)))
        expect("log", abs(rate - wanted) < 1e-8, (step, rate, wanted))
    expect("log", [s for s, _ in curve["held-out/loss"]] == [25, 50, 75], curve["held-out/loss"])
    printed = re.search(r"\n(\S+) \[(.*?)\] (\S+)\n", done.stdout)
    for (_, value), said in zip(curve["held-out/loss"], printed.group(2).split()):
        expect("log", abs(value - float(said)) < 1e-6 * abs(value) + 1e-8, (value, said))
    # The last epoch's loss is the mean of its steps' (all batches are full here).
    own = sum(v for _, v in curve["train/loss"][-25:]) / 25
    expect("log", abs(own - float(printed.group(1))) < 1e-5, (own, printed.group(1)))

# A run that is killed and goes on: the files of both make one curve, as TensorBoard joins them.
for epochs in (25, 100, 400):  # on a busy machine the short run may end before it can be killed
    with tempfile.TemporaryDirectory() as folder:
        path = program(folder, '  checkpoint = "net.ckpt"\n  log = "runs"', rows=1500, hidden=48, epochs=epochs)
        process = subprocess.Popen([TENON, "run", path], cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 60
        while not (Path(folder) / "net.ckpt").exists() and time.time() < end:
            time.sleep(0.0005)
        time.sleep(0.02)
        process.kill()
        if process.wait() == 0 and epochs < 400:
            continue
        done = run(folder, path)
        said = re.search(r"goes on from step (\d+) of (\d+)", done.stderr)
        expect("log, killed", done.returncode == 0 and said, done.stderr)
        files = sorted((Path(folder) / "runs").iterdir(), key=lambda f: f.stat().st_mtime)
        kept = []
        for file in files:
            _, starts, points = events.scalars(file)
            kept = [p for p in kept if p[1] < starts[0]] + [(tag, step) for tag, step, _, _ in points]
        if said:
            steps = int(said.group(2))
            expect("log, killed", len(files) == 2 and starts == [int(said.group(1)) + 1], (files, starts))
            for tag, wanted in (("train/loss", range(1, steps + 1)), ("held-out/loss", range(steps // epochs, steps + 1, steps // epochs))):
                expect("log, killed", [s for t, s in kept if t == tag] == list(wanted), f"{tag} has a gap or a step twice")
        break

# ---------------------------------------------------------------- what is shown

def watched(arguments, cwd):
    """What a command writes to a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(TENON, [TENON] + arguments)
    seen = b""
    while True:
        try:
            if not select.select([fd], [], [], 60)[0]:
                break
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.waitpid(pid, 0)
    return seen.decode(errors="replace")


with tempfile.TemporaryDirectory() as folder:
    path = program(folder, epochs=40)
    done = run(folder, path)
    lines = done.stderr.splitlines()
    expect("lines", 5 <= len(lines) <= 12 and "\033" not in done.stderr and "\r" not in done.stderr, done.stderr)
    form = r"epoch \d+/40  step \d+/1000  loss \S+  held-out loss \S+  held-out error \S+"
    expect("lines", all(re.fullmatch(form, line) for line in lines), done.stderr)
    expect("lines", lines[0].startswith("epoch 1/40 ") and lines[-1].startswith("epoch 40/40  step 1000/1000"), done.stderr)
    expect("lines", "epoch" not in done.stdout, done.stdout)
    seen = watched(["run", path], folder)
    expect("terminal", "\r\033[K" in seen and "step 1000/1000" in seen, repr(seen))
    expect("terminal", seen.rstrip().splitlines()[-1].split()[0] != "epoch", repr(seen))

# ---------------------------------------------------------------- losses that are no number

BAD = """
let x: f32[64, 1] ~ uniform(-1, 1)
var net = Linear(1, 1)
train net on {x: x, y: 2.0 * x} {
  loss(batch) = mse(net(batch.x), batch.y)
  optimizer   = sgd(lr = LR)
  batch       = 16
  epochs      = 100
ENTRIES
}
"""
for mode in ("eager", "graph"):
    with tempfile.TemporaryDirectory() as folder:
        path = program(folder, text=BAD.replace("LR", "1e3"))
        done = run(folder, path, "--mode", mode)
        expect("nan", done.returncode == 1 and "error[E0808]: the loss is inf at step " in done.stderr, done.stderr)
        expect("nan", "net.model:4:1" in done.stderr and "lr" in done.stderr and "clip" in done.stderr, done.stderr)
        path = program(folder, '  checkpoint = "net.ckpt"', text=BAD.replace("LR", "1e3"))
        done = run(folder, path, "--mode", mode)
        step = re.search(r"at step (\d+) of 400", done.stderr)
        kept = re.search(r"'net.ckpt' holds the state after step (\d+)", done.stderr)
        expect("nan", done.returncode == 1 and step and kept, done.stderr)
        if step and kept:
            expect("nan", int(kept.group(1)) < int(step.group(1)), done.stderr)
        loading = Path(folder) / "load.model"
        loading.write_text('assert all(load(Linear(1, 1), "net.ckpt").weight < 1e30)')
        loaded = run(folder, str(loading))
        expect("nan", loaded.returncode == 0, loaded.stderr)
        # The best model there was is kept, however short before.
        path = program(folder, '  checkpoint = "best.ckpt"\n  validate = {x: x, y: 2.0 * x}\n  patience = 99',
                       text=BAD.replace("LR", "1.5").replace("epochs      = 100", "epochs      = 1000"))
        done = run(folder, path, "--mode", mode)
        expect("nan", done.returncode == 1 and "and the best model so far; load(net, path)" in done.stderr, done.stderr)

for failure in failures:
    print("FAILED", failure, "\n")
print("training:", f"{len(failures)} failed" if failures else "all is well")
sys.exit(1 if failures else 0)
