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
for kind in (1, 2, 3):
    back = getattr(F, f"conv_transpose{kind}d")
    o.case(f"ConvTranspose{kind}d", f"var m = nn.ConvTranspose{kind}d(2, 4, 3, stride = 2, padding = 1, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: back(x, w, b, 2, 1), x=o.normal(2, 2, *{1: (4,), 2: (3, 4), 3: (2, 3, 2)}[kind]), w=o.normal(2, 4, *[3] * kind), b=o.normal(4))
# a number for each axis, and sizes that stay
o.case("conv2d", "nn.conv2d(x, w, stride = (2, 1), padding = (0, 2), dilation = (1, 2))", lambda x, w: F.conv2d(x, w, None, (2, 1), (0, 2), (1, 2)), x=o.normal(2, 2, 6, 5), w=o.normal(3, 2, 2, 3))
o.case("conv3d", "nn.conv3d(x, w, stride = (2, 1, 1), padding = (1, 0, 2), dilation = (1, 2, 1))", lambda x, w: F.conv3d(x, w, None, (2, 1, 1), (1, 0, 2), (1, 2, 1)),
       x=o.normal(1, 2, 4, 5, 3), w=o.normal(2, 2, 2, 2, 3))
o.case("conv_transpose2d", "nn.conv_transpose2d(x, w, stride = (2, 1), padding = (1, 0), output_padding = (1, 0))", lambda x, w: F.conv_transpose2d(x, w, None, (2, 1), (1, 0), (1, 0)),
       x=o.normal(2, 2, 3, 4), w=o.normal(2, 3, 2, 3))
o.case("conv1d", 'nn.conv1d(x, w, padding = "same", dilation = 2)', lambda x, w: F.conv1d(x, w, None, padding="same", dilation=2), x=o.normal(1, 2, 7), w=o.normal(2, 2, 3))
o.case("conv2d", 'nn.conv2d(x, w, padding = "same")', lambda x, w: F.conv2d(x, w, None, padding="same"), x=o.normal(1, 2, 4, 5), w=o.normal(2, 2, 3, 5))
o.case("Conv2d", "var m = nn.Conv2d(2, 3, (2, 3), stride = (1, 2), T = f64)\nm.weight = w\nm.offset = b\nm(x)",
       lambda x, w, b: F.conv2d(x, w, b, (1, 2)), x=o.normal(1, 2, 4, 5), w=o.normal(3, 2, 2, 3), b=o.normal(3))
o.case("conv2d", "nn.conv2d(x, w)", F.conv2d, x=o.normal(0, 2, 4, 4), w=o.normal(3, 2, 2, 2), grad=("x",))
o.case("conv2d", "nn.conv2d(x, w, padding = 1)", lambda x, w: F.conv2d(x, w, padding=1), grad=(), x=o.array([[[[1.0, float("nan")], [float("inf"), -2.0]]]]), w=o.normal(1, 1, 3, 3))
