"""Which of MONAI's segmentation networks a file is of, by its names and shapes; also of those that hold an encoder only.

Swin transformers trained by themselves come in several names (SwinViT of Tang et al. 2022, VoCo, SuPreM): bare or below
`swinViT`, `swin_vit` or `encoder`, and their perceptrons' layers as `fc1` and `fc2` where MONAI has `linear1` and `linear2`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from medssl.core.plan import Plan
from medssl.networks.weights.layouts.recognised import Recognised, Shapes, shapes_of

Value = TypeVar("Value")
METHOD = "monai-segmenter"  # the network that MONAI's files are of
PREFIX = "network."  # which our segmenter puts before MONAI's names
MARKS = {  # a name that each has and no other: its shape tells axes and channels of the input; and the last layer
    "basic_unet": ("conv_0.conv_0.conv.weight", "final_conv.weight"),
    "segresnet": ("convInit.conv.weight", "conv_final.2.conv.weight"),
    "dynunet": ("input_block.conv1.conv.weight", "output_block.conv.conv.weight"),
    "swin_unetr": ("swinViT.patch_embed.proj.weight", "out.conv.conv.weight"),
}
PARTS = {  # of networks that are published without a head or a decoder: how the names of encoder, decoder and head begin
    "segresnet": (("convInit.", "down_layers."), ("up_layers.", "up_samples."), "conv_final."),
    "swin_unetr": (
        ("swinViT.patch_embed.", "swinViT.layers", *(f"encoder{n}." for n in (1, 2, 3, 4, 10))),
        tuple(f"decoder{n}." for n in range(1, 6)),
        "out.",
    ),
}
ALIASES = ("skip_layers.", "deep_supervision_heads.")  # DynUNet's second names, and its heads for training
CLASSES = 2  # where the file has no last layer that would tell
BELOW = ("", "swin_vit.", "encoder.")  # where published Swin transformers have what MONAI keeps in swinViT
REPEATED = re.compile(r"^(swinViT\.layers\d\.0)\.0\.")  # some files hold each stage in a list within a list


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """A segmentation network of MONAI, whole or its encoder alone; None for files of other networks."""
    tensors = _as_in_monai(tensors)
    shapes = shapes_of(tensors)
    arguments = monai_network(shapes)
    if arguments is None:
        return None
    name = arguments["name"]
    left_out, holds = _beside(tensors, name)
    layout = "monai" if not holds else f"monai ({holds} only)"
    named = {PREFIX + n: tensor for n, tensor in tensors.items() if n not in left_out}
    plan = Plan(method=METHOD, network=arguments, provenance={"source": path.name, "layout": layout})
    return Recognised(layout, plan, named, left_out, holds)


def monai_network(shapes: Shapes) -> dict[str, Any] | None:
    """The arguments of `MonaiSegmenter` that fit a file's shapes; None for files of other networks."""
    for name, (first, last) in MARKS.items():
        if first in shapes and (last in shapes or name in PARTS) and len(shapes[first]) in (4, 5):
            return {
                "name": name,
                "axes": len(shapes[first]) - 2,
                "inputs": shapes[first][1],
                "classes": shapes[last][0] if last in shapes else CLASSES,
                "arguments": READERS[name](shapes),
            }
    return None


