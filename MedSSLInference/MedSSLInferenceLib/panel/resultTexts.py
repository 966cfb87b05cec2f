"""Results in words."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.comparison.radiographGroup import CHART, FIND, PARTS, POINTS, WARPED
from MedSSLInferenceLib.scene.results import (
    CASES,
    LANDMARKS,
    PLACES,
    PREDICTION,
    RESTORATION,
    SALIENCY,
    SEGMENTATION,
    UNCERTAINTY,
    Result,
)


def kindTitles() -> dict[str, str]:
    """What each kind of result is called."""
    return {
        RESTORATION: _("Restoration"), POINTS: _("Points"), FIND: _("Find"), PARTS: _("Parts"),
        CHART: _("Patch map"), SEGMENTATION: _("Segments"), UNCERTAINTY: _("Uncertainty"), SALIENCY: _("Where"), PREDICTION: _("Prediction"),
        CASES: _("Similar cases"), LANDMARKS: _("Landmarks"), WARPED: _("Warp"), PLACES: _("Places"),
    }  # fmt: skip


def _sentences() -> dict[str, str]:
    """What each kind of result is, in a sentence."""
    return {
        RESTORATION: _("Restoration of {images}."), POINTS: _("Points of equal anatomy in {images}."),
        FIND: _("A point, and what is like it, in {images}."), PARTS: _("Anatomical parts of {images}."),
        CHART: _("Map of the patches of {images}."), SEGMENTATION: _("Segments of {images}."),
        UNCERTAINTY: _("Where the segments of {images} are unsure."),
        SALIENCY: _("Where in {images} a finding is seen."), PREDICTION: _("Prediction of {images}."),
        CASES: _("Cases similar to {images}."), LANDMARKS: _("Errors at landmarks."),
        WARPED: _("The first of {images}, bent onto another."),
        PLACES: _("Places of one volume found in another: {images}."),
    }  # fmt: skip


def imageNames(result: Result) -> str:
    """The images that a result is of."""
    names = [image.GetName() if image is not None else _("(removed)") for image in result.images]
    return ", ".join(names) or _("(tables)")


def resultCard(result: Result, models: dict[str, str]) -> str:
    """What is known of a result, in a few sentences.

    Args:
        models: names of models by their references.
    """
    title = _sentences().get(result.kind, _("Result of {images}."))
    parts = [title.format(images=imageNames(result))]
    model = modelOf(result)
    if model:
        parts.append(_("By {model}.").format(model=models.get(model) or Path(model).name))
    if result.made:
        parts.append(_("Made {time}.").format(time=result.made.replace("T", " ")[:16]))
    if not result.complete and result.images:
        parts.append(_("An image of it was removed from the scene, so it can only be cleared."))
    return " ".join(parts)


def modelOf(result: Result) -> str:
    """The reference of the model that made a result; "" where it was not noted."""
    nodes = [*result.nodes, *([result.group.node] if result.group is not None else [])]
    named = (node.GetAttribute("MedSSL.model") for node in nodes)
    saliency = (node.GetAttribute("MedSSL.saliency") for node in result.layers)
    return next(filter(None, named), "") or next((key.split("|")[0] for key in saliency if key), "")
