"""Random numbers without a state: a hash of (seed, counter), the same bits from torch and from numba.

The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). A value depends on its place alone, so
that any order of evaluation, on any device, gives the same numbers, and nothing random has to be stored or moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
from torch import Tensor

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
Word: TypeAlias = np.uint64
_U = np.uint64
_GOLDEN, _FIRST, _SECOND = _U(GOLDEN), _U(FIRST), _U(SECOND)
_27, _30, _31, _32, _40, _LOW = _U(27), _U(30), _U(31), _U(32), _U(40), _U(0xFFFFFFFF)
_TO_UNIT = np.float32(2.0**-24)


def compiled(function: Callable) -> Any:
    """Compile with numba, kept on disk; a home without any writable cache folder compiles once per process instead."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba's answer to "no folder to cache in"
        return numba.njit(nogil=True)(function)


@compiled
def mix(seed: Word, counter: Word) -> Word:
    """64 mixed bits of two uint64."""
    z = seed + counter * _GOLDEN
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@compiled
def below(bits: Word, bound: Word) -> Word:
    """A number in 0…bound−1 from the upper half of `bits`."""
    return ((bits >> _32) * bound) >> _32


@compiled
def below_low(bits: Word, bound: Word) -> Word:
    """A number in 0…bound−1 from the lower half of `bits`."""
    return ((bits & _LOW) * bound) >> _32


@compiled
def unit(bits: Word) -> np.float32:
    """A float32 in 0…1 (1 excluded) from the upper 24 of `bits`."""
    return np.float32(bits >> _40) * _TO_UNIT


def mix_tensor(seed: Tensor, counter: Tensor) -> Tensor:
    """`mix` on int64 tensors: two's complement wraps as uint64 does."""
    z = seed + counter * _signed(GOLDEN)
    z = (z ^ _shift(z, 30)) * _signed(FIRST)
    z = (z ^ _shift(z, 27)) * _signed(SECOND)
    return z ^ _shift(z, 31)


def below_tensor(bits: Tensor, bound: Tensor | int) -> Tensor:
    """`below` on int64 tensors."""
    return (_shift(bits, 32) * bound) >> 32


def below_low_tensor(bits: Tensor, bound: Tensor | int) -> Tensor:
    """`below_low` on int64 tensors."""
    return ((bits & 0xFFFFFFFF) * bound) >> 32


def unit_tensor(bits: Tensor) -> Tensor:
    """`unit` on int64 tensors."""
    return _shift(bits, 40).float() * 2.0**-24


def _shift(bits: Tensor, places: int) -> Tensor:
    """Logical right shift: torch's own drags the sign along."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
