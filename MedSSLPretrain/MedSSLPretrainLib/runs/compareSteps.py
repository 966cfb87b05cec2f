"""What a comparison asks of the backend: one job that trains every arm at every size with every seed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from MedSSLLib.steps import Steps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CatalogError, ConfigError, WeightsError
from medssl.core.protocol import JobSpec
from MedSSLPretrainLib.labels.labelledSet import LabelledSet, check, learnsSegments, patients, taskEntry
from MedSSLPretrainLib.labels.segmentClasses import commonClasses
from MedSSLPretrainLib.runs.finetuneSteps import dataSteps

LEAST_PATIENTS = 3  # one to train on, one to validate, one to test


@dataclass(frozen=True)
class Comparison:
    """The same task from different weights."""

    task: str
    config: dict[str, Any]  # settings of the task for all arms
    preset: str
    data: LabelledSet
    arms: list[dict[str, str]]  # name, weights
    unit: str  # fractions, patients or per_class
    sizes: tuple[float, ...]
    seeds: int
    metric: str
    reference: str  # the arm that the others are held against
    testFraction: float  # of the patients, where the table fixes no test set
    budget: str = "steps"  # what is equal for training sets of different size: steps or passes


def unitTitles() -> dict[str, str]:
    """How the amount of labelled data is given, by the name in a study."""
    return {
        "patients": _("Training patients"), "fractions": _("Share of them (0...1)"), "per_class": _("Patients of each class"),
    }  # fmt: skip


def budgetTitles() -> dict[str, str]:
    """How long runs on training sets of different size train, by the name in a study."""
    return {"steps": _("Steps"), "passes": _("Passes over the images")}


def metricTitles(task: str) -> dict[str, str]:
    """What a task is compared by, by the name in a study."""
    if learnsSegments(task):
        return {"dice": _("Dice"), "iou": _("IoU"), "surface_dice": _("Surface Dice"), "hd95": _("HD95")}
    return {
        "auc": _("AUC"), "average_precision": _("Average precision"), "accuracy": _("Accuracy"), "f1": _("F1"),
        "mcc": _("MCC"), "brier": _("Brier score"), "ece": _("Calibration error"),
    }  # fmt: skip


def checkComparison(asked: Comparison) -> None:
    """Whether the comparison can begin.

    Raises:
        CatalogError, ConfigError, WeightsError: it cannot; value, rule and remedy are for the panel.
    """
    names = Counter(arm["name"] for arm in asked.arms)
    if len(asked.arms) < 2:
        raise ConfigError(_("arms"), _("are fewer than two"), _("Add a model to compare with"))
    twice = next((name for name, count in names.items() if count > 1 or not name), None)
    if twice is not None:
        raise ConfigError(_("arm {name}").format(name=twice or "''"), _("needs a name of its own"), _("Rename it"))
    bare = next((arm["name"] for arm in asked.arms if not arm["weights"]), None)
    if taskEntry(asked.task).needs_model and bare is not None:
        rule, remedy = (
            _("has no weights, and a probe looks into a model"),
            _("Choose a model, or write untrained:laptop"),
        )
        raise WeightsError(_("arm {name}").format(name=bare), rule, remedy)
    if not asked.sizes:
        raise ConfigError(_("sizes"), _("are missing"), _("Write numbers separated by commas, such as 5, 10, 20"))
    if asked.unit == "fractions" and not all(0 < size <= 1 for size in asked.sizes):
        raise ConfigError(_("sizes"), _("must be shares above 0, at most 1"), _("Write such as 0.1, 0.5, 1"))
    if min(asked.sizes) <= 0:
        raise ConfigError(_("sizes"), _("must be whole numbers from 1"), _("Write such as 5, 10, 20"))
    if asked.budget == "passes" and taskEntry(asked.task).needs_model:
        rule, remedy = _("count nothing in a probe, which is fitted at once"), _("Choose steps")
        raise ConfigError(_("equal passes"), rule, remedy)
    check(asked.data, asked.task)
    if not asked.data.path and len(set(patients(asked.data.volumes))) < LEAST_PATIENTS:
        rule = _("shows two patients: a comparison needs one to train on, one to validate and one to test")
        raise CatalogError(_("training set"), rule, _("Tick a volume of another patient in the section Fine-tune"))
    if asked.data.path and not learnsSegments(asked.task) and not asked.config.get("labels"):
        raise ConfigError(_("labels"), _("name no column of the table"), _("Write such as Pneumonia"))


def compareSteps(asked: Comparison, loopback: bool, **spec: Any) -> Steps:
    """Start a comparison; returns its JobView. `spec` takes further fields of JobSpec: name, device.

    Raises:
        as `checkComparison`; nothing was sent then.
    """
    checkComparison(asked)
    config = asked.config
    classes = commonClasses(asked.data.segmentations) if learnsSegments(asked.task) else []
    data = yield from dataSteps(asked.data, loopback, classes)
    if classes:
        config = {**config, "classes": json.dumps(classes)}
    elif asked.data.columns:
        config = {**config, "labels": ",".join(asked.data.columns)}
    study = {
        "task": asked.task, "preset": asked.preset, "config": config, "arms": asked.arms, asked.unit: list(asked.sizes),
        "seeds": asked.seeds, "metric": asked.metric, "reference": asked.reference, "budget": asked.budget,
    }  # fmt: skip
    data = replace(data, test_fraction=asked.testFraction)
    return (yield api.submit(JobSpec("compare", "compare", study, data, **spec)))
