#!/usr/bin/env python3
"""Times every row of bench/rivals/workloads.md in Tenon and, with --rivals, in whatever rival is installed,
in the same run and in turns: A B C, then C B A. One Markdown report, or one JSON document.

    bench/run.py [--tenon build/tenon] [--rounds 3] [--quick] [--groups mlp,nets,..] [--json] [--rivals]
                 [--against torch-eager,..] [--mode eager] [--memory]

--quick is one round. --mode eager runs Tenon node by node. --against names rivals, and --rivals are all of them.
--memory compares the peak memory of processes that run one row each. --rivals makes a virtual environment for each rival
below .cache/rivals when there is none (PyPI is needed, and some minutes).
A figure is the median of the rounds' medians; ratios above 1 say that Tenon is faster.
"""
import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GROUPS = {  # of the rivals' scripts -> our programs with the same rows
    "mlp": ["mlp"],
    "nets": ["cnn", "transformer"],
    "lstm": ["lstm"],
    "ew": ["elements"],
    "gemm": ["gemm", "cnn"],
    "loop": ["elements"],
    "attn": ["transformer"],
}
RIVALS = {  # name -> packages, script, mode
    "torch-eager": ("torch", ["torch", "numpy"], "torch_bench.py", "eager"),
    "torch-compile": ("torch", ["torch", "numpy"], "torch_bench.py", "compile"),
    "jax": ("jax", ["jax", "optax", "numpy"], "jax_bench.py", ""),
    "tf-graph": ("tf", ["tensorflow-cpu", "numpy"], "tf_bench.py", "graph"),
    "tf-xla": ("tf", ["tensorflow-cpu", "numpy"], "tf_bench.py", "xla"),
    "ort": ("ort", ["onnxruntime", "onnx", "numpy"], "ort_bench.py", ""),
}
TRAINING = {"mlp_train", "mlp_small_train", "cnn_train", "block_fwdbwd", "gpt_train", "lstm", "emb",
            "attn_fwdbwd", "newton_grad"}
QUIET = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3",
         "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


def tenon_rows(tenon, mode, program):
    done = subprocess.run([tenon, "bench", "--json", "--threads", "2", "--mode", mode, str(HERE / "rows" / f"{program}.model")],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program}.model: {done.stderr}")
    return json.loads(done.stdout)["rows"]


