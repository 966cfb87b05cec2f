"""Mixup: each training image is blended with another one of its batch, and so is what it should answer.

Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018: one share for the batch, drawn from Beta(alpha, alpha).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class MixupParams:
    """What a batch is mixed by."""

    share: float  # 0...1, of each image itself
    partners: Tensor  # (N,) the image that the rest comes from; an image may be its own


def draw_mixup(number: int, alpha: float, generator: torch.Generator) -> MixupParams:
    """Draw for a batch of `number` images; nothing but the generator decides."""
    partners = torch.randperm(number, generator=generator, device=generator.device)
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))  # torch's Beta takes none
    return MixupParams(float(np.random.default_rng(seed).beta(alpha, alpha)), partners)


def mix(values: Tensor, params: MixupParams) -> Tensor:
    """Images (N, ...), or targets (N, C): unknown (NaN) in one of the two is unknown in the mixture."""
    return params.share * values + (1.0 - params.share) * values[params.partners]
