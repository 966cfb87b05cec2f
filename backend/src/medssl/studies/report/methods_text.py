"""How a study was done, in sentences that a methods section can take over."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medssl.studies.comparison.config import PASSES, Study
from medssl.studies.comparison.plan import FINISHED, RunResult, reference_of
from medssl.studies.results.numbers import metric_title

PACKAGES = ("medssl", "torch", "monai", "timm", "numpy", "scipy", "scikit-learn")
BUDGET = ("steps", "batch_size", "accumulate", "learning_rate", "weight_decay", "optimizer", "schedule", "warmup_steps")


def versions() -> dict[str, str]:
    """Of what computes the results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def statements(study: Study, about: dict[str, Any]) -> list[str]:
    """Every choice: split, selection, budget, seeds, tests, versions."""
    return [
        *_data(study, about),
        "Selection: in every run the weights with the least validation loss (for probes, the penalty with the least) are "
        "kept, and thresholds and calibration come from validation; test images are looked at once, at the end of a run. "
        "Nothing is chosen by test results: every arm, size and seed of the study is reported.",
        f"Seeds: {', '.join(map(str, study.seeds))}. The seed decides which patients are drawn from the training set, the "
        "new layers' weights, the samples and their augmentation; all arms of a seed share the patients. The smaller "
        "training sets of a seed are parts of its larger ones.",
        f"Budget: {_budget(study)}.",
        *_statistics(study),
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".",
    ]


def arm_rows(study: Study, outcomes: list[RunResult], about: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """A row per arm: weights, network, what the transfer said, settings that differ between arms."""
    heads = ["arm", "weights", "SHA-256", "parameters", "transfer", "own settings"]
    different = _different([arm.config for arm in study.arms])
    rows = []
    for arm in study.arms:
        weights = about["weights"][arm.name]
        facts = _start_facts(outcomes, arm.name)
        own = ", ".join(f"{name} = {_at(arm.config, name)}" for name in different)
        parameters = f"{facts['parameters']:,}" if "parameters" in facts else "-"
        source = Path(weights["path"]).name if weights["path"] else "none (from scratch)"
        rows.append([arm.name, source, weights["sha256"][:12], parameters, facts.get("transfer", "-"), own or "-"])
    return heads, rows


def budget_notes(study: Study, outcomes: list[RunResult]) -> list[str]:
    """What makes the comparison less than fair."""
    notes = []
    budgets = {tuple(arm.config.get("training", {}).get(name) for name in BUDGET[:3]) for arm in study.arms}
    if len(budgets) > 1:
        notes.append("The arms have different budgets (steps, batch size): see their settings.")
    sizes = {arm.name: _start_facts(outcomes, arm.name).get("parameters") for arm in study.arms}
    if len({size for size in sizes.values() if size}) > 1:
        text = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
        notes.append(f"The arms have networks of different size (parameters: {text}): more than the weights differs.")
    return notes


def _data(study: Study, about: dict[str, Any]) -> list[str]:
    sentences = []
    for value, counts in about["data"]["counts"].items():
        where = f" with {study.train_on} = {value}" if value else ""
        parts = ", ".join(
            f"{name} {counts[name]} patients ({counts[f'{name} images']} images)"
            for name in ("training", "validation", "test")
        )
        sentences.append(
            f"Split{where}: {parts}; no patient is in two parts, and the split is the same for all runs (split.csv)."
        )
    sentences += [f"{note}." for note in about["data"]["notes"]]
    return sentences


def _budget(study: Study) -> str:
    config = study.arms[0].config.get("training")
    if config is None:
        return "a probe is fitted to convergence"
    planned = {"batch_size": "as planned"} if not config["batch_size"] else {}
    shared = ", ".join(f"{name.replace('_', ' ')} {planned.get(name, config[name])}" for name in BUDGET)
    passes = ""
    if study.budget == PASSES:
        passes = (
            "; equal passes: runs on fewer training images have fewer steps in proportion, the largest has all of them"
        )
    return f"{shared} (first arm; equal for all arms unless their settings say otherwise{passes})"


def _statistics(study: Study) -> list[str]:
    lines = [
        f"{metric_title(study.metric)} is that of the whole test set in each run. Tables show means over seeds, standard deviations "
        "(n - 1) and 95 % t intervals of the mean: they tell how much training varies, on these test patients.",
    ]
    if study.replicates and len(study.seeds) > 1:
        lines.append(
            "The crossed bootstrap draws test patients and, independently of them, seeds, all arms alike, and gives Student's "
            "interval of the difference with Satterthwaite's degrees of freedom: it tells whether a difference would be there with "
            "other patients and other seeds. It decides."
        )
    if study.replicates:
        lines.append(
            f"The patient bootstrap draws test patients {study.replicates} times, all arms alike, and compares means over "
            "seeds (BCa intervals): it tells how the result could change with other patients, for these trainings."
        )
    if any(reference_of(study, arm) for arm in study.arms):
        lines.append(
            "p-values are two-sided. Holm's correction counts, for each test by itself, every comparison of the study."
        )
    return lines


def _start_facts(outcomes: list[RunResult], arm: str) -> dict[str, Any]:
    return next((o.about for o in outcomes if o.key.arm == arm and o.state == FINISHED), {})


def _different(configs: list[dict[str, Any]], path: str = "") -> list[str]:
    """The names of settings that are not the same in all configs."""
    found = []
    for name, value in configs[0].items():
        values = [config[name] for config in configs]
        if isinstance(value, dict):
            found += _different(values, f"{path}{name}.")
        elif any(other != value for other in values):
            found.append(path + name)
    return found


def _at(config: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        config = config[name]
    return config
