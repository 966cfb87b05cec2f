"""The one output of a network that a saliency map explains."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from medssl.core.capabilities import CLASSES, EXPLAIN, HEADS
from medssl.core.errors import WeightsError
from medssl.inference.capabilities import can, require
from medssl.inference.classification.findings import find_heads
from medssl.inference.classification.predict import calibrate
from medssl.networks.network import Explained, Network


@dataclass(frozen=True)
class Target:
    """A class of a head; of a fine-tuned classifier the head has no name."""

    finding: str
    head: str
    number: int  # of the head
    index: int  # of the class
    classes: tuple[str, ...]
    exclusive: bool  # the head's classes exclude each other

    @property
    def title(self) -> str:
        return f"{self.finding} ({self.head})" if self.head else self.finding


def find_target(net: Network, finding: str, head: str = "") -> Target:
    """The output that a finding's name means.

    Args:
        net: with its plan.
        finding: a class; of a network with heads by name synonyms will do.
        head: by name; "": the first that knows the finding.

    Raises:
        WeightsError: a model of another kind, or one without this head or finding.
    """
    plan = net.plan
    require(plan, EXPLAIN)
    if can(plan, HEADS):
        return _of_heads(net.sets, finding, head)
    require(plan, CLASSES)
    classes = tuple(plan.task["classes"])
    if head:
        raise WeightsError(
            f"head {head!r}", "is not there: a fine-tuned classifier has one head", "Leave it out", code="head-unknown"
        )
    if finding not in classes:
        close = difflib.get_close_matches(finding, classes, 1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"It knows {', '.join(classes)}"
        raise WeightsError(f"finding {finding!r}", "is no class of the model", remedy, code="class-unknown")
    return Target(finding, "", 0, classes.index(finding), classes, plan.task["kind"] == "multi-class")


def log_odds(net: Network, pooled: Tensor, target: Target) -> Tensor:
    """(N,) of mean tokens (N, D): the logit, or of exclusive classes how far it is above all others together."""
    logits = cast(Explained, net).class_logits(pooled, target.number)
    one = logits[:, target.index]
    if not target.exclusive:
        return one
    others = [n for n in range(logits.shape[1]) if n != target.index]
    return one - logits[:, others].logsumexp(dim=1)


@torch.no_grad()
def probability_of(net: Network, pooled: Tensor, target: Target) -> float:
    """Of the finding in one image, by its mean token (1, D), calibrated as the model's predictions are."""
    logits = cast(Explained, net).class_logits(pooled, target.number).double().cpu()
    raw = (logits.softmax(dim=1) if target.exclusive else logits.sigmoid()).numpy()[0]
    plan = net.plan
    kind = "multi-class" if target.exclusive else "multi-label"
    return float(calibrate(raw, target.classes, kind, plan.task.get("temperature", {}))[target.index])


def _of_heads(sets: Sequence[Mapping[str, Any]], finding: str, head: str) -> Target:
    number, index = find_heads(sets, finding, (head,) if head else ())[0]
    one = sets[number]
    classes = tuple(one["classes"])
    return Target(classes[index], one["name"], number, index, classes, one["activation"] == "softmax")
