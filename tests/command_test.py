#!/usr/bin/env python3
"""The command line as a user meets it: exit codes and messages.   command_test.py TENON"""

import os
import pty
import select
import subprocess
import sys
import tempfile
import time

TENON = os.path.abspath(sys.argv[1])
failures = []

# arguments, exit code, text on stdout, text on stderr
CASES = [
    (["help"], 0, "usage: tenon COMMAND", ""),
    (["--help"], 0, "usage: tenon COMMAND", ""),
    (["help", "run"], 0, "--mode graph|eager", ""),
    (["run", "--help"], 0, "usage: tenon run", ""),
    (["version"], 0, "tenon ", ""),
    (["doctor"], 0, "cores", ""),
    (["explain", "E0301"], 0, "E0301: sizes differ", ""),
    (["explain", "e301"], 0, "E0301: sizes differ", ""),
    (["explain", "E9999"], 2, "", "no message has the code E9999"),
    (["explain", "x.model", "--emit", "irr"], 2, "", "did you mean ir?"),
    (["rum", "x"], 2, "", "did you mean `tenon run`?"),
    (["help", "chek"], 2, "", "did you mean `tenon help check`?"),
    (["run"], 2, "", "`tenon run` lacks its FILE"),
    (["run", "a.model", "b"], 2, "", "stand after --"),
    (["run", "--mod", "eager", "a.model"], 2, "", "did you mean --mode?"),
    (["run", "--mode", "eagr", "a.model"], 2, "", "did you mean eager?"),
    (["run", "--mode=eagr", "a.model"], 2, "", "--mode is graph or eager"),
    (["run", "a.model", "--mode"], 2, "", "lacks its value"),
    (["run", "--stats=1", "a.model"], 2, "", "takes no value"),
    (["run", "--threads", "0", "a.model"], 2, "", "--threads is a whole number from 1"),
    (["run", "--threads", "1", "--threads", "2", "a.model"], 2, "", "given twice"),
    (["run", "--seed", "-1", "a.model"], 2, "", "--seed is a whole number"),
    (["check", "--mode", "eager", "a.model"], 2, "", "option of `tenon run`"),
    (["-e"], 2, "", "`tenon -e` lacks its EXPRESSION"),
    (["check", "none.model"], 2, "", "cannot read 'none.model'"),
    (["run", "none.model"], 2, "", "cannot read 'none.model'"),
    (["none.model"], 2, "", "cannot read 'none.model'"),
    (["run", "/"], 2, "", "it is a folder"),
    (["check"], 2, "", "`tenon check` lacks its FILE"),
    (["-e", "1 +"], 2, "", "error[E0101]"),
    (["-e", "1+1"], 0, "2\n", ""),
    (["-e", "-sum([1.5, 2.5])"], 0, "-4.0\n", ""),
    (["-e", "[1, 2][5]"], 2, "", "error[E0802]"),
    (["-e", "fail(\"no\")"], 1, "", "error[E0804]: no"),
    (["-e", "assert 1 == 2"], 1, "", "error[E0804]"),
    (["--mode", "graph", "--stats", "-e", "1+1"], 0, "2\n", "stats: "),
    (["-e", "1", "--device", "gpu"], 1, "", "error[E1002]"),
    (["doctor"], 0, "LLVM ", ""),
    (["-e", "sum(exp([1.0, 2.0]))", "--mode", "graph", "--cpu", "x86-64-v3"], 0, "10.107338", ""),
    (["-e", "1", "--cpu", "pentium"], 2, "", "--cpu is x86-64-v3"),
]


# A CPU without AVX2, FMA or BMI2 is refused by name where a program would run, and only there.
OLD_CPU = [
    (["-e", "1+1"], 1, "", "error[E1002]: programs need a CPU with AVX2, FMA and BMI2"),
    (["run", "a.model"], 1, "", "error[E1002]"),
    (["test", "a.model"], 1, "", "error[E1002]"),
    (["bench", "a.model"], 1, "", "error[E1002]"),
    (["-e", "1+1", "--cpu", "x86-64-v3"], 1, "", "this machine's CPU is no x86-64-v3"),
    (["check", "a.model"], 0, "no errors", ""),
    (["doctor"], 0, "LLVM ", ""),
]


