"""Beginning an Ark with weights: another Ark's, whose heads stay, or a backbone alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from medssl.core.errors import WeightsError
from medssl.datasets.spec.set_parts import SetPart
from medssl.networks import NETWORKS, family_of
from medssl.networks.ark import ArkPair, checked_sets
from medssl.networks.weights.matching_report import COMPUTED, DERIVED
from medssl.networks.weights.weight_files import WeightFile

PREFIX = "swin_model."  # of a Swin's names where it is not an Ark's
SHOWN = 3


def joined_heads(sets: Sequence[SetPart], start: WeightFile | None, fidelity: str) -> list[dict[str, Any]]:
    """The heads of the weights to begin with, in their order, and behind them those of the sets that they do not know.

    Raises:
        ConfigError: two sets of one name.
        WeightsError: the weights know a set with other classes or of another kind.
    """
    heads = [dict(head) for head in start.plan.network["sets"]] if start and is_ark(start) else []
    mine = checked_sets(_described(part, fidelity) for part in sets)
    known = {head["name"]: head for head in heads}
    for head in mine:
        old = known.get(head["name"])
        if old is None:
            heads.append(head)
        elif (old["kind"], list(old["classes"])) != (head["kind"], head["classes"]):
            raise WeightsError(
                f"set {head['name']!r}, {head['kind']}: {', '.join(head['classes'])}",
                f"is not what the weights know by this name ({old['kind']}: {', '.join(old['classes'])})",
                "Declare the same classes in the same order, or give the set another name",
                code="head-of-other-classes",
            )
    return heads


def is_ark(file: WeightFile) -> bool:
    """Whether a file has heads by name, over whichever backbone."""
    return "sets" in file.plan.network


def start_standard(start: WeightFile | None, name: str) -> dict[str, str]:
    """Mean and deviation in which the weights to begin with saw images, of a network of this name that says so; else nothing."""
    same = start is not None and family_of(start.plan) == NETWORKS[name].family
    return {"standard": start.plan.network["standard"]} if start and same and "standard" in start.plan.network else {}


def _described(part: SetPart, fidelity: str) -> dict[str, Any]:
    """A set's head; the released code trained multi-class sets with a binary cross-entropy too."""
    return {**part.head(), **({"activation": "sigmoid"} if fidelity == "released" else {})}


def begin(pair: nn.Module, file: WeightFile, partial: bool = False) -> str:
    """Fill student and teacher, each from its part of the file, or both from the only one; heads that are new stay as they are.

    Args:
        pair: an ArkPair.
        file: an Ark; or a Swin of the same sizes (PEAC, timm, original names), or the same convolutional network: then projector and
            heads are new.
        partial: accept weights that lack a part of the backbone.

    Returns:
        What was taken, in a sentence.

    Raises:
        WeightsError: a part of the backbone is missing or of another shape, and `partial` is False.
    """
    assert isinstance(pair, ArkPair)
    mine, its = pair.student.architecture, file.plan.network.get("name", "")
    if mine != its:
        raise WeightsError(
            file.path, f"holds {its or 'no convolutional network'}, and the backbone of this training is {mine or 'a Swin'}",
            "Choose the backbone of the file, or other weights", code="weights-of-another-network",
        )  # fmt: skip
    taken: set[str] = set()
    for name in ("student", "teacher"):
        network = getattr(pair, name)
        wanted = network.state_dict()
        given = {n.removeprefix(PREFIX): t for n, t in file.parts.get(name, file.tensors).items()}
        fitting = {n: t for n, t in given.items() if n in wanted and t.shape == wanted[n].shape}
        missing = [n for n in wanted if n not in fitting and not n.endswith(DERIVED) and not _is_head(n, file)]
        if not fitting or (missing and not partial):
            _refuse(file, missing, given, wanted)
        network.load_state_dict({n: t for n, t in fitting.items() if not n.endswith(COMPUTED)}, strict=False)
        taken = set(fitting)
    new = [n for n in pair.student.state_dict() if n not in taken and not n.endswith(DERIVED)]
    added = f"; new: {', '.join(new[:SHOWN])}{', …' if len(new) > SHOWN else ''}" if new else ""
    return f"{len(taken)} tensors come from {file.path.name}{added}."


def _is_head(name: str, file: WeightFile) -> bool:
    """A head that the file cannot know; of a backbone alone also the projector."""
    if not is_ark(file):
        return name.startswith(("omni_heads.", "projector."))
    return name.startswith("omni_heads.") and int(name.split(".")[1]) >= len(file.plan.network["sets"])


def _refuse(file: WeightFile, missing: list[str], given: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    first = missing[0] if missing else "everything"
    how = f"{list(given[first].shape)} instead of {list(wanted[first].shape)}" if first in given else "not there"
    raise WeightsError(
        file.path,
        f"does not hold this backbone: {len(missing)} tensors are missing or of another shape ({first}: {how})",
        f"Choose the backbone of the file ({file.plan.method}, {file.plan.network})",
        code="weights-of-another-network",
    )
