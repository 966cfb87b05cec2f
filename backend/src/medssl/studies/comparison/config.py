"""What a comparison compares. Standard library only: command line, server and check read it without torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from medssl.core.capabilities import CLASSES, SEGMENT
from medssl.core.protocol import from_json
from medssl.tasks import TASKS

SEGMENTATION = {"dice": True, "iou": True, "surface_dice": True, "hd95": False}  # metric -> more is better
CLASSIFICATION = {
    "auc": True, "average_precision": True, "accuracy": True, "mcc": True, "f1": True, "sensitivity": True,
    "specificity": True, "sensitivity_at_specificity": True, "brier": False, "ece": False,
}  # fmt: skip
METRICS = {SEGMENT: SEGMENTATION, CLASSES: CLASSIFICATION}  # by what the models of a task answer
SIZES = {
    "fractions": "fraction",
    "patients": "patients",
    "per_class": "per_class",
}  # of the study -> of SelectionConfig
STEPS, PASSES = BUDGETS = ("steps", "passes")
ARM_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 _.+=-]{0,58}[A-Za-z0-9_+=-])?")
JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
UNTRAINED = "untrained:"
SEED_LIMIT = 2**31
DEFAULT_SEEDS = 5
DEFAULT_REPLICATES = 2000  # p-values of the bootstrap do not fall below about 5 / replicates


def metrics_of(task: str) -> dict[str, bool]:
    """What a task can be compared by, the usual one first: metric -> more is better."""
    return METRICS[TASKS[task].answers]


@dataclass(frozen=True)
class Arm:
    """One way to train: the weights to begin with ("": none) and the settings of the task."""

    name: str
    weights: str = ""  # "", a path, a job id, imagenet:NAME, or untrained:PRESET for probes
    partial: bool = False  # accept weights that match only in part
    config: dict[str, Any] = field(default_factory=dict)  # over the study's; complete once checked
    train_on: str = ""  # set by a study with `train_on`: the value of the attribute it trains on


@dataclass(frozen=True)
class Study:
    """A comparison: every arm at every size with every seed, on the same split."""

    task: str
    arms: tuple[Arm, ...]
    sizes: tuple[float, ...]
    unit: str  # fractions, patients or per_class
    seeds: tuple[int, ...]
    metric: str
    reference: str  # the arm that others are compared with
    preset: str = "default"
    config: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()  # attributes whose groups are told apart: "sex", "age:0,40,60"
    train_on: str = ""  # an attribute: each arm once for each of its values
    replicates: int = DEFAULT_REPLICATES  # of the bootstrap
    split_seed: int = 0  # of the split, where the catalogue fixes none
    devices: tuple[str, ...] = ()  # further runs at the same time; (): the job's device alone
    keep_models: bool = False  # keep the weights of every run
    budget: str = STEPS  # equal steps for all runs; passes: over the training images, where their number differs

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return metrics_of(self.task)[self.metric]

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def study_from_json(tree: dict[str, Any]) -> Study:
    """A study that was written down, as it was: without checks, and without settings that came later."""
    return from_json(Study, {**tree, "arms": tuple(from_json(Arm, arm) for arm in tree["arms"])})
