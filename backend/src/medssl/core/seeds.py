"""Random draws as functions of (seed, purpose, index): the same for any number of processes, and after any resume."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed for one purpose and one index."""
    import numpy as np

    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), index])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, purpose: str, index: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device`, seeded by `derive`."""
    import torch

    return torch.Generator(device).manual_seed(derive(seed, purpose, index))