def expect(name, ok, detail):
    if not ok:
        failures.append(f"{name}: {detail}")


def run(arguments, stdin="", **environment):
    return subprocess.run([TENON] + arguments, capture_output=True, text=True, input=stdin,
                          timeout=60, errors="replace", env={**os.environ, **environment})


for arguments, code, out, err in CASES:
    done = run(arguments)
    name = "tenon " + " ".join(arguments)
    expect(name, done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stderr}")
    expect(name, out in done.stdout, f"stdout lacks '{out}':\n{done.stdout}")
    expect(name, err in done.stderr, f"stderr lacks '{err}':\n{done.stderr}")
    if code != 0:
        expect(name, "error[E" in done.stderr, f"no message:\n{done.stderr}")

# What stands behind -- is the list `args`, whatever its letters are, and changes nothing else.
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "args.model")
    with open(path, "w") as f:
        f.write("for a in args { print(\"<{a}>\") }\nprint(len(args), if len(args) > 0 { args[0] } else { \"none\" })\n"
                "print(draw(normal(0, 1), 3))\nfn first() -> int = len(args)\nprint(first())\n")
    numbers = run(["run", path]).stdout.splitlines()[1]
    for mode in ("eager", "graph"):
        for given in ([], ["x"], [""], ["x", "--seed", "{y}", "}{", '"\\n" \\', "a\n\tb", "ü", "{{"]):
            done = run(["run", "--mode", mode, path, "--"] + given)
            want = "".join(f"<{a}>\n" for a in given) + f"{len(given)} {given[0] if given else 'none'}\n{numbers}\n{len(given)}\n"
            expect(f"args {given}, {mode}", done.stdout == want and done.returncode == 0, f"{done.stdout}\n{done.stderr}")
    with open(path, "w") as f:
        f.write("let n = int(args[0])\nprint(zeros(n), float(args[1]))\n")
    done = run(["run", path, "--", "2", "1e-3"])
    expect("numbers in args", done.stdout == "[0. 0.] 0.001\n", done.stdout + done.stderr)
    for command in (["check", path], ["explain", path], ["test", path], ["bench", path]):
        done = run(command + ["--", "2", "1e-3"])
        expect(f"arguments of {command[0]}", done.returncode == 0, done.stdout + done.stderr)
    done = run(["run", path, "--", "two", "1e-3"])
    expect("no number in args", done.returncode == 2 and 'the text "two" is not a whole number' in done.stderr, done.stderr)
    done = run([path, "x"])
    expect("args without --", done.returncode == 2 and "stand after --" in done.stderr, done.stderr)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "a.model")
    with open(path, "w") as f:
        f.write('let y = ones(3) * 2.0\ntest "t" { assert sum(y) == 6.0 }\nbench "b" { y + 1.0 }\n')
    for arguments, code, out, err in OLD_CPU:
        done = run([path if a == "a.model" else a for a in arguments], TENON_ISA="v2")
        name = "an old CPU: " + " ".join(arguments)
        expect(name, done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stderr}")
        expect(name, out in done.stdout and err in done.stderr, done.stdout + done.stderr)

# A folder stands for the programs in it, whatever else lies there.
with tempfile.TemporaryDirectory() as folder:
    done = run(["check", folder])
    expect("an empty folder", done.returncode == 2 and "there is no .model file" in done.stderr, done.stderr)
    for path, text in {"b.model": "let x = 1 +\n", "in/a.model": "let y=2\nassert y == 2\n", "in/notes.txt": "x",
                       ".hidden/c.model": "let z=2\n"}.items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), "w") as f:
            f.write(text)
    done = run(["fmt", "--check", folder])
    expect("fmt of a folder", done.returncode == 2 and done.stdout == os.path.join(folder, "in/a.model") + "\n", done.stdout)
    expect("fmt of a folder", "b.model:1" in done.stderr, done.stderr)
    done = run(["check", folder + "/in"])
    expect("check of a folder", done.returncode == 0 and "in/a.model: no errors" in done.stdout, done.stdout + done.stderr)