def _as_in_monai(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A Swin transformer's tensors as MONAI names them; others as they are."""
    for below in BELOW:
        if f"{below}patch_embed.proj.weight" in tensors and any(
            name.startswith(f"{below}layers1.") for name in tensors
        ):
            inside = (f"{below}patch_embed.", f"{below}layers")
            moved = {name: f"swinViT.{name.removeprefix(below)}" for name in tensors if name.startswith(inside)}
            tensors = {moved.get(name, name): tensor for name, tensor in tensors.items()}
            break
    if MARKS["swin_unetr"][0] not in tensors:
        return tensors
    return {_layer(name): tensor for name, tensor in tensors.items()}


def _layer(name: str) -> str:
    if not name.startswith("swinViT."):
        return name
    return REPEATED.sub(r"\1.", name).replace(".mlp.fc1.", ".mlp.linear1.").replace(".mlp.fc2.", ".mlp.linear2.")


def _beside(tensors: dict[str, Tensor], name: str) -> tuple[tuple[str, ...], str]:
    """Names that the network does not want, and what the file holds of it: "" for all, "backbone", "encoder"."""
    if name not in PARTS:
        return tuple(n for n in tensors if n.startswith(ALIASES)), ""
    encoder, decoder, head = PARTS[name]
    left_out = tuple(n for n in tensors if not n.startswith((*encoder, *decoder, head)))
    if MARKS[name][1] in tensors:
        return left_out, ""
    return left_out, "backbone" if any(n.startswith(decoder) for n in tensors) else "encoder"


def with_aliases(state: Mapping[str, Value]) -> dict[str, Value]:
    """A state dict as MONAI itself writes it: a DynUNet's layers under their second names too."""
    places = {}
    number = len({name.split(".")[1] for name in state if name.startswith("upsamples.")}) if _is_dynunet(state) else 0
    for level in range(number):
        under = "skip_layers." + "next_layer." * level
        places[f"downsamples.{level - 1}." if level else "input_block."] = f"{under}downsample."
        places[f"upsamples.{number - 1 - level}."] = f"{under}upsample."
    places["bottleneck."] = "skip_layers." + "next_layer." * number
    renamed = {
        alias + name.removeprefix(place): value
        for place, alias in places.items()
        for name, value in state.items()
        if number and name.startswith(place)
    }
    return {**state, **renamed}


def _is_dynunet(state: Mapping[str, Any]) -> bool:
    return MARKS["dynunet"][0] in state


def _basic_unet(shapes: Shapes) -> dict[str, Any]:
    levels = ["conv_0", *(f"down_{level}.convs" for level in range(1, 5)), "upcat_1.convs"]
    norm = "batch" if "conv_0.conv_0.adn.N.running_mean" in shapes else ("instance", {"affine": True})
    return {
        "features": [shapes[f"{level}.conv_0.conv.weight"][0] for level in levels],
        "norm": norm,
        "upsample": "deconv" if "upcat_1.upsample.deconv.weight" in shapes else "nontrainable",
    }


def _segresnet(shapes: Shapes) -> dict[str, Any]:
    up = _blocks(shapes, "up_layers")
    return {
        "init_filters": shapes["convInit.conv.weight"][0],
        "blocks_down": (down := _blocks(shapes, "down_layers")),
        "blocks_up": up or [1] * (len(down) - 1),
    }


def _blocks(shapes: Shapes, part: str) -> list[int]:
    """How many residual blocks each level of a part has."""
    levels = [
        int(name.split(".")[1])
        for name in shapes
        if name.startswith(f"{part}.") and name.endswith(".conv1.conv.weight")
    ]
    return [levels.count(level) for level in range(1 + max(levels, default=-1))]


def _dynunet(shapes: Shapes) -> dict[str, Any]:
    number = len([name for name in shapes if name.startswith("downsamples.") and name.endswith(".conv1.conv.weight")])
    levels = ["input_block", *(f"downsamples.{level}" for level in range(number)), "bottleneck"]
    kernels = [shapes[f"{level}.conv1.conv.weight"] for level in levels]
    up = [list(shapes[f"upsamples.{level}.transp_conv.conv.weight"][2:]) for level in reversed(range(number + 1))]
    return {
        "kernel_size": [list(kernel[2:]) for kernel in kernels],
        "strides": [[1] * len(up[0]), *up],
        "filters": [kernel[0] for kernel in kernels],
        "res_block": "downsamples.0.conv3.conv.weight" in shapes,
        "trans_bias": "upsamples.0.transp_conv.conv.bias" in shapes,
    }


def _swin_unetr(shapes: Shapes) -> dict[str, Any]:
    axes = len(shapes["swinViT.patch_embed.proj.weight"]) - 2
    table = "swinViT.layers{}.0.blocks.{}.attn.relative_position_bias_table"
    tables = [
        [shapes[name] for block in range(100) if (name := table.format(stage, block)) in shapes]
        for stage in range(1, 5)
    ]
    rows = tables[0][0][0]  # (2 window - 1) ** axes
    side = isqrt(rows) if axes == 2 else round(rows ** (1 / 3))
    return {
        "feature_size": shapes["swinViT.patch_embed.proj.weight"][0],
        "depths": [len(stage) for stage in tables],
        "num_heads": [stage[0][1] for stage in tables],
        "window_size": (side + 1) // 2,
        "use_v2": "swinViT.layers1c.0.layer.conv1.conv.weight" in shapes,
    }


READERS = {"basic_unet": _basic_unet, "segresnet": _segresnet, "dynunet": _dynunet, "swin_unetr": _swin_unetr}