def interpreter(venv, packages, make):
    folder = Path(os.environ.get("TENON_RIVALS", ROOT / ".cache" / "rivals")) / venv
    python = folder / "bin" / "python"
    if not python.exists() and make:
        print(f"installing {' '.join(packages)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        if subprocess.run([python, "-m", "pip", "-q", "install", *packages]).returncode != 0:
            print(f"{venv} could not be installed and is left out", file=sys.stderr)
            return None
    return python if python.exists() else None


def rival_rows(python, script, mode, group):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        subprocess.run([python, HERE / "rivals" / script, "--mode", mode, "--groups", group, "--budget", "0.5",
                        "--out", out.name, "--limit", "120"],
                       env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900)
        rows = [json.loads(line) for line in open(out.name)]
    # A rival may say a row in several ways (`conv_c64#channels_last`): the best one counts.
    best = {}
    for r in rows:
        if "median" in r:
            name = r["row"].split("#")[0]
            best[name] = min(best.get(name, math.inf), r["median"] * 1e6)
    return best


def found_rivals(options):
    asked = RIVALS if options.rivals else filter(None, options.against.split(","))
    return {name: interpreter(*RIVALS[name][:2], True) for name in asked}


def peak(command, **kw):
    """The peak memory in MiB of a command, or None where it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024 if process.returncode == 0 else None


def program_of(text, row):
    """What a row's bench needs of its program: statements of the top level whose names it mentions."""
    statements = re.split(r"^(?=[a-z#])", text, flags=re.M)
    bench = next(s for s in statements if s.startswith(f'bench "{row}"'))
    wanted, needed = [bench], bench
    for s in reversed(statements[:statements.index(bench)]):
        name = re.match(r"(?:let|var|fn|model) (\w+)", s)
        if s.startswith("import") or name and re.search(rf"\b{name[1]}\b", needed):
            wanted.append(s)
            needed += s
    return "".join(reversed(wanted))


def memory(options):
    """One table: the peak memory of a process for each row."""
    pythons = found_rivals(options)
    rows = []
    for group in options.groups.split(",") if options.groups else list(GROUPS):
        for program in GROUPS[group]:
            text = (HERE / "rows" / f"{program}.model").read_text()
            rows += [(program, r) for r in re.findall(r'^bench "(.*)"', text, re.M) if (program, r) not in rows]
    names = [n for n in pythons if pythons[n]]
    print("| row | tenon | " + "".join(f"{n} | " for n in names) + "least rival / tenon |")
    print("|---|---|" + "---|" * (len(names) + 1))
    for program, row in rows:
        with tempfile.NamedTemporaryFile("w", suffix=".model") as file:
            file.write(program_of((HERE / "rows" / f"{program}.model").read_text(), row))
            file.flush()
            ours = peak([options.tenon, "bench", "--threads", "2", "--mode", options.mode, "--times", file.name])
        if ours is None:
            sys.exit(f"{row} of {program}.model failed")
        theirs = {}
        for name in names:
            _, _, script, mode = RIVALS[name]
            with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
                found = peak([pythons[name], HERE / "rivals" / script, "--mode", mode, "--rows", row, "--budget", "0.2",
                              "--limit", "120", "--out", out.name], env={**os.environ, **QUIET})
                if found and any("median" in json.loads(line) for line in out):
                    theirs[name] = found
        cells = "".join((f"{theirs[n]:.0f} MiB" if n in theirs else "-") + " | " for n in names)
        ratio = f"{min(theirs.values()) / ours:.1f}" if theirs else "-"
        print(f"| {row} | {ours:.0f} MiB | {cells}{ratio} |", flush=True)


def measure(options):
    ours, theirs, shares = {}, {}, {}
    pythons = found_rivals(options)
    groups = options.groups.split(",") if options.groups else list(GROUPS)
    programs = sorted({p for g in groups for p in GROUPS[g]})
    for turn in range(options.rounds):
        jobs = [("tenon", p) for p in programs]
        jobs += [(name, g) for g in groups for name in RIVALS if pythons.get(name)]
        for who, what in jobs if turn % 2 == 0 else jobs[::-1]:
            print(f"round {turn + 1}: {who} {what}", file=sys.stderr)
            if who == "tenon":
                for r in tenon_rows(options.tenon, options.mode, what):
                    ours.setdefault(r["name"], []).append(r["median_us"])
                    shares.setdefault(r["name"], []).append(r["peak_share"])
                continue
            _, _, script, mode = RIVALS[who]
            try:
                for name, us in rival_rows(pythons[who], script, mode, what).items():
                    theirs.setdefault(name, {}).setdefault(who, []).append(us)
            except subprocess.TimeoutExpired:
                print(f"{who} {what}: no answer in 15 minutes, left out", file=sys.stderr)
    rows = []
    for name, times in ours.items():
        row = {"name": name, "tenon_us": statistics.median(times), "best_rival": None, "best_rival_us": None,
               "peak_share": statistics.median(shares[name]),
               "rivals_us": {who: statistics.median(t) for who, t in theirs.get(name, {}).items()}}
        if row["rivals_us"]:
            row["best_rival"] = min(row["rivals_us"], key=row["rivals_us"].get)
            row["best_rival_us"] = row["rivals_us"][row["best_rival"]]
        rows.append(row)
    return rows


def mean_ratio(rows, only=None):
    ratios = [r["best_rival_us"] / r["tenon_us"] for r in rows
              if r["best_rival_us"] and (only is None or r["name"] in only)]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def report(rows, options):
    def us(t):
        return f"{t:.1f} us" if t < 1000 else f"{t / 1000:.2f} ms"

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    version = subprocess.run([options.tenon, "--version"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    print(f"# Benchmarks, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC\n")
    print(f"{version}; {cpu}, {os.cpu_count()} cores; {platform.platform()}; {options.rounds} rounds; load at the end "
          f"{load:.1f} (a quiet machine has about 2: more disturbs).\n")
    names = [n for n in RIVALS if any(n in r["rivals_us"] for r in rows)]
    print("| row | tenon | of peak | " + "".join(f"{n} | " for n in names) + "best rival / tenon | |")
    print("|---|---|---|" + "---|" * (len(names) + 2))
    for r in rows:
        cells = "".join((us(r["rivals_us"][n]) if n in r["rivals_us"] else "-") + " | " for n in names)
        ratio = r["best_rival_us"] / r["tenon_us"] if r["best_rival_us"] else None
        bar = "#" * min(40, round(10 * ratio)) if ratio else ""
        print(f"| {r['name']} | {us(r['tenon_us'])} | {100 * r['peak_share']:.0f} % | {cells}"
              f"{f'{ratio:.2f}' if ratio else '-'} | {bar} |")
    for text, only in (("all rows", None), ("training rows", TRAINING)):
        if (m := mean_ratio(rows, only)) is not None:
            print(f"\nGeometric mean over {text}: {m:.2f}.")
    print("\nTen # are one: a bar longer than that is a win.")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tenon", default=str(ROOT / "build" / "tenon"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--groups", default="")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--json", action="store_true")
    p.add_argument("--rivals", action="store_true")
    p.add_argument("--against", default="")
    p.add_argument("--mode", default="graph", choices=["graph", "eager"])
    p.add_argument("--memory", action="store_true")
    options = p.parse_args()
    if options.quick:
        options.rounds = 1
    if any(g not in GROUPS for g in filter(None, options.groups.split(","))):
        sys.exit(f"the groups are {', '.join(GROUPS)}")
    if any(r not in RIVALS for r in filter(None, options.against.split(","))):
        sys.exit(f"the rivals are {', '.join(RIVALS)}")
    if options.memory:
        return memory(options)
    rows = measure(options)
    if options.json:
        print(json.dumps({"rows": rows}, indent=1))
    else:
        report(rows, options)


if __name__ == "__main__":
    main()
