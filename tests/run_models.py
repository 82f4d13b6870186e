#!/usr/bin/env python3
"""Runs .model programs that carry their expectation beside them. One call per folder, by ctest:

    run_models.py errors   TENON FOLDER     NAME.model with NAME.expected
    run_models.py lang     TENON FOLDER     expectations as comments in the program
    run_models.py examples TENON FOLDER     as lang, each in an empty folder, files compared too
    run_models.py oracle   TENON NAME.model `tenon test` in both modes (see oracle/make.py)
    run_models.py cudasim  TENON FOLDER     the programs of lang (or one program) on the emulated GPU
    run_models.py cudasim-short TENON EXAMPLE   an example there, cut to a few steps

errors: `tenon check NAME.model` must end with code 2 and exactly the message in NAME.expected, and
  take less than 50 ms of processor time (the best of three; TENON_UNTIMED=1 leaves that out).
  TENON_UPDATE=1 writes what came out into NAME.expected: read the diff before you commit it.
  A first line `# notes` says that the file has no error, only notes: code 0.
  A first line `# run` says that the mistake shows in the run alone: it runs in both modes, which
  must say the same, with code 1 (`# test` likewise, by `tenon test`).

lang: the program runs in every mode and with every number of threads (an example in some). Its output must be, line by
line, what its comments say, and the same bytes every time:
    print(x)            # -> 3.0
                        # -> the next line of output, where one statement prints several
    f(0)                # error E0801: zero        (the run ends here, code and text on stderr)
  A file with `test "..."` blocks goes through `tenon test` as well. In graph mode every span is
  compiled before its first run (TENON_TIERING=off), and --stats must say that code was compiled,
  unless the program ends in an error or a line says `# compiles nothing`. The graph legs share a cache
  of their own: the first one makes all code, the others must find all of it there. The one with three
  threads uses no more than AVX2 (--cpu x86-64-v3), and code of its own.

cudasim: code, output and messages must be those of eager mode to the byte, in one of the three orders in which
  the emulator can take up the threads of a block (which one depends on the program's name). With
  TENON_CUDASIM_ARCHS="sm_80 sm_90a" NVRTC compiles each program's kernels for one of these as well.

examples: `# expect held-out accuracy >= 0.97` compares the number in the line of output that begins
  with that name; `# seeds 1 2 3` repeats the run for these seeds too.
"""

import contextlib
import difflib
import os
import re
import resource
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

LEGS = [("eager", 1), ("eager", 2), ("eager", 3), ("eager", 8),
        ("graph", 1), ("graph", 2), ("graph", 3), ("graph", 8)]
EXAMPLE_LEGS = [("eager", 1), ("eager", 3), ("graph", 2), ("graph", 8)]  # they take seconds
FEW = os.environ.get("TENON_LEGS") == "few"  # under the sanitizers, which are slow
if FEW:
    LEGS = EXAMPLE_LEGS = [("eager", 1), ("graph", 3)]
TIMEOUT = 300  # seconds; a program that takes longer hangs

SAYS = re.compile(r"#\s*->\s?(.*)$")
ERROR = re.compile(r"#\s*error (E\d{4})(?::\s*(.*))?$")
EXPECT = re.compile(r"^#\s*expect (.+?)\s*(>=|<=)\s*([-+.\deE]+)\s*$", re.M)
SEEDS = re.compile(r"^#\s*seeds((?: \d+)+)\s*$", re.M)
COMPILED = re.compile(r"^stats: .*\bcompiled (\d+)", re.M)
PARTS = re.compile(r"^stats: .*\bparts read (\d+) and made (\d+)", re.M)


class Failure(Exception):
    pass


def run(arguments, folder, env=None):
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(map(str, arguments))}: still running after {TIMEOUT} s")
    if done.returncode < 0 or done.returncode == 70:
        raise Failure(f"{' '.join(map(str, arguments))}: crashed ({done.returncode})\n"
                      + done.stderr.decode(errors="replace"))
    if FEW:  # the address sanitizer says once that a program has stacks of its own
        done.stderr = re.sub(rb"==\d+==WARNING: ASan doesn't fully support makecontext.*\n", b"", done.stderr)
    return done


def difference(expected, found, name):
    return "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(),
                                          f"{name} (expected)", f"{name} (found)", lineterm=""))


