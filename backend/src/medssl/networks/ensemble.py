"""Several networks of one task that answer as one: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import NETWORKS
from medssl.networks.network import Network

METHOD = "ensemble"  # of its plan
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


def member_plan(plan: Plan, number: int) -> Plan:
    """The plan of one member, with what its ensemble says of images and task."""
    one = plan.network["members"][number]
    provenance = {**plan.provenance, "member": number}
    return replace(
        plan, method=one["method"], network=dict(one["network"]), fidelity=one.get("fidelity", plan.fidelity),
        provenance=provenance, sha256="",
    )  # fmt: skip


def member_tensors(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The tensors of one member under its own names."""
    prefix = f"members.{number}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def together(plans: Sequence[Plan], tensors: Sequence[Mapping[str, Tensor]]) -> tuple[Plan, dict[str, Tensor]]:
    """The plan and the tensors of an ensemble of trained networks; task, geometry and normalisation are the first one's.

    Raises:
        ValueError: networks that do not belong together: they see images otherwise, or know other classes.
    """
    first = plans[0]
    for name, value in _common(first).items():
        if any(_common(plan)[name] != value for plan in plans):
            raise ValueError(f"they differ in {name}")
    members = [{"method": one.method, "network": dict(one.network), "fidelity": one.fidelity} for one in plans]
    network = {"members": members, "inputs": int(first.network.get("inputs", 1))}
    named = {f"members.{n}.{name}": tensor for n, one in enumerate(tensors) for name, tensor in one.items()}
    licences = list(dict.fromkeys(one.licence for one in plans if one.licence))
    return replace(first, method=METHOD, network=network, licence=" ".join(licences), sha256=""), named


def _common(plan: Plan) -> dict[str, Any]:
    task, geometry = plan.task, plan.geometry
    return {
        "normalisation": plan.normalisation, "modality": plan.modality, "size of the windows": plan.input_size,
        "orientation": geometry.orientation, "spacing": geometry.spacing, "interpolation": geometry.interpolation,
        "classes": [(one["value"], one["name"]) for one in task.get("segments", ())], "form": task.get("form"),
        "channels": plan.network.get("inputs", 1),
    }  # fmt: skip
