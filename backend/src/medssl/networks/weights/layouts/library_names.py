"""Our names of a library's network and the library's own: our classes keep it below `network`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from medssl.core.plan import Plan
from medssl.networks import CNN, MONAI, NNUNET, family_of
from medssl.networks.weights.layouts import monai
from medssl.networks.weights.layouts.swin import ARK_HEADS

PREFIX = "network."
Tensors = dict[str, Tensor]
WHOLE: dict[
    str, Callable[[Tensors], Tensors]
] = {  # families, and how the library writes a state dict of the bare names
    MONAI: monai.with_aliases,
    NNUNET: dict,
    CNN: dict,
}


def bare_names(plan: Plan, tensors: Tensors) -> Tensors:
    """Tensors as the network's class outside MedSSL names them, or as they are where there is none."""
    whole = WHOLE.get(family_of(plan))
    return whole({name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}) if whole else tensors


def our_names(plan: Plan, tensors: Tensors) -> tuple[Tensors, tuple[str, ...]]:
    """The inverse, and the names left out: second names of the same tensors, and heads for training alone."""
    if family_of(plan) not in WHOLE:
        return tensors, ()
    bare = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    left_out = tuple(name for name in bare if name.startswith(monai.ALIASES)) if family_of(plan) == MONAI else ()
    return {_ours(name): tensor for name, tensor in bare.items() if name not in left_out}, left_out


def _ours(bare: str) -> str:
    """An Ark's heads stand beside the library's network, not in it."""
    return bare if bare.startswith(ARK_HEADS) else PREFIX + bare
