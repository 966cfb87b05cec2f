"""Networks nobody trained, to compare with: `untrained:PRESET[:seed]` of one method, or `untrained:MODEL[:seed]` as MODEL is built."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medssl.core.registry import config_class, implementation
from medssl.pretraining import METHODS, UNTRAINED_METHOD

if TYPE_CHECKING:
    from medssl.core.plan import Plan
    from medssl.networks.network import Network

REFERENCE = re.compile(r"untrained:(.+?)(?::(\d+))?")


def split_reference(reference: str) -> tuple[str, int] | None:
    """Preset or model and seed of an untrained model's reference; None for any other reference."""
    parts = REFERENCE.fullmatch(reference)
    return (parts[1], int(parts[2] or 0)) if parts else None


def untrained_presets() -> tuple[str, ...]:
    """Presets whose networks can be had untrained."""
    return tuple(_config().PRESETS)


def untrained_of_preset(preset: str, seed: int) -> Network:
    """The network that a preset would begin with, in evaluation mode, with its plan."""
    from medssl.core.schema import build

    method = implementation(METHODS, UNTRAINED_METHOD)(build(_config(), {}, preset=preset), "CXR")
    return untrained(method.plan(), seed)


def untrained_twin(path: Path, seed: int) -> Network:
    """The network of a weight file before any training, in evaluation mode, with its plan.

    Raises:
        WeightsError: the file cannot be used.
    """
    from medssl.networks.weights.weight_files import open_weights

    return untrained(open_weights(path).plan, seed)


def untrained(plan: Plan, seed: int) -> Network:
    """A network with random weights, the same for the same seed."""
    import torch

    from medssl.networks.weights.weight_files import build_network

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(plan)
    network.plan = replace(plan, provenance={"untrained": True, "seed": seed}, sha256="")
    return network.eval()


def _config() -> Any:
    return config_class(METHODS, UNTRAINED_METHOD)
