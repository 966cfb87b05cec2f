"""Swin transformers of radiographs: plain ones (timm's and the original repository's names) and what is inside an Ark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medssl.core.errors import ConfigError, WeightsError
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import NETWORKS
from medssl.networks.network import Network
from medssl.networks.weights.layouts.recognised import Recognised, shapes_of

STARTED = "peac"  # the method that a Swin of ImageNet can start
START_WINDOW = 7  # the only usual window that divides the stages of 14 cells
ARK_HEADS = ("projector.", "omni_heads.")  # beside its backbone
OFTEN_THERE = ("head.",)  # the ImageNet classes that timm's Swin came with, in official Ark files


def recognise(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
    """A Swin without PEAC's heads under our names; its ImageNet classes stay behind.

    Position tables of another window stay behind as reshaped.

    Raises:
        WeightsError: sizes that fit no network here.
    """
    if "patch_embed.proj.weight" not in tensors or not any(name.startswith("layers.0.blocks.") for name in tensors):
        return None
    if "omni_heads.0.weight" in tensors:
        return None  # Ark's
    layout = "swin" if "layers.0.downsample.reduction.weight" in tensors else "timm"
    left_out = tuple(name for name in tensors if name.startswith("head."))
    names = {name: _at_the_end(name) if layout == "timm" else name for name in tensors if name not in left_out}
    named = {f"swin_model.{names[name]}": tensors[name] for name in names}
    return Recognised(layout, _plan(path, layout, named), named, left_out)


def ark_names(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of an Ark under the official names, also where today's timm named them, and the names left out."""
    left_out = tuple(name for name in tensors if name.startswith(OFTEN_THERE))
    official = "layers.0.downsample.reduction.weight" in tensors or "layers.1.blocks.0.norm1.weight" not in tensors
    return {n if official else _at_the_end(n): t for n, t in tensors.items() if n not in left_out}, left_out


def under_swin(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an Ark with its Swin below `swin_model`, where PEAC and downstream networks keep theirs."""
    return {n if n.startswith(ARK_HEADS) else f"swin_model.{n}": tensor for n, tensor in tensors.items()}


def _plan(path: Path, layout: str, tensors: dict[str, Tensor]) -> Plan:
    """The PEAC network that a plain Swin may start; its heads are missing."""
    kind = load(NETWORKS[STARTED].network)
    arguments = {**kind.arguments_of(shapes_of(tensors)), "window": START_WINDOW}
    try:
        with torch.device("meta"):
            network: Network = kind(**arguments)
    except ConfigError as error:
        raise WeightsError(
            path,
            f"is a Swin that PEAC cannot use ({error.value} {error.rule})",
            "Take one with patches of 4 pixels",
            code="layout-unusable",
        ) from error
    return Plan(
        method=STARTED,
        network=arguments,
        normalisation={"kind": "cxr"},
        input_size=network.input_size,
        modality="CXR",
        provenance={"source": path.name, "layout": layout},
    )


def _at_the_end(name: str) -> str:
    """timm counts a downsampling to the stage that it opens, the official names to the stage that it ends."""
    first, stage, *rest = name.split(".")
    if first == "layers" and rest[0] == "downsample":
        return ".".join([first, str(int(stage) - 1), *rest])
    return name
