"""The file of an ensemble and the files of its members: from many one, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from medssl.core.errors import WeightsError
from medssl.core.plan import Plan
from medssl.networks import ENSEMBLE
from medssl.networks.weights.weight_files import WeightFile, open_weights, save_weights


def together(files: Sequence[WeightFile]) -> tuple[Plan, dict[str, Tensor]]:
    """The plan and the tensors of an ensemble of trained networks; what they share is the first one's.

    Raises:
        WeightsError: they see images otherwise, or know other classes.
    """
    first = files[0].plan
    for file in files[1:]:
        differ = [name for name, value in _shared(first).items() if _shared(file.plan)[name] != value]
        if differ:
            raise WeightsError(
                f"{files[0].path} and {file.path}", f"differ in {differ[0]}, so that they cannot answer together",
                "Train all members with equal settings on images of one kind", code="members-differ",
            )  # fmt: skip
    members = [{"method": f.plan.method, "network": dict(f.plan.network), "fidelity": f.plan.fidelity} for f in files]
    network = {"members": members, "inputs": int(first.network.get("inputs", 1))}
    tensors = {f"{_prefix(n)}{name}": tensor for n, file in enumerate(files) for name, tensor in file.tensors.items()}
    licences = dict.fromkeys(file.plan.licence for file in files if file.plan.licence)
    return replace(first, method=ENSEMBLE, network=network, licence=" ".join(licences), sha256=""), tensors


def member_count(plan: Plan) -> int:
    """Networks in the file of this plan."""
    return len(plan.network["members"]) if plan.method == ENSEMBLE else 1


def member(file: WeightFile, number: int) -> WeightFile:
    """One network of an ensemble's file, as a file of its own (numbers go round); of another file the file itself."""
    if file.plan.method != ENSEMBLE:
        return file
    number %= member_count(file.plan)
    prefix = _prefix(number)
    tensors = {name.removeprefix(prefix): tensor for name, tensor in file.tensors.items() if name.startswith(prefix)}
    return replace(file, plan=member_plan(file.plan, number), tensors=tensors)


def member_plan(plan: Plan, number: int) -> Plan:
    """The plan of one network of an ensemble, with what all of them share."""
    one = plan.network["members"][number]
    return replace(
        plan, method=one["method"], network=dict(one["network"]), fidelity=one["fidelity"], sha256="",
        provenance={**plan.provenance, "member": number},
    )  # fmt: skip


def write_member(source: str | Path, number: int, target: Path) -> bool:
    """Write one network of an ensemble's file as a file of its own; of another file nothing, and False."""
    file = open_weights(source)
    if file.plan.method != ENSEMBLE:
        return False
    one = member(file, number)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_weights(target, one.tensors, one.plan)
    return True


def _prefix(number: int) -> str:
    return f"members.{number}."


def _shared(plan: Plan) -> dict[str, Any]:
    task, geometry = plan.task, plan.geometry
    return {
        "normalisation": plan.normalisation, "modality": plan.modality, "the size of the windows": tuple(plan.input_size),
        "orientation": geometry.orientation, "spacing": geometry.spacing, "interpolation": geometry.interpolation,
        "classes": [(one["value"], one["name"]) for one in task.get("segments", ())], "form": task.get("form"),
        "channels": plan.network.get("inputs", 1),
    }  # fmt: skip
