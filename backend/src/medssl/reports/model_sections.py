"""What a segmentation's page says of the model itself: post-processing, calibration, the networks of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medssl.inference.volumes.postprocessing import sentence
from medssl.reports.figures.plots import draw_reliability
from medssl.reports.html import Report
from medssl.reports.numbers import bounds, number

PARTS = {"validation": "validation images", "test": "test images"}


def add_model(report: Report, evaluation: Mapping[str, Any]) -> None:
    """The sections, of evaluations that say so."""
    _add_ensemble(report, evaluation.get("ensemble") or {})
    _add_postprocessing(report, evaluation)
    _add_calibration(report, evaluation.get("calibration") or {})


def _add_ensemble(report: Report, ensemble: Mapping[str, Any]) -> None:
    if not ensemble:
        return
    report.heading("The ensemble and its networks")
    report.text(ensemble["verdict"])
    rows = [
        [f"fold {fold['fold'] + 1}", fold["training"], fold["validation"], number(fold["validation_dice"]),
         number(fold["test_dice"]), _difference(fold)]
        for fold in ensemble["folds"]
    ]  # fmt: skip
    rows.append(["ensemble", "", "", number(ensemble["validation_dice"]), number(ensemble["test_dice"]), ""])
    report.table(
        ["network", "training images", "validation images", "Dice, validation", "Dice, test", "ensemble − network, test"],
        rows, "ensemble",
    )  # fmt: skip


def _difference(fold: Mapping[str, Any]) -> str:
    found = fold.get("difference") or {}
    return f"{found['value']:+.4f}\n{bounds(found['low'], found['high'], '+', 4)}" if found else "–"


def _add_postprocessing(report: Report, evaluation: Mapping[str, Any]) -> None:
    if "postprocessing" not in evaluation:
        return
    report.heading("Post-processing")
    steps: Sequence[Mapping[str, Any]] = evaluation["postprocessing"]
    if not steps:
        report.text("None: no change of the label maps was chosen on the validation images.")
        return
    report.text(
        "Chosen on the validation images, and part of the model from then on; the test images had no say in it."
    )
    rows = [
        [one["class"], sentence([one]), number(one["dice_before"]), number(one["dice_after"]), one["cases"]]
        for one in steps
    ]
    report.table(["class", "step", "Dice before", "Dice after", "images"], rows)


def _add_calibration(report: Report, calibration: Mapping[str, Any]) -> None:
    if not calibration:
        return
    report.heading("Do the probabilities hold?")
    temperature = calibration["validation"]["temperature"]
    report.text(
        f"The temperature of {temperature:.2f}, by which logits are divided for the uncertainty map, was fitted to the validation "
        "images. The expected calibration error (ECE) is of the class that a voxel gets, over random voxels in and near the labels; "
        "elsewhere nearly all is background, and easy."
    )
    rows = [
        [PARTS[part], number(found["ece_before"]), number(found["ece_after"]), found["voxels"]]
        for part, found in calibration.items()
    ]
    report.table(["voxels of", "ECE as trained", "ECE with the temperature", "voxels"], rows)
    part, found = list(calibration.items())[-1]  # of the test images, where there are any
    curves = {
        title: {"reliability": found[f"curve_{name}"]}
        for name, title in (("before", "as trained"), ("after", "calibrated"))
    }
    report.picture(
        draw_reliability(curves, "share of voxels that are right"),
        f"How often a voxel's class is right, against its probability, in {PARTS[part]}; bars: how many voxels have which.",
    )
