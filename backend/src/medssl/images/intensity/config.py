"""Which intensities become 0 and 1. Recorded with every model; standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.schema import setting


@dataclass(frozen=True)
class NormalisationConfig:
    """Intensity normalisation by modality: `auto` follows the training set's modality.

    `ct` clips to low…high in HU; `mr-percentile` clips each volume to percentiles of its own non-air voxels;
    `mr-fixed` clips to fixed_low…fixed_high in stored units (the official advice for MRI was 0…4000). `cxr` takes 8-bit
    radiographs as they are (0…255 becomes 0…1) and clips others to percentiles of the pixels inside uniform borders.
    """

    ONLY_WHILE: ClassVar[dict[str, str]] = {
        "low": "kind=auto|ct", "high": "kind=auto|ct", "fixed_low": "kind=mr-fixed", "fixed_high": "kind=mr-fixed",
        "lower_percentile": "kind=auto|mr-percentile|cxr", "upper_percentile": "kind=auto|mr-percentile|cxr",
    }  # fmt: skip

    kind: str = setting("auto", "Rule", choices=("auto", "ct", "mr-percentile", "mr-fixed", "cxr"))
    low: float = setting(-1000.0, "ct: becomes 0", unit="HU", minimum=-1e6, maximum=1e6, advanced=True)
    high: float = setting(1000.0, "ct: becomes 1", unit="HU", minimum=-1e6, maximum=1e6, advanced=True)
    fixed_low: float = setting(0.0, "mr-fixed: stored value that becomes 0", minimum=-1e6, maximum=1e6, advanced=True)
    fixed_high: float = setting(
        4000.0, "mr-fixed: stored value that becomes 1", minimum=-1e6, maximum=1e6, advanced=True
    )
    lower_percentile: float = setting(
        0.5,
        "Percentile of non-air voxels (cxr: of all pixels) that becomes 0",
        unit="%",
        minimum=0.0,
        maximum=50.0,
        advanced=True,
    )
    upper_percentile: float = setting(
        99.5,
        "Percentile of non-air voxels (cxr: of all pixels) that becomes 1",
        unit="%",
        minimum=50.0,
        maximum=100.0,
        advanced=True,
    )
