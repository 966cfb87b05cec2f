"""What a batch does. Standard library only: command line, server and check read it without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medssl.core.protocol import DataSpec, JobSpec, from_json

JOB_KINDS = ("pretrain", "finetune", "ensemble", "probe", "apply", "compare")
EVALUATE = "evaluate"
LATER = "@"  # "@other": the model (of `evaluate`: the table) that an earlier item of the batch leaves


@dataclass(frozen=True)
class Item:
    """One job of a batch, or one evaluation of a table."""

    name: str
    kind: str
    method: str = ""
    preset: str = ""
    config: dict[str, Any] = field(default_factory=dict)  # complete once checked
    data: dict[str, Any] = field(default_factory=dict)  # of DataSpec
    device: str = ""  # "": the one that is free
    start_from: str = ""
    partial_weights: bool = False
    predictions: str = ""  # evaluate: a table, or "@other"
    groups: tuple[str, ...] = ()  # evaluate: attributes

    @property
    def needs(self) -> set[str]:
        """The items that must be finished before."""
        weights = [arm.get("weights", "") for arm in self.config.get("arms", ())] if self.kind == "compare" else []
        return {text[1:] for text in (self.start_from, self.predictions, *weights) if text.startswith(LATER)}

    def spec(self, found: dict[str, str], device: str) -> JobSpec:
        """The job, with what earlier items left (name -> model) in its place."""
        config = self.config
        if self.kind == "compare":
            arms = [{**arm, "weights": resolved(arm.get("weights", ""), found)} for arm in config["arms"]]
            config = {**config, "arms": arms}
        return JobSpec(
            self.kind, self.method, config, from_json(DataSpec, self.data), name=self.name, device=self.device or device,
            start_from=resolved(self.start_from, found), partial_weights=self.partial_weights,
        )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Jobs one after another on each device."""

    items: tuple[Item, ...]
    devices: tuple[str, ...] = ("auto",)
    reuse: bool = True  # a finished job of the same specification and data, of an earlier batch say, is not run again


def resolved(text: str, found: dict[str, str]) -> str:
    """The text, or what the item it names left."""
    return found[text[1:]] if text.startswith(LATER) else text