def without_library_lines(text):
    """Where in the library something stands may change with every edit there; what it says may not."""
    out, inside = [], 0
    for line in text.split("\n"):
        if re.match(r"\s*--> <stdlib/", line):
            line, inside = re.sub(r"^\s*(--> <stdlib/[^>]*>):\d+:\d+", r" \1", line), 3
        elif inside:
            line, inside = re.sub(r"^\s*\d* \|", " |", line), inside - 1
        out.append(line)
    return "\n".join(out)


ANSWER = 0.050  # seconds in which `tenon check` says what is wrong


def timed(arguments, folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(arguments, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wrong_run(tenon, model, how):
    # The modes agree to the letter; a test's own time is no part of what it says.
    said = []
    for mode in ("eager", "graph"):
        done = run([tenon, how, "--mode", mode, model.name], model.parent, {"TENON_TIERING": "off"})
        said.append((done.returncode, done.stderr))
    if said[0] != said[1]:
        raise Failure("the modes differ\n" + difference(
            said[0][1].decode(errors="replace"), said[1][1].decode(errors="replace"), model.name))
    return done


def check_errors(tenon, model):
    text = model.read_text(errors="replace")
    how = re.match(r"# (run|test|notes)\n", text)
    how = how.group(1) if how else "check"
    if how in ("run", "test"):
        done, wanted = wrong_run(tenon, model, how), 1
    else:
        wanted = 0 if how == "notes" else 2
        done, time = timed([tenon, "check", model.name], model.parent)
        for _ in range(2):
            if time >= ANSWER:
                time = min(time, timed([tenon, "check", model.name], model.parent)[1])
        if time >= ANSWER and not os.environ.get("TENON_UNTIMED"):
            raise Failure(f"the answer took {time * 1000:.0f} ms, more than {ANSWER * 1000:.0f} ms")
    found = done.stderr.decode(errors="replace")
    expected_file = model.with_suffix(".expected")
    if os.environ.get("TENON_UPDATE"):
        expected_file.write_bytes(done.stderr)
    if done.returncode != wanted:
        raise Failure(f"exit code {done.returncode}, expected {wanted}\n{found}")
    if not expected_file.exists():
        raise Failure(f"{expected_file.name} is missing (TENON_UPDATE=1 writes it)\n{found}")
    expected = without_library_lines(expected_file.read_text(errors="replace"))
    if without_library_lines(found) != expected:
        raise Failure(difference(expected, without_library_lines(found), model.name))


def expectations(text):
    lines, error = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if says := SAYS.search(line):
            lines.append(says.group(1).rstrip())
        elif (is_error := ERROR.search(line)) and error is None:
            error = (is_error.group(1), is_error.group(2), number)
    return lines, error


def least_cpu(mode, threads):
    return (mode, threads) == ("graph", 3)


def run_leg(tenon, model, mode, threads, folder, cache, seed=None):
    arguments = [tenon, "run", "--mode", mode, "--threads", str(threads), "--stats"]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    if least_cpu(mode, threads):
        arguments += ["--cpu", "x86-64-v3"]
    done = run(arguments + [str(model)], folder, {"TENON_TIERING": "off", "TENON_CACHE": cache})
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def check_output(model, text, code, stdout, stderr):
    lines, error = expectations(text)
    wanted_code = 0
    if error:
        wanted_code = 1
        if f"error[{error[0]}]" not in stderr or (error[1] and error[1] not in stderr):
            raise Failure(f"expected {error[0]}: {error[1] or ''} on stderr, found\n{stderr}")
        if f"{model.name}:{error[2]}:" not in stderr:
            raise Failure(f"expected the error at {model.name}:{error[2]}, found\n{stderr}")
    if code != wanted_code:
        raise Failure(f"exit code {code}, expected {wanted_code}\n{stderr}")
    found = [line.rstrip() for line in stdout.decode(errors="replace").splitlines()]
    if lines and found != lines:
        raise Failure(difference("\n".join(lines), "\n".join(found), model.name))
    if not lines and not error and model.parent.name != "examples" and found:
        raise Failure("output that no `# ->` expects:\n" + "\n".join(found))


def check_numbers(text, stdout):
    found = stdout.decode(errors="replace")
    for name, relation, bound in EXPECT.findall(text):
        numbers = re.findall(rf"^{re.escape(name)}[:=]?\s*([-+.\deE]+)", found, re.M)
        if not numbers:
            raise Failure(f"no line of output begins with '{name}'\n{found}")
        value = float(numbers[-1])
        if not (value >= float(bound) if relation == ">=" else value <= float(bound)):
            raise Failure(f"{name} is {value}, expected {relation} {bound}")


def written(folder):
    """What a run has left, by path; but for TensorBoard's event files, which hold the time in their name and inside."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*"))
            if p.is_file() and not p.is_symlink() and not p.name.startswith("events.out.tfevents.")}


@contextlib.contextmanager
def fresh_folder(model):
    """A folder that dies with the run, so that none finds what another has written. With a model it has the name of the
    model's own and what lies in there, and beside it lies what lies beside that."""
    with tempfile.TemporaryDirectory() as root:
        if not model:
            yield root
            return
        own = Path(model).resolve().parent
        folder = Path(root) / own.name
        folder.mkdir()
        for place, entries in ((folder, own.iterdir()), (Path(root), (e for e in own.parent.iterdir() if e != own))):
            for entry in entries:
                (place / entry.name).symlink_to(entry)
        yield folder


def check_program(tenon, model, own_folder):
    text = model.read_text(errors="replace")
    if FEW and "# not under sanitizers" in text:
        return
    # What runs is also right for `tenon check`, which looks at more: what nobody calls.
    if not expectations(text)[1]:
        done = run([tenon, "check", str(model)], model.parent)
        if done.returncode != 0:
            raise Failure(f"tenon check: exit code {done.returncode}\n"
                          + done.stderr.decode(errors="replace"))
    with tempfile.TemporaryDirectory() as cache:
        check_legs(tenon, model, text, own_folder, cache)
    if re.search(r'^\s*test\s+"', text, re.M):
        for mode in ("eager", "graph"):
            with fresh_folder(model) as folder:
                done = run([tenon, "test", "--mode", mode, str(model)], folder)
            if done.returncode != 0:
                raise Failure(f"tenon test --mode {mode}: exit code {done.returncode}\n"
                              + (done.stdout + done.stderr).decode(errors="replace"))


def check_legs(tenon, model, text, own_folder, cache):
    first, cold = None, True
    for mode, threads in EXAMPLE_LEGS if own_folder else LEGS:
        leg = f"--mode {mode} --threads {threads}"
        try:
            with fresh_folder(None if own_folder else model) as folder:
                name = model if own_folder else model.name
                code, stdout, stderr = run_leg(tenon, name, mode, threads, folder, cache)
                files = written(folder)
            check_output(model, text, code, stdout, stderr)
            check_numbers(text, stdout)
            may_not = "# compiles nothing" in text or expectations(text)[1]  # it may fail first
            if mode == "graph" and not may_not:
                compiled = COMPILED.search(stderr)
                if not compiled or int(compiled.group(1)) == 0:
                    raise Failure(f"--stats does not say that code was compiled\n{stderr}")
                if not least_cpu(mode, threads):
                    check_parts(stderr, cold)
                    cold = False
            if first is None:
                first = (stdout, files)
            elif stdout != first[0]:
                raise Failure("not the output of the first leg\n" + difference(
                    first[0].decode(errors="replace"), stdout.decode(errors="replace"), leg))
            elif files != first[1]:
                other = [n for n in {**files, **first[1]} if files.get(n) != first[1].get(n)]
                raise Failure(f"wrote other bytes than the first leg: {', '.join(other)}")
        except Failure as failure:
            raise Failure(f"with {leg}: {failure}")
    if seeds := SEEDS.search(text):
        for seed in seeds.group(1).split():
            with tempfile.TemporaryDirectory() as fresh:
                code, stdout, stderr = run_leg(tenon, model, "graph", 2, fresh, cache, seed)
                if code != 0:
                    raise Failure(f"with --seed {seed}: exit code {code}\n{stderr}")
                check_numbers(text, stdout)


def check_parts(stderr, cold):
    parts = PARTS.search(stderr)
    read, made = map(int, parts.groups()) if parts else (0, 0)
    if (read, made > 0) != (0, True) if cold else (read > 0, made) != (True, 0):
        raise Failure(f"with {'an empty' if cold else 'a filled'} cache: parts read {read} and made {made}\n{stderr}")


KERNELS = tempfile.NamedTemporaryFile(prefix="tenon-kernels-")  # name, architecture, registers, bytes spilled


def architectures(tenon):
    """Those that NVRTC is to compile for, where it is."""
    archs = os.environ.get("TENON_CUDASIM_ARCHS", "").split()
    if archs and b"NVRTC was not found" in run([tenon, "doctor"], ".").stdout:
        print("not compiled by NVRTC, which was not found (./dev nvrtc fetches it)")
        return []
    return archs


def tell_kernels():
    rows = sorted({line for line in KERNELS.read().decode().splitlines()})
    if not rows:
        return
    spilling = [r for r in rows if r.split()[3] != "0"]
    most = max(int(r.split()[2]) for r in rows)
    print(f"{len(rows)} kernels compiled by NVRTC, at most {most} registers, {len(spilling)} spill")
    for row in spilling:
        print("  spills:", row)


def check_short(tenon, model):
    """An example cut to what the emulator does in seconds: three steps, three characters written."""
    text = re.sub(r"^(\s*)(?:epochs|steps)(\s*)= \d+", r"\1steps\2= 3", model.read_text(), flags=re.M)
    text = re.sub(r", 300\)", ", 3)", text)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").mkdir()
        (Path(folder) / "examples" / "data").symlink_to(model.parent / "data")
        copy = Path(folder) / "examples" / model.name
        copy.write_text(text)
        check_cudasim(tenon, copy)


def check_cudasim(tenon, model):
    text = model.read_text(errors="replace")
    which = zlib.crc32(model.name.encode())
    order = ("forward", "reverse", "shuffled")[which % 3]
    # With a block for each tensor the emulator watches the borders of all; with the planned arena, of none in it.
    env = {"TENON_SIM_ORDER": order, "TENON_SIM_ARENA": "off" if order == "reverse" else "on"}
    if archs := architectures(tenon):
        env |= {"TENON_SIM_NVRTC": archs[which // 3 % len(archs)], "TENON_SIM_NVRTC_LOG": KERNELS.name}
    runs = []
    for how in (["--mode", "eager"], ["--device", "cudasim"]):
        # What a program writes must not be there when it runs again.
        with tempfile.TemporaryDirectory() as fresh:
            done = run([tenon, "run", *how, "--stats", str(model)], fresh, env)
            done.stderr = done.stderr.replace(fresh.encode(), b"FOLDER")
            runs.append(done)
    host, there = runs
    errors = there.stderr.decode(errors="replace")
    if (host.returncode, host.stdout) != (there.returncode, there.stdout):
        raise Failure(f"on cudasim ({order}): exit code {there.returncode}, in eager mode "
                      f"{host.returncode}\n{errors}\n"
                      + difference(host.stdout.decode(errors="replace"),
                                   there.stdout.decode(errors="replace"), model.name))
    said = ["".join(line for line in r.stderr.decode(errors="replace").splitlines(True)
                    if not line.startswith("stats: ")) for r in runs]
    if said[0] != said[1] and "error[E0805]" not in said[0]:  # memory, of which each device has its own
        raise Failure(f"on cudasim ({order}) other words than in eager mode\n"
                      + difference(said[0], said[1], model.name))
    if "# compiles nothing" not in text and not expectations(text)[1]:
        compiled = COMPILED.search(errors)
        if not compiled or int(compiled.group(1)) == 0:
            raise Failure(f"--stats does not say that code was compiled\n{errors}")


def check_oracle(tenon, model):
    for mode, threads in [("eager", 1), ("graph", 2)]:
        done = run([tenon, "test", "--mode", mode, "--threads", str(threads), model.name], model.parent,
                   {"TENON_TIERING": "off"})
        if done.returncode != 0:
            passed = re.compile(rb"^ok .*\n", re.M)
            raise Failure(f"tenon test --mode {mode}: exit code {done.returncode}\n"
                          + (passed.sub(b"", done.stdout) + done.stderr).decode(errors="replace"))


def main():
    kind, tenon, folder = sys.argv[1], str(Path(sys.argv[2]).resolve()), Path(sys.argv[3]).resolve()
    models = [folder] if folder.is_file() else sorted(folder.glob("*.model"))
    failed = 0
    for model in models:
        try:
            if kind == "errors":
                check_errors(tenon, model)
            elif kind == "cudasim-short":
                check_short(tenon, model)
            elif kind == "cudasim":
                check_cudasim(tenon, model)
            elif kind == "oracle":
                check_oracle(tenon, model)
            else:
                check_program(tenon, model, own_folder=kind == "examples")
        except Failure as failure:
            failed += 1
            print(f"FAILED {model}\n{failure}\n")
    tell_kernels()
    print(f"{len(models)} programs, {failed} failed")
    return 1 if failed or not models else 0


if __name__ == "__main__":
    sys.exit(main())
