# Convolutions: strides, paddings, dilations, groups, depthwise, transposed; the layers with their offsets.
import torch
import torch.nn.functional as F

IMPORTS = ["nn"]
extents = {1: (9,), 2: (7, 8), 3: (5, 4, 6)}
for kind in (1, 2, 3):
    conv, back = getattr(F, f"conv{kind}d"), getattr(F, f"conv_transpose{kind}d")
    for ci, co, k, stride, padding, dilation, groups in [
            (2, 3, 3, 1, 0, 1, 1), (2, 3, 3, 2, 1, 1, 1), (4, 2, 2, 1, 1, 2, 2), (3, 3, 3, 1, 1, 1, 3), (2, 4, 1, 2, 0, 1, 2), (1, 1, 3, 3, 2, 2, 1)]:
        named = f"stride = {stride}, padding = {padding}, dilation = {dilation}, groups = {groups}"
        o.case(f"conv{kind}d", f"nn.conv{kind}d(x, w, {named})",
               lambda x, w: conv(x, w, None, stride, padding, dilation, groups),
               x=o.normal(2, ci, *extents[kind]), w=o.normal(co, ci // groups, *[k] * kind))
        small = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}[kind]
        extra = 1 if stride > 1 else 0
        o.case(f"conv_transpose{kind}d", f"nn.conv_transpose{kind}d(x, w, {named}, output_padding = {extra})",
               lambda x, w: back(x, w, None, stride, padding, extra, groups, dilation),
               x=o.normal(2, ci, *small), w=o.normal(ci, co // groups, *[k] * kind))
    o.case(f"Conv{kind}d", f"var m = nn.Conv{kind}d(2, 4, 3, stride = 2, padding = 1, groups = 2, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: conv(x, w, b, 2, 1, 1, 2), x=o.normal(2, 2, *extents[kind]), w=o.normal(4, 1, *[3] * kind), b=o.normal(4))
for kind in (1, 2):
    back = getattr(F, f"conv_transpose{kind}d")
    o.case(f"ConvTranspose{kind}d", f"var m = nn.ConvTranspose{kind}d(2, 4, 3, stride = 2, padding = 1, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: back(x, w, b, 2, 1), x=o.normal(2, 2, *{1: (4,), 2: (3, 4)}[kind]), w=o.normal(2, 4, *[3] * kind), b=o.normal(4))
