"""From scratch, a comparison trains the network whose pretraining it asks about."""

from __future__ import annotations

import dataclasses
from typing import Any

from medssl.core.errors import WeightsError
from medssl.core.plan import Plan
from medssl.networks import MONAI, NNUNET, SWIN, UNET, family_of
from medssl.networks.weights.weight_files import open_weights
from medssl.pretraining.peac.config import BACKBONES
from medssl.studies.comparison.config import UNTRAINED, Study
from medssl.studies.comparison.weights import FrozenWeights


def with_equal_networks(study: Study, weights: dict[str, FrozenWeights]) -> Study:
    """Arms from scratch whose network is "auto" take that of the first arm with weights, and see intensities as it does.

    Else two networks, or two windows, would be compared. A file that cannot be used says so in its own runs.
    """
    files = [weights[arm.name].path for arm in study.arms if weights[arm.name].path]
    files = [path for path in files if not path.startswith(UNTRAINED)]
    try:
        same = {**_settings(open_weights(files[0]).plan), "window_from_labels": False} if files else {}
    except WeightsError:
        return study
    arms = tuple(
        dataclasses.replace(
            arm, config={**arm.config, **{name: value for name, value in same.items() if name in arm.config}}
        )
        if not weights[arm.name].path and arm.config.get("network") == "auto"
        else arm
        for arm in study.arms
    )
    return dataclasses.replace(study, arms=arms)


def _settings(plan: Plan) -> dict[str, Any]:
    """Settings of a task by which the network of a plan is built anew."""
    family = family_of(plan)
    if family == UNET:
        return {"network": "unet3d", "base_width": plan.network["base_width"]}
    if family == SWIN:
        known = [
            name for name, sizes in BACKBONES.items() if all(_same(plan.network.get(k), v) for k, v in sizes.items())
        ]
        return {"network": "swin"} | ({"backbone": known[0]} if known else {})
    return {"network": plan.network["name"]} if family in (MONAI, NNUNET) else {}


def _same(said: Any, value: Any) -> bool:
    """Headers hold lists where settings hold tuples."""
    return (tuple(said) if isinstance(said, list) else said) == value
