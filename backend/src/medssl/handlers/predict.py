"""Predict probabilities by a fine-tuned classifier, a probe or a pretrained Ark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medssl.core.capabilities import HEADS
from medssl.core.errors import InputError, WeightsError
from medssl.core.geometry import stated_geometry
from medssl.core.plan import Plan
from medssl.core.requests import PredictRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import note_geometry
from medssl.images.planes import as_plane
from medssl.images.volume import Volume
from medssl.inference.capabilities import can, refusal
from medssl.inference.classification.ark_heads import head_probabilities, head_rows, heads_text
from medssl.inference.classification.findings import read_findings
from medssl.inference.classification.predict import (
    check_predictor,
    class_rows,
    load_predictor,
    predict_images,
    predictor_with_geometry,
    view_notes,
)
from medssl.inference.classification.probe_files import Probe
from medssl.inference.classification.views import interval_notes
from medssl.networks.network import Network

TableAndInfo = tuple[list[dict[str, Any]], dict[str, Any]]


def predict(request: PredictRequest, context: Context) -> None:
    """Answer with a table of probabilities, and the same as a file: class by class, of an Ark head by head.

    Raises:
        InputError: no images.
        NotFoundError, WeightsError: see `load_predictor`; heads or findings of a model that has no heads by name.
        VolumeError, ConfigError: see `predict_images`.
    """
    if not request.images:
        raise InputError("0 images", "are too few", "Choose an image", code="too-few-images")
    context.progress(0.0, "loading the model")
    net = load_predictor(
        request.model, context.home, lambda model, part: context.model(model, "", request.device, part), request.part
    )
    net = predictor_with_geometry(net, stated_geometry(request.orientation, request.spacing))
    if isinstance(net, Network) and can(net.plan, HEADS):  # a probe has none
        table, info = _by_head(request, net, context)
    else:
        table, info = _by_class(request, net, context)
    write_table(table, context.folder / "table.csv")
    context.finish(["table.csv"], table, info)


def _by_class(request: PredictRequest, net: Network | Probe, context: Context) -> TableAndInfo:
    plan = check_predictor(net)
    if wanted := (*request.heads, *request.findings):
        lacking = refusal(plan, HEADS)
        raise WeightsError(
            f"model {request.model} asked for {', '.join(wanted)}",
            lacking.rule,
            f"{lacking.remedy}, or ask for none",
            code="no-named-heads",
        )
    notes = view_notes(request.test_time, plan)  # and what is refused, before an image is read
    predictions, names = [], []
    for name, volume in _images(request, context, plan):
        names.append(name)
        predictions += predict_images([volume], net, request.test_time)
    return class_rows(predictions, names, plan), {
        "names": names, "classes": plan.task["classes"], "kind": plan.task["kind"], "model": request.model,
        "notes": notes,
    }  # fmt: skip


def _by_head(request: PredictRequest, net: Network, context: Context) -> TableAndInfo:
    columns = read_findings(net.sets, request.findings, request.heads)
    findings = columns if request.findings else []
    table: list[dict[str, Any]] = []
    names: list[str] = []
    for name, volume in _images(request, context, net.plan):
        probabilities = head_probabilities(volume, net, request.test_time)
        table += head_rows(len(names), name, probabilities, net, request.heads, findings)
        names.append(name)
    notes = interval_notes(request.test_time or "none", 2) + ([heads_text(findings, net.sets)] if findings else [])
    return table, {
        "names": names, "classes": [column.name for column in columns], "kind": "heads", "model": request.model,
        "sets": net.sets, "findings": [{"name": one.name, "text": one.text(net.sets)} for one in findings], "notes": notes,
    }  # fmt: skip


def _images(request: PredictRequest, context: Context, plan: Plan) -> Iterator[tuple[str, Volume]]:
    """Name and image of each reference, read when its turn comes."""
    for n, ref in enumerate(request.images):
        context.progress(n / len(request.images), f"image {n + 1} of {len(request.images)}")
        volume = context.volume(ref)
        name = ref.name or volume.name or f"image {n + 1}"
        seen = as_plane(volume, ref.view, ref.inverted) if ref.view or ref.inverted else volume
        note_geometry(context, seen, plan, ref.view, name if len(request.images) > 1 else "")
        yield name, seen
