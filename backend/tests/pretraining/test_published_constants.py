"""Every constant of the published methods and their releases, once, against the specification."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medssl.core.schema import build
from medssl.datasets.crops import sampling
from medssl.datasets.crops.radiograph_crops import CROP_CELLS, PREPARED_CELLS
from medssl.distort import paint
from medssl.distort.framing import RATIO
from medssl.distort.shuffle import LocalShuffle
from medssl.distort.views import GridViews
from medssl.images.intensity.config import NormalisationConfig
from medssl.networks import standardisation
from medssl.pretraining.ark.config import BACKBONES as ARK_BACKBONES
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.ark.loss import ramp, teacher_momentum
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.genesis.method import Genesis
from medssl.pretraining.peac.config import BACKBONES, CELLS, SPARE, PeacConfig
from medssl.pretraining.peac.method import Peac
from medssl.training.optimisers import learning_rate, make_optimizer

GENESIS = {  # Zhou et al., Medical Image Analysis 67, 2021
    "base_width": 32, "cube": (64, 64, 32), "flip_probability": 0.4, "shuffle_probability": 0.5, "bezier_probability": 0.9,
    "paint_probability": 0.9, "outpaint_share": 0.8,
}  # fmt: skip
GENESIS_RELEASED = {
    "fidelity": "released", "sampler": "lung", "training.optimizer": "sgd", "training.learning_rate": 1.0,
    "training.momentum": 0.9, "training.nesterov": False, "training.weight_decay": 0.0, "training.batch_size": 6,
    "training.schedule": "step", "training.warmup_steps": 0, "training.decay_every": 40 * 2_370, "training.patience": 50,
    "training.validate_every": 2_370, "training.validation_samples": 5_700, "training.clip_gradient": 0.0,
    "training.precision": "fp32", **GENESIS,
}  # fmt: skip
PEAC = {  # Zhou et al., BMVC 2023
    "backbone": "swin_base", "drop_path": 0.1, "global_hidden": 8192, "local_hidden": 512, "shuffle_probability": 0.5,
    "shuffle_windows": 40, "bezier_probability": 0.9, "paint_probability": 0.9, "outpaint_share": 0.8, "order_weight": 1.0,
    "restore_weight": 1.0, "global_weight": 1e5, "local_weight": 1.0, "teacher_momentum": 0.999,
    "training.optimizer": "sgd", "training.learning_rate": 0.1, "training.momentum": 0.9, "training.nesterov": False,
    "training.weight_decay": 0.0, "training.batch_size": 8, "training.steps": 400 * 10_816, "training.schedule": "cosine",
    "training.warmup_steps": 5 * 10_816, "training.rate_every": 10_816, "training.clip_gradient": 0.0,
}  # fmt: skip
ARK = {  # Ma et al., MICCAI 2023 and Nature 2025
    "fidelity": "paper", "backbone": "swin_base_224", "teacher_view": "same", "order": "cyclic", "epochs": 200,
    "warmup_epochs": 20, "teacher_update": "pass", "teacher_momentum": 0.9, "consistency": 0.5, "projector": 1376,
    "drop_path": 0.1, "smallest_crop": 0.08, "framing_probability": 0.5, "degrees": 10.0, "intensity_probability": 0.3,
    "training.optimizer": "sgd", "training.learning_rate": 0.3, "training.momentum": 0.9, "training.nesterov": True,
    "training.batch_size": 200, "training.schedule": "cosine", "training.clip_gradient": 0.0,
}  # fmt: skip
PUBLISHED: list[tuple[type, str, dict[str, Any]]] = [
    (GenesisConfig, "default", {"fidelity": "paper", "sampler": "body", "training.optimizer": "adamw", **GENESIS}),
    (GenesisConfig, "released", GENESIS_RELEASED),
    (PeacConfig, "swin_base_448", {"fidelity": "paper", "training.rate_ahead": 0, **PEAC}),
    (PeacConfig, "released", {"fidelity": "released", "training.rate_ahead": 8 * 10_816, **PEAC}),
    (PeacConfig, "swin_base_448_adamw", {**PEAC, "training.optimizer": "adamw", "training.learning_rate": 5e-4,
                                         "training.weight_decay": 0.05}),
    (ArkConfig, "swin_base_224", ARK),
    (ArkConfig, "swin_large_768", {**ARK, "backbone": "swin_large_768", "teacher_view": "whole", "training.batch_size": 50}),
    (ArkConfig, "released", {**ARK, "fidelity": "released"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "preset", "published"), PUBLISHED, ids=lambda value: getattr(value, "__name__", str(value)[:20])
)
def test_presets_have_the_published_values(kind: type, preset: str, published: dict[str, Any]):
    config = build(kind, {}, preset=preset)
    found = {}
    for name in published:
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        found[name] = value
    assert found == published


def test_the_laws_of_genesis_are_the_published_ones():
    distortion = Genesis(GenesisConfig(), "CT").distortion
    shuffle, bezier, painting = distortion.distortions
    assert [link.probability for link in (shuffle, bezier, painting)] == [0.5, 0.9, 0.9]
    assert (shuffle.distortion.windows, shuffle.distortion.max_fraction) == (10_000, 10)
    assert painting.distortion.probabilities == pytest.approx((0.8, 0.2))
    assert [kind.name for kind in painting.distortion.distortions] == ["outpaint", "inpaint"]
    assert LocalShuffle()._largest(torch.empty(1, 1, 64, 64, 32)) == (6, 6, 3)
    assert (paint.BOXES, paint.MARGIN, paint.AGAIN) == (5, 3, 0.95)
    assert Genesis(GenesisConfig(), "CT").flip.most == 3
    normalisation = NormalisationConfig()
    assert (normalisation.low, normalisation.high) == (-1000.0, 1000.0)
    assert (normalisation.lower_percentile, normalisation.upper_percentile) == (0.5, 99.5)
    assert (sampling.TRIES, sampling.MARGINS, sampling.TISSUE) == (50, (100, 100, 30), -150)
    assert (sampling.SAMPLERS["body"].limit, sampling.SAMPLERS["lung"].limit) == (0.85, 0.15)
    assert sampling.SAMPLERS["lung"].beyond == 1


def test_the_views_and_networks_of_peac_are_the_published_ones():
    assert (CELLS, SPARE) == (14, 4) and (PREPARED_CELLS * 32, CROP_CELLS * 32) == (608, 576)
    views = Peac(build(PeacConfig, {}, preset="swin_base_448"), "CXR").grid
    assert isinstance(views, GridViews) and (views.cell, views.cells, views.spare) == (32, 14, 4)
    assert BACKBONES["swin_base"] == {"width": 128, "patch": 4, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32)}
    assert (standardisation.MEAN, standardisation.STD) == (0.5056, 0.252)
    appearance = Peac(build(PeacConfig, {}, preset="swin_base_448"), "CXR").appearance.distortions
    assert appearance[0].windows == 40 and [link.probability for link in appearance[1:]] == [0.9, 0.9]


def test_the_released_peac_never_warms_up_and_changes_its_rate_per_epoch():
    config = build(PeacConfig, {}, preset="released").training
    rates = [learning_rate(config, step) for step in (0, 1, 10_815, 10_816, 399 * 10_816)]
    assert rates[0] == rates[1] == rates[2] > rates[3] > 0.0999 * 0.98 and rates[-1] == 0.0
    paper = build(PeacConfig, {}, preset="swin_base_448").training
    assert [learning_rate(paper, epoch * 10_816) for epoch in range(6)] == pytest.approx(
        [0.1 * (epoch / 5 + 1 / (5 * 10_816)) for epoch in range(5)] + [0.1], rel=1e-6
    )


def test_the_schedules_and_networks_of_ark_are_the_published_ones():
    assert [ramp(share, 0.5) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 0.25, 0.5])
    assert [teacher_momentum(share, 0.9) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 0.95, 1.0])
    assert ARK_BACKBONES["swin_base_224"] == {
        "width": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32), "window": 7, "cells": 7,
    }  # fmt: skip
    large = ARK_BACKBONES["swin_large_768"]
    assert (large["width"], large["window"], large["depths"]) == (192, 12, (2, 2, 18, 2))
    assert build(ArkConfig, {}, preset="swin_large_768").side == 768 and RATIO == (3 / 4, 4 / 3)
    optimizer = make_optimizer(torch.nn.Linear(2, 2), build(ArkConfig, {}, preset="swin_base_224").training)
    assert all(group["nesterov"] and group["momentum"] == 0.9 for group in optimizer.param_groups)
    released = build(ArkConfig, {}, preset="released").with_total_steps(10).training
    assert released.schedule == "validation-loss"
    assert learning_rate(released, 500, validation_loss=0.4) == pytest.approx(1e-6 + 0.015 * 0.4, rel=1e-3)
