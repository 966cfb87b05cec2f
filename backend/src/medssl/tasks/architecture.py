"""Which network a task trains: that of the weights it begins with, else what the configuration says."""

from __future__ import annotations

from typing import Any

from medssl.core.errors import ConfigError, WeightsError
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import CNN, NETWORKS, SWIN, UNET, family_of
from medssl.networks import MONAI as MONAI_FAMILY
from medssl.networks import NNUNET as NNUNET_FAMILY
from medssl.networks.libraries.nnunet_segmenter import PLAIN, RESENC_L
from medssl.networks.standardisation import USUAL
from medssl.pretraining.peac.config import BACKBONES, CELLS
from medssl.tasks.classification.config import ClassificationConfig
from medssl.tasks.planning.pooling import Pooling
from medssl.tasks.segmentation.config import MONAI, NNUNET, SegmentationConfig

SWIN_ARGUMENTS = ("width", "patch", "depths", "heads", "window", "cells", "drop_path", "standard")
WIDTH = 32  # channels of the first layer in the papers
LESS_BLOCKS = 2  # in a stage of a network that is narrower than in the paper
BLOCKS: dict[str, list[int]] = {"resenc": RESENC_L["n_blocks_per_stage"], "plain_unet": PLAIN["n_conv_per_stage"]}
BLOCKS_NAME = {"resenc": "n_blocks_per_stage", "plain_unet": "n_conv_per_stage"}
DECODER: dict[str, list[int]] = {
    "resenc": RESENC_L["n_conv_per_stage_decoder"],
    "plain_unet": PLAIN["n_conv_per_stage_decoder"],
}
Architecture = tuple[str, dict[str, Any]]  # a key of NETWORKS and its arguments


def segmentation_network(
    config: SegmentationConfig,
    form: str,
    classes: int,
    inputs: int,
    source: Plan | None,
    stages: Pooling | None = None,
) -> Architecture:
    """The segmentation network.

    Args:
        config: names a network, or "auto".
        form: 3d, 2.5d, 2d.
        classes: with background.
        inputs: channels of the image.
        source: of the weights to begin with.
        stages: of an nnU-Net network from scratch, as planned; None: the published ones, as jobs of earlier versions.

    Raises:
        ConfigError: a network that does not fit the form.
        WeightsError: weights that no network of this form can take.
    """
    name = _choose(
        config.network, form, source, ("unet3d",) if form == "3d" else ("swin",), "resenc" if stages is not None else ""
    )
    if name in (*MONAI, *NNUNET):
        family, arguments = (
            ("monai-segmenter", {}) if name in MONAI else ("nnunet-segmenter", _nnunet(name, config, stages))
        )
        if source and source.network.get("name") == name:
            arguments = {**source.network["arguments"], **_own_size(name, config)}
            if name in BLOCKS and stages is not None:
                arguments["deep_supervision"] = config.deep_supervision
        axes = 3 if form == "3d" else 2
        return family, {"name": name, "axes": axes, "inputs": inputs, "classes": classes, "arguments": arguments}
    if name == "unet3d":
        width = source.network["base_width"] if source and family_of(source) == UNET else config.base_width or WIDTH
        return "unet-segmenter", {"base_width": width, "inputs": inputs, "classes": classes}
    return "swin-segmenter", {**_swin(config.backbone, source), "classes": classes}


def classification_network(config: ClassificationConfig, form: str, classes: int, source: Plan | None) -> Architecture:
    """The classification network; see `segmentation_network`."""
    name = _choose(config.network, form, source, ("unet3d",) if form == "3d" else ("swin", "cnn"))
    if source is not None and name in (*MONAI, *NNUNET):
        raise WeightsError(
            f"weights of {name}", "are of a network that segments, which no classifier here shares",
            "Fine-tune a segmentation with them, or take other weights", code="weights-of-another-network",
        )  # fmt: skip
    if name == "unet3d":
        width = source.network["base_width"] if source and family_of(source) == UNET else config.base_width
        return "unet-classifier", {"base_width": width, "inputs": 1, "classes": classes}
    if name == "cnn":
        return "cnn-classifier", {**_cnn(config.cnn, source), "classes": classes, "pixels": config.pixels}
    return "swin-classifier", {**_swin(config.backbone, source), "classes": classes}


