#!/usr/bin/env python3
"""`tenon doc`: the library tells of itself.   doc_test.py TENON"""

import os
import subprocess
import sys
import tempfile

TENON = os.path.abspath(sys.argv[1])
failures = []

# operands, exit code, texts that must be there
CASES = [
    ([], 0, ["primitives\n", "\nloss\n", "  softmax ", "  Linear ", "  adamw ", "  nn.conv2d ", "  exp "]),
    (["train"], 0, ["train NET on DATA {", "patience = 5", "checkpoint = "]),
    (["~"], 0, ["normal(0, 1)"]),
    (["modle"], 2, ["did you mean model?"]),
    (["softmax"], 0, ["fn softmax(x: T[...], axis: int = -1) -> T[...] where T: float\n", "(stdlib/math.model)"]),
    (["exp"], 0, ["exp(x)\n", "e to the power"]),
    (["Linear"], 0, ["model Linear(inputs: int, outputs: int"]),
    (["conv2d"], 0, ["fn conv2d(", "import nn\n"]),
    (["nn.conv2d"], 0, ["fn conv2d("]),
    (["nn"], 0, ["fn conv1d(", "fn conv2d("]),
    (["sofmax"], 2, ["did you mean softmax?"]),
    (["matmul"], 0, ["`matmul` is a name of other libraries. Here: the matrix product is a @ b"]),
    (["pow"], 0, ["Here: a power is x ** y"]),
    (["permute"], 0, ["Here: transpose(x, 0, 2, 1)"]),
    (["argwhere"], 0, ["nonzero"]),  # of docs/from_pytorch.md, a row of several names
    (["nn.MaxPool2d"], 0, ["Here: nn.max_pool2d(x, 2)"]),  # and one where they stand in pairs
    (["_train"], 2, ["has '_train'"]),
    (["--markdown"], 0, ["<!-- page loss -->\n# loss\n", "## cross_entropy\n\n```\nfn cross_entropy("]),
]
for operands, code, texts in CASES:
    done = subprocess.run([TENON, "doc", *operands], capture_output=True, text=True, timeout=60)
    shown = done.stdout + done.stderr
    if done.returncode != code:
        failures.append(f"doc {operands}: exit code {done.returncode}\n{shown}")
    for text in texts:
        if text not in shown:
            failures.append(f"doc {operands} lacks {text!r}:\n{shown[:3000]}")

# The programs in the pages of the words of the language run.
page = subprocess.run([TENON, "doc", "--markdown"], capture_output=True, text=True, timeout=60).stdout
page = page.split("<!-- page statements -->")[1].split("<!-- page ")[0]
count = 0
for entry in page.split("\n## ")[1:]:
    lines = [line[4:] for line in entry.splitlines() if line.startswith("    ")]
    if not lines or entry.startswith("train\n"):  # whose lines are a table of entries
        continue
    count += 1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "word.model")
        open(path, "w").write("\n".join(lines) + "\n")
        done = subprocess.run([TENON, "run", "--mode", "eager", path], capture_output=True, text=True, timeout=60)
    if done.returncode:
        failures.append(f"the program in `tenon doc` of {entry}:\n{done.stderr}")
if count < 15:
    failures.append(f"only {count} programs were found in the pages of words")

# Every function that a program may use says what it does.
silent = []
for block in subprocess.run([TENON, "doc", "--markdown"], capture_output=True, text=True,
                            timeout=60).stdout.split("\n## ")[1:]:
    if not block.split("\n<!--")[0].split("```\n")[-1].strip():
        silent.append(block.split("\n")[0])
print(f"without a sentence: {' '.join(silent) or 'none'}")

print("\n\n".join(failures) if failures else f"doc: {len(CASES)} cases")
sys.exit(1 if failures else 0)
