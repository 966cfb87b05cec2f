"""Stored intensities to 0…1 and back."""

from __future__ import annotations

from dataclasses import replace

import torch

from medssl.core.errors import ConfigError, InputError, VolumeError
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.volume_statistics import VolumeStatistics

BY_MODALITY = {"CT": "ct", "MR": "mr-percentile", "CXR": "cxr"}
FIXED = ("ct", "mr-fixed")  # rules whose window is the same for all volumes
EIGHT_BIT = (0.0, 255.0)
LEAST_CONTRAST = 0.05  # of the 8-bit range: below it an image is a blank or a label map
HIGHEST_CT_MINIMUM = -200.0  # HU: any scan of a body holds air, lung or at least padding below this


def resolve(config: NormalisationConfig, modality: str, name: str = "training set") -> NormalisationConfig:
    """Turn `auto` into the rule of the modality, and refuse a rule of another one.

    Raises:
        InputError: no rule is known for the modality, or a CT rule meets another modality.
        ConfigError: an empty window.
    """
    if config.kind == "auto":
        if modality not in BY_MODALITY:
            raise InputError(
                f"{name} of modality {modality or 'unknown'}",
                "has no normalisation of its own",
                "State the modality (CT, MR or CXR), or choose a rule",
                code="modality-missing",
            )
        config = replace(config, kind=BY_MODALITY[modality])
    if config.kind == "ct" and modality not in ("CT", ""):
        raise InputError(
            f"{name} of modality {modality}",
            "does not fit the normalisation 'ct', which needs Hounsfield units",
            "Use 'auto' or 'mr-percentile'",
            code="modality-mismatch",
        )
    low, high = {
        "ct": (config.low, config.high),
        "mr-fixed": (config.fixed_low, config.fixed_high),
        "mr-percentile": (config.lower_percentile, config.upper_percentile),
        "cxr": (config.lower_percentile, config.upper_percentile),
    }[config.kind]
    if low >= high:
        raise ConfigError(
            f"normalisation window {low:g}…{high:g}",
            "must not be empty",
            "Set the lower bound below the upper one",
            code="window-empty",
        )
    return config


def window(config: NormalisationConfig, statistics: VolumeStatistics, name: str = "volume") -> tuple[float, float]:
    """The stored intensities of one volume that become 0 and 1, under a resolved rule.

    Raises:
        VolumeError: a constant volume, or one without contrast between the percentiles.
        InputError: the rule is for CT and the values cannot be Hounsfield units.
    """
    if statistics.minimum == statistics.maximum:
        raise VolumeError(
            f"{name}, {statistics.minimum:g} everywhere",
            "is constant: nothing can be learnt from it",
            "Leave it out",
            code="image-constant",
        )
    if config.kind == "ct":
        if statistics.minimum > HIGHEST_CT_MINIMUM:
            raise InputError(
                f"{name} with minimum {statistics.minimum:g}",
                f"cannot be in Hounsfield units, which reach below {HIGHEST_CT_MINIMUM:g}",
                "Use the normalisation 'mr-percentile' if it is MR; rescale it to HU if it is CT",
                code="not-hounsfield",
            )
        return config.low, config.high
    if config.kind == "mr-fixed":
        return config.fixed_low, config.fixed_high
    assert config.kind in ("mr-percentile", "cxr"), "resolve the config first"
    if config.kind == "cxr" and is_eight_bit(statistics):
        if statistics.maximum - statistics.minimum < LEAST_CONTRAST * EIGHT_BIT[1]:
            raise VolumeError(
                f"{name}, {statistics.minimum:g} to {statistics.maximum:g} of 0 to 255",
                "has hardly any contrast: no radiograph looks like that",
                "Leave out blanks and label maps",
                code="image-without-contrast",
            )
        return EIGHT_BIT
    low, high = statistics.percentile(config.lower_percentile), statistics.percentile(config.upper_percentile)
    if low >= high:
        raise VolumeError(
            f"{name}, {low:g} at both percentiles",
            "has no contrast between them",
            "Widen the percentiles, or leave out what is no image (a mask?)",
            code="image-without-contrast",
        )
    return low, high


def is_eight_bit(statistics: VolumeStatistics) -> bool:
    """Whole numbers that a byte holds: such images were windowed by whoever made them."""
    return statistics.whole and statistics.minimum >= EIGHT_BIT[0] and statistics.maximum <= EIGHT_BIT[1]


def normalise(raw: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Clip and scale `raw` (N, ...) to float32 0…1 by each sample's `window` (N, 2), on the device of `raw`.

    Of several channels (N, C, ...) each has a window of its own, (N, C, 2).
    """
    low, high = _bounds(raw, window)
    return ((raw.float() - low) / (high - low)).clamp_(0.0, 1.0)


def denormalise(scaled: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """The inverse of `normalise` within the window: (N, ...) 0…1 to float32 stored units."""
    low, high = _bounds(scaled, window)
    return scaled.float() * (high - low) + low


def _bounds(values: torch.Tensor, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    given = window.to(values.device, torch.float32, non_blocking=True)
    given = given if given.ndim == 3 else given.view(-1, 2)
    bounds = given.view(*given.shape, *[1] * (values.ndim - given.ndim + 1))
    return bounds.select(given.ndim - 1, 0), bounds.select(given.ndim - 1, 1)
