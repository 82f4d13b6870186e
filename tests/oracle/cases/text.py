# Texts: words and their numbers as Python's split, Counter, str.lower and regular expressions give them.
import re
from collections import Counter

import torch

IMPORTS = ["data"]
HAMLET = "To be, or not to be: that is the question. Whether 'tis nobler (in the mind) to suffer\\n the slings\\tand arrows; or to take arms - to be!"
text = HAMLET.replace("\\n", "\n").replace("\\t", "\t")


def codes(s):
    return torch.tensor(list(s.encode()), dtype=torch.int64)


def numbers(known, size, seen, at_least=1, longest=32):
    many = Counter(known.split())  # in the order of first occurrence, which sorted() keeps
    kept = [w for w in sorted(many, key=lambda w: -many[w]) if many[w] >= at_least and len(w.encode()) <= longest][:size - 1]
    return torch.tensor([kept.index(w) + 1 if w in kept else 0 for w in seen.split()], dtype=torch.int64), torch.tensor(len(kept) + 1), kept


for size, more, seen in [(40, {}, HAMLET), (5, {}, HAMLET), (1, {}, "to be"), (40, {"at_least": 2}, HAMLET), (40, {"longest": 4}, "be tobe nobler mind, in the"),
                         (9, {}, ""), (9, {}, "  \\n"), (9, {}, " be  not\\tbe ")]:
    options = "".join(f", {k} = {v}" for k, v in more.items())
    plain = seen.replace("\\n", "\n").replace("\\t", "\t")
    ids, count, kept = numbers(text, size, plain, **more)
    back = " ".join(kept[i - 1] if i else "?" for i in ids.tolist())
    o.case("word_vocabulary", f'let v = data.word_vocabulary(bytes("{HAMLET}"), {size}{options})\nlet ids = v.encode(bytes("{seen}"))\n(ids, v.count, cast(v.decode(ids), i64))',
           lambda: (ids, count, codes(back)), grad=())
for known in ["", "   ", "one", "one one"]:
    o.case("word_vocabulary", f'let v = data.word_vocabulary(bytes("{known}"), 3)\n(v.encode(bytes("one two")), v.count)', lambda: numbers(known, 3, "one two")[:2], grad=())
for s in ["", "A", "AZaz[@` Grüße 09", "Call me Ishmael."]:
    o.case("lower", f'cast(data.lower(bytes("{s}")), i64)', lambda: codes(re.sub("[A-Z]", lambda m: m[0].lower(), s)), grad=())
for s in ["", ".", "a.b", "no marks", "(a; b!)"]:
    o.case("spaced", f'cast(data.spaced(bytes("{s}")), i64)', lambda: codes(re.sub(r"([.,;:!?()\"])", r" \1 ", s)), grad=())
o.case("spaced", 'cast(data.spaced(bytes("a-b.c"), bytes("-")), i64)', lambda: codes("a - b.c"), grad=())