def _choose(wanted: str, form: str, source: Plan | None, fitting: tuple[str, ...], fresh: str = "") -> str:
    """The network's name; of those of pretrained families only the `fitting` ones, of which the first is the usual one.

    `fresh`: the usual one from scratch; "": the same.
    """
    if wanted == "auto" and source is not None:
        if family_of(source) in (MONAI_FAMILY, NNUNET_FAMILY):
            return str(source.network["name"])
        wanted = family_of(source) or "auto"
        if wanted not in ("auto", *fitting):
            raise WeightsError(
                f"weights of method {source.method!r}", f"do not fit the form {form!r}",
                _what_fits(wanted),
                code="weights-of-another-network",
            )  # fmt: skip
    if wanted == "auto":
        return fresh if fresh and source is None else fitting[0]
    if wanted in (UNET, SWIN, CNN) and wanted not in fitting:
        raise ConfigError(
            f"network = {wanted!r}",
            f"does not fit the form {form!r}",
            f"Take auto or {' or '.join(fitting)}",
            code="network-of-another-form",
        )
    return wanted


def _what_fits(family: str) -> str:
    """The remedy where weights of a family do not fit."""
    if family == CNN:
        return "Classify radiographs or slices with them, or take other weights"
    return f"Choose {'volumes' if family == UNET else 'radiographs or slices'}, or other weights"


def _cnn(name: str, source: Plan | None) -> dict[str, Any]:
    """Name and standard: those of the weights, whose images the standard is of; untrained, that of radiographs.

    Raises:
        ConfigError: no such network.
    """
    if source is not None and family_of(source) == CNN:
        return {key: source.network[key] for key in ("name", "standard") if key in source.network}
    from medssl.networks.downstream.cnn_classifier import check_name  # timm takes seconds, and most tasks do without it

    check_name(name)
    return {"name": name}


def _nnunet(name: str, config: SegmentationConfig, stages: Pooling | None) -> dict[str, Any]:
    """Arguments from scratch: the published ones, with the width of the configuration's first layer, and the planned stages."""
    if name == "primus":
        return _own_size(name, config)
    width = config.base_width or WIDTH
    features = [min(width * times, 10 * width) for times in (1, 2, 4, 8, 16, 16)]
    if stages is None:
        return {"features_per_stage": features}
    count = len(stages.strides)
    published = BLOCKS[name]
    blocks = published if width >= WIDTH else [min(LESS_BLOCKS, block) for block in published]
    return {
        "n_stages": count, "features_per_stage": features[:count], BLOCKS_NAME[name]: blocks[:count],
        "n_conv_per_stage_decoder": DECODER[name][: count - 1], "strides": [list(sides) for sides in stages.strides],
        "kernel_sizes": [list(sides) for sides in stages.kernels], "deep_supervision": config.deep_supervision,
    }  # fmt: skip


def _own_size(name: str, config: SegmentationConfig) -> dict[str, Any]:
    """A Primus is built for sub-volumes of one size.

    Raises:
        ConfigError: windows of another size.
    """
    if name != "primus":
        return {}
    if all(config.window) and config.window != config.crop:
        raise ConfigError(
            f"window = {list(config.window)}", f"is not the size of the sub-volumes ({list(config.crop)}), the only one that "
            "primus takes", "Leave the window at 0, 0, 0", code="network-of-one-size",
        )  # fmt: skip
    return {"input_shape": list(config.crop)}


def _swin(backbone: str, source: Plan | None) -> dict[str, Any]:
    if source is not None and family_of(source) == SWIN:
        taken = {name: value for name, value in source.network.items() if name in SWIN_ARGUMENTS}
        standard = load(NETWORKS[source.method].network).standard  # in which its weights saw images
        return taken | ({"standard": standard} if standard != USUAL else {})
    return {**BACKBONES[backbone], "cells": CELLS, "drop_path": 0.1}
