"""Several networks of one task that answer as one: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.registry import load
from medssl.networks import NETWORKS
from medssl.networks.network import Network

SHARED = ("axes", "side", "input_size", "standard", "framing")  # how images enter: alike in all members


class Ensemble(Network):
    """Networks whose answers are averaged. They run one after another, so that memory stays that of one of them.

    Args:
        members: of each network: `method` (a key of NETWORKS), `network` (its arguments), `fidelity`.
        inputs: channels of the image.
        fidelity: recorded with the weights; each member has its own.

    Raises:
        ValueError: no members, or members that see images otherwise.
    """

    answer = "logits (logarithms of the mean probabilities)"

    def __init__(self, members: Sequence[Mapping[str, Any]], inputs: int = 1, fidelity: str = "paper") -> None:
        super().__init__()
        built = [
            load(NETWORKS[one["method"]].network)(**one["network"], fidelity=one.get("fidelity", fidelity))
            for one in members
        ]
        if not built:
            raise ValueError("an ensemble needs members")
        for name in SHARED:
            if len({repr(getattr(one, name)) for one in built}) > 1:
                raise ValueError(f"its members differ in {name}")
            setattr(self, name, getattr(built[0], name))
        self.size_divisor = math.lcm(*(one.size_divisor for one in built))
        self.least_side = max(one.least_side for one in built)
        self.one_size = any(one.one_size for one in built)
        self.members = nn.ModuleList(built)
        self.arguments: dict[str, Any] = {"members": [dict(one) for one in members], "inputs": inputs}

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, C, *spatial) in 0…1 as each of the networks takes them."""
        return self.members[0].standardise(images)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, *spatial) whose softmax is the mean of the members' softmax."""
        total: Tensor | None = None
        for member in self.members:
            one = member(x).float().log_softmax(dim=1)
            total = one if total is None else torch.logaddexp(total, one)
        assert total is not None
        return total - math.log(len(self.members))