# A pipe into the REPL: no prompts, errors are survived, an entry may go on over lines.
done = run(["repl"], "let x = (\n1\n)\nlet = 2\n:help\n")
expect("repl on a pipe", "> " not in done.stdout.replace("        then", ""), done.stdout)
expect("repl on a pipe", "error[E0101]" in done.stderr, done.stderr)
expect("repl on a pipe", ":quit" in done.stdout, done.stdout)

# The entries have places of their own, tests run, and whoever asks how to leave is heard.
done = run(["repl"], "let x = 2\nx +\n y\ntest \"two\" { assert x == 2 }\ntest \"three\" { assert x == 3 }\n"
           "help\nlet exit = 5\nexit\nquit()\nprint(99)\n")
expect("repl, places", "--> input 2:2:2" in done.stderr, done.stderr)
expect("repl, tests", "ok      two" in done.stdout and "FAILED  three" in done.stdout, done.stdout)
expect("repl, tests", done.stderr.count("error[E0804]") == 1 and "left:  2" in done.stderr, done.stderr)
expect("repl, help", ":quit or Ctrl-D" in done.stdout, done.stdout)
expect("repl, leaving", "5\n" in done.stdout and "99" not in done.stdout, done.stdout)
expect("repl, exit code", done.returncode == 2, str(done.returncode))

# On a terminal: editing, Ctrl-C drops an entry, history is kept, Ctrl-D leaves with 0.
with tempfile.TemporaryDirectory() as home:
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", HOME=home)
        os.environ.pop("XDG_STATE_HOME", None)
        os.execv(TENON, [TENON])
    seen = b""

    def drain(until, limit=10.0):
        global seen
        end = time.time() + limit
        while until not in seen and time.time() < end:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 4096)
                except OSError:
                    return
                if not data:
                    return
                seen += data
        expect("repl on a terminal", until in seen, f"no {until!r} in {seen!r}")
        seen = seen[seen.find(until) + len(until):]

    drain(b"> ")
    os.write(fd, b"let a = (\n")
    drain(b"... ")
    os.write(fd, b"\x03")
    drain(b"^C")
    drain(b"> ")
    os.write(fd, b"let = 3\n")
    drain(b"E0101")
    drain(b"> ")
    time.sleep(0.3)  # the prompt comes a moment before the terminal is ready for single keys
    seen = b""
    os.write(fd, b"\x1b[A")  # the line before, from the history
    drain(b"let = 3")
    os.write(fd, b"\x03")
    drain(b"^C")
    drain(b"> ")
    time.sleep(0.3)
    os.write(fd, b"let two = (\n")
    drain(b"... ")
    os.write(fd, b"40 + 2)\n")
    drain(b"> ")
    time.sleep(0.3)
    seen = b""
    os.write(fd, b"\x1b[A")  # an entry comes back with all its lines
    drain(b"let two = (")
    drain(b"40 + 2)")
    os.write(fd, b"\x03")
    drain(b"^C")
    drain(b"> ")
    time.sleep(0.3)
    os.write(fd, b"var k = 0\n")
    drain(b"> ")
    os.write(fd, b"while true { k += 1 }\n")  # Ctrl-C stops a run, and what was defined is still there
    time.sleep(1.0)
    os.write(fd, b"\x03")
    drain(b"E0807")
    drain(b"> ")
    os.write(fd, b"two * 100\n")
    drain(b"4200")
    drain(b"> ")
    time.sleep(0.3)
    os.write(fd, b"\x04")
    for _ in range(400):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.05)
    expect("repl on a terminal", ended and os.waitstatus_to_exitcode(status) == 0,
           f"Ctrl-D: {ended} {status}")
    if not ended:
        os.kill(pid, 9)
    history = os.path.join(home, ".local/state/tenon/history")
    expect("repl on a terminal", os.path.exists(history), "no history was written")

print("\n\n".join(failures) if failures else f"command line: {len(CASES) + 2} cases")
sys.exit(1 if failures else 0)
