# Attention with masks, causal, grouped queries, cross; transformer blocks; positions.
import re

import torch
import torch.nn as tn
import torch.nn.functional as F

IMPORTS = ["nn"]
sdpa = F.scaled_dot_product_attention
q, k, v = o.normal(2, 4, 3, 2), o.normal(2, 4, 5, 2), o.normal(2, 4, 5, 3)
mask = o.bools(3, 5, share=0.6)
mask[:, 0] = True
o.case("attention", "nn.attention(q, k, v)", sdpa, q=q, k=k, v=v)
o.case("attention", "nn.attention(q, k, v, mask)", sdpa, q=q, k=k, v=v, mask=mask)
o.case("attention", "nn.attention(q, k, v, causal = true)", lambda q, k, v: sdpa(q, k, v, is_causal=True), q=q, k=k, v=v)
o.case("attention", "nn.attention(q, k, v, causal = true)", lambda q, k, v: sdpa(q, k, v, is_causal=True, enable_gqa=True),
       q=o.normal(2, 4, 3, 2), k=o.normal(2, 2, 3, 2), v=o.normal(2, 2, 3, 2))


def weights(module):
    """Torch's parameters as arguments, and the lines that put them into the model's parts of the same meaning."""
    args, lines = {}, []
    where = {"in_proj": ("query", "key", "value"), "out_proj": "out", "linear1": "feed.up", "linear2": "feed.down", "self_attn": "attention", "multihead_attn": "cross"}
    for n, p in module.named_parameters():
        key = n.replace(".", "_")
        args[key] = o.normal(*p.shape, sd=0.4, digits=2)
        parts = re.sub(r"layers\.(\d)", r"blocks[\1]", n).split(".")
        last = "weight" if parts[-1].endswith("weight") else "offset"
        path = "".join(where.get(x, x) + "." for x in parts[:-1])
        if "in_proj" in parts[-1]:
            d = p.shape[0] // 3
            for i, name in enumerate(where["in_proj"]):
                lines.append(f"m.{path}{name}.{last} = {key}[{i * d}..{(i + 1) * d}]")
        else:
            lines.append(f"m.{path}{last} = {key}")
    return args, lines


def layer(name, made, module, call, names, inputs, grad=None):
    module = module.double().eval()
    args, lines = weights(module)
    params = [n for n, _ in module.named_parameters()]

    def reference(*a):
        x, rest = a[:len(inputs)], a[len(inputs):]
        return names(lambda *y, **o: torch.func.functional_call(module, dict(zip(params, rest)), y, o), *x)
    o.case(name, "\n".join([f"var m = {made}", *lines, call]), reference, note=call, grad=grad, **inputs, **args)


x, y = o.normal(1, 3, 4), o.normal(1, 2, 4)
seen = torch.tensor([[True, False, True], [True, True, False], [False, True, True]])
later = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
layer("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)", tn.MultiheadAttention(4, 2, batch_first=True), "m(x)", lambda m, x: m(x, x, x)[0], {"x": x})
layer("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)", tn.MultiheadAttention(4, 2, batch_first=True), "m(x, y)", lambda m, x, y: m(x, y, y)[0], {"x": x, "y": y})
layer("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)", tn.MultiheadAttention(4, 2, batch_first=True), "m(x, causal = true)", lambda m, x: m(x, x, x, attn_mask=later)[0], {"x": x})
layer("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)", tn.MultiheadAttention(4, 2, batch_first=True),
      "m(x, mask = [[true, false, true], [true, true, false], [false, true, true]])", lambda m, x: m(x, x, x, attn_mask=~seen)[0], {"x": x})
for first in (False, True):
    options = dict(batch_first=True, norm_first=first, activation="gelu" if first else "relu")
    made = f"4, 2, 5, norm_first = {'true' if first else 'false'}, activation = {'gelu' if first else 'relu'}, T = f64"
    layer("TransformerEncoderLayer", f"nn.TransformerEncoderLayer({made})", tn.TransformerEncoderLayer(4, 2, 5, **options), "m(x)", lambda m, x: m(x), {"x": x})
    layer("TransformerEncoderLayer", f"nn.TransformerEncoderLayer({made})", tn.TransformerEncoderLayer(4, 2, 5, **options), "m(x, causal = true)", lambda m, x: m(x, src_mask=later), {"x": x})
    layer("TransformerDecoderLayer", f"nn.TransformerDecoderLayer({made})", tn.TransformerDecoderLayer(4, 2, 5, **options), "m(x, y)", lambda m, x, y: m(x, y, tgt_mask=later), {"x": x, "y": y})
for first in (False, True):
    made = f"2, 4, 2, 3, norm_first = {'true' if first else 'false'}, T = f64"
    block = dict(batch_first=True, norm_first=first)
    last = tn.LayerNorm(4) if first else None
    layer("TransformerEncoder", f"nn.TransformerEncoder({made})", tn.TransformerEncoder(tn.TransformerEncoderLayer(4, 2, 3, **block), 2, last, enable_nested_tensor=False),
          "m(x, causal = true)", lambda m, x: m(x, mask=later), {"x": x}, grad=("x",))
    layer("TransformerDecoder", f"nn.TransformerDecoder({made})", tn.TransformerDecoder(tn.TransformerDecoderLayer(4, 2, 3, **block), 2, last),
          "m(x, y)", lambda m, x, y: m(x, y, tgt_mask=later), {"x": x, "y": y}, grad=("x", "y"))
o.case("FeedForward", "var m = nn.FeedForward(3, 5, T = f64)\nm.up.weight = u\nm.up.offset = a\nm.down.weight = d\nm.down.offset = b\nm(x)",
       lambda x, u, a, d, b: F.linear(torch.relu(F.linear(x, u, a)), d, b), x=o.normal(2, 3), u=o.normal(5, 3), a=o.normal(5), d=o.normal(3, 5), b=o.normal(3))


def positions(n, d):
    t = torch.arange(n, dtype=torch.float64)[:, None] * torch.exp(torch.arange(0, d, 2, dtype=torch.float64) * (-torch.log(torch.tensor(10000.0, dtype=torch.float64)) / d))
    return torch.stack([t.sin(), t.cos()], 2).reshape(n, d)


def turned(x, start, interleaved):
    s, d = x.shape[-2:]
    angle = (start + torch.arange(s, dtype=torch.float64))[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    z = torch.view_as_complex(torch.stack([x[..., 0::2], x[..., 1::2]] if interleaved else [x[..., :d // 2], x[..., d // 2:]], -1).contiguous())
    r = torch.view_as_real(z * torch.polar(torch.ones_like(angle), angle))
    return r.flatten(-2) if interleaved else torch.cat([r[..., 0], r[..., 1]], -1)


for n, d in [(6, 4), (1, 2), (20, 10)]:
    o.case("sinusoidal_positions", f"nn.sinusoidal_positions({n}, {d}, T = f64)", lambda: positions(n, d))
for interleaved in (False, True):
    o.case("rotary", f"nn.rotary(x, start = 3, interleaved = {'true' if interleaved else 'false'})", lambda x: turned(x, 3, interleaved), x=o.normal(2, 2, 5, 6))
