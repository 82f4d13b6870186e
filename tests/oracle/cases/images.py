# Images resized, padded, sampled and taken apart.
import torch
import torch.nn.functional as F

IMPORTS = ["nn"]
o.case("pixel_shuffle", "nn.pixel_shuffle(x, 2)", lambda x: F.pixel_shuffle(x, 2), x=o.normal(2, 8, 2, 3))
o.case("pixel_shuffle", "nn.pixel_shuffle(x, 3)", lambda x: F.pixel_shuffle(x, 3), x=o.normal(1, 9, 2, 2))
o.case("pixel_unshuffle", "nn.pixel_unshuffle(x, 2)", lambda x: F.pixel_unshuffle(x, 2), x=o.normal(2, 2, 4, 6))
for mode, there in [("constant", "constant"), ("edge", "replicate"), ("reflect", "reflect"), ("wrap", "circular")]:
    o.case("pad2d", f'nn.pad2d(x, (1, 2), mode = "{mode}")', lambda x: F.pad(x, (2, 2, 1, 1), mode=there), x=o.normal(2, 2, 3, 4))
o.case("pad2d", "nn.pad2d(x, 1, value = 2.5)", lambda x: F.pad(x, (1, 1, 1, 1), value=2.5), x=o.normal(2, 2, 3, 4))
for shape, size in [((2, 2, 5), (8,)), ((1, 2, 4, 3), (7, 6)), ((1, 1, 5, 6), (2, 4)), ((1, 1, 3, 2, 3), (4, 4, 2)), ((1, 2, 3, 3), (3, 1))]:
    text = str(size[0]) if len(size) == 1 else str(size)
    o.case("interpolate", f"nn.interpolate(x, {text})", lambda x: F.interpolate(x, size, mode="nearest"), x=o.normal(*shape))
    for corners in (False, True):
        there = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
        given = f", align_corners = {str(corners).lower()}"
        o.case("interpolate", f'nn.interpolate(x, {text}, mode = "linear"{given})', lambda x: F.interpolate(x, size, mode=there, align_corners=corners), x=o.normal(*shape))
        if len(size) == 2:
            o.case("interpolate", f'nn.interpolate(x, {text}, mode = "cubic"{given})', lambda x: F.interpolate(x, size, mode="bicubic", align_corners=corners), x=o.normal(*shape))
o.case("upsample", 'nn.upsample(x, 2, mode = "linear")', lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), x=o.normal(1, 2, 3, 4))
o.case("upsample", "nn.upsample(x, 3)", lambda x: F.interpolate(x, scale_factor=3), x=o.normal(1, 2, 3, 4))
for corners in (False, True):
    given = f"align_corners = {str(corners).lower()}"
    o.case("affine_grid", f"nn.affine_grid(a, 3, 4, {given})", lambda a: F.affine_grid(a, (2, 1, 3, 4), align_corners=corners), a=o.normal(2, 2, 3))
    for border in (False, True):
        o.case("grid_sample", f"nn.grid_sample(x, g, border = {str(border).lower()}, {given})",
               lambda x, g: F.grid_sample(x, g, padding_mode="border" if border else "zeros", align_corners=corners), x=o.normal(2, 2, 4, 5), g=o.uniform(2, 3, 3, 2, lo=-1.4, hi=1.4))
for kernel, stride, padding, dilation in [(2, 1, 0, 1), ((2, 3), 2, 1, 1), (2, 1, 1, 2), ((3, 1), (2, 1), (1, 0), (1, 2))]:
    given = f"{kernel}, {stride}, {padding}, {dilation}"
    o.case("unfold", f"nn.unfold(x, {given})", lambda x: F.unfold(x, kernel, dilation, padding, stride), x=o.normal(2, 2, 5, 6))
    places = F.unfold(torch.zeros(1, 2, 5, 6), kernel, dilation, padding, stride).shape
    o.case("fold", f"nn.fold(x, (5, 6), {given})", lambda x: F.fold(x, (5, 6), kernel, dilation, padding, stride), x=o.normal(*places))
