#!/usr/bin/env python3
"""`tenon doc`: the library tells of itself.   doc_test.py TENON"""

import os
import subprocess
import sys

TENON = os.path.abspath(sys.argv[1])
failures = []

# operands, exit code, texts that must be there
CASES = [
    ([], 0, ["primitives\n", "\nloss\n", "  softmax ", "  Linear ", "  adamw ", "  nn.conv2d ", "  exp "]),
    (["softmax"], 0, ["fn softmax(x: T[...], axis: int = -1) -> T[...] where T: float\n", "(stdlib/math.model)"]),
    (["exp"], 0, ["exp(x)\n", "e to the power"]),
    (["Linear"], 0, ["model Linear(inputs: int, outputs: int"]),
    (["conv2d"], 0, ["fn conv2d(", "import nn\n"]),
    (["nn.conv2d"], 0, ["fn conv2d("]),
    (["nn"], 0, ["fn conv1d(", "fn conv2d("]),
    (["sofmax"], 2, ["did you mean softmax?"]),
    (["_train"], 2, ["the library has no '_train'"]),
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

# Every function that a program may use says what it does.
silent = []
for block in subprocess.run([TENON, "doc", "--markdown"], capture_output=True, text=True,
                            timeout=60).stdout.split("\n## ")[1:]:
    if not block.split("\n<!--")[0].split("```\n")[-1].strip():
        silent.append(block.split("\n")[0])
print(f"without a sentence: {' '.join(silent) or 'none'}")

print("\n\n".join(failures) if failures else f"doc: {len(CASES)} cases")
sys.exit(1 if failures else 0)
