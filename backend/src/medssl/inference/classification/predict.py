"""Probabilities of classes for whole images: by a fine-tuned classifier or a probe on embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor

from medssl.core.capabilities import CLASSES
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.evaluation.metrics.calibration import logits_of
from medssl.images.volume import Volume
from medssl.inference.capabilities import require
from medssl.inference.classification.probe_files import Probe, is_probe, open_probe
from medssl.inference.classification.views import (
    Prediction,
    check_test_time,
    interval_notes,
    mean_with_interval,
    views_of,
)
from medssl.inference.image_embedding import as_input, embedding_of, image_size, whole_image
from medssl.inference.mirroring import check_mirror, notes_on_mirroring, trained_mirrored
from medssl.inference.models import model_path
from medssl.networks.network import Network
from medssl.networks.weights.stating import with_geometry


def predict_images(
    images: Sequence[Volume],
    net: Network | Probe,
    test_time: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> list[Prediction]:
    """How probable each class is in each image.

    With several views the probability is their mean, and low and high are its 95 % t interval; with one they are None.
    The temperatures of the plan, found on validation images, are applied to the mean.

    Args:
        images: 2D radiographs or volumes, as the model takes them; read one after another.
        net: a classification network with its plan, or a probe.
        test_time: none, mirror (left and right; of volumes every axis), ten-crop (centre, corners, mirrored ones; of volumes
            centre, mirrored centre and eight corners); "": as the model was trained. A volume is never mirrored for a model
            that learnt from no mirrored one.
        progress: called with (images done, images); may raise to stop.

    Raises:
        WeightsError: a model of another task.
        ConfigError: another test_time, or mirror asked of a model of volumes that never saw a mirrored one.
        VolumeError, InputError: an image that the model cannot take, see `whole_image`.
    """
    plan = check_predictor(net)
    wanted = chosen_test_time(test_time, plan)
    found = []
    for n in range(len(images)):
        found.append(_predict_one(images[n], net, plan, wanted))
        if progress is not None:
            progress(n + 1, len(images))
    return found


def check_predictor(net: Network | Probe) -> Plan:
    """The plan of a model that predicts.

    Raises:
        WeightsError: a model of another task.
    """
    require(net.plan, CLASSES)
    return net.plan


def calibrate(probabilities: np.ndarray, names: Sequence[str], kind: str, temperatures: dict[str, float]) -> np.ndarray:
    """Probabilities (..., C) as they are once their logits are divided by the classes' temperatures."""
    temperature = np.array([temperatures.get(name, 1.0) for name in names])
    if (temperature == 1.0).all():
        return np.asarray(probabilities, float)
    rows = np.atleast_2d(probabilities)
    if kind == "multi-class":
        scaled = special.softmax(logits_of(rows) / temperature, axis=1)
    else:
        scaled = special.expit(np.stack([logits_of(column) for column in rows.T], axis=1) / temperature)
    return scaled.reshape(np.shape(probabilities))


def load_predictor(reference: str, home: Path, model: Callable[[str, str], Network], part: str = "") -> Network | Probe:
    """The network or probe that a job id or a path names.

    Args:
        reference: of a fine-tuned model, a probe or a pretrained Ark.
        home: where job ids are looked up.
        model: loads a network by job id or path, and by part.
        part: student or teacher; "" as the file's method has it. A probe stands on the part it was made with.

    Raises:
        NotFoundError: no such job or file, or the model under a probe is gone.
        WeightsError: the file cannot be used, or the model under a probe is another one now.
    """
    path = model_path(home, reference)
    return open_probe(path, lambda source: model(source, "")) if is_probe(path) else model(reference, part)


def predictor_with_geometry(net: Network | Probe, geometry: Geometry) -> Network | Probe:
    """The same with what a user states of the training images, where its file records nothing; of a probe the model below it.

    Raises:
        WeightsError: the file records another geometry.
    """
    if not isinstance(net, Probe):
        return with_geometry(net, geometry)
    below = with_geometry(net.net, geometry)
    return replace(net, net=below, plan=replace(net.plan, geometry=below.plan.geometry))


def class_rows(predictions: Sequence[Prediction], names: Sequence[str], plan: Plan) -> list[dict[str, Any]]:
    """The result's table: a row per image and class; of several classes that exclude each other the likeliest is positive."""
    rows = []
    for number, (name, prediction) in enumerate(zip(names, predictions)):
        likeliest = max(prediction, key=lambda one: prediction[one][0])
        for label, (probability, low, high) in prediction.items():
            threshold = None if plan.task["kind"] == "multi-class" else plan.task.get("thresholds", {}).get(label, 0.5)
            positive = label == likeliest if threshold is None else probability >= threshold
            rows.append(
                {
                    "image": number, "name": name, "class": label, "probability": probability, "low": low, "high": high,
                    "threshold": threshold, "positive": bool(positive),
                }
            )  # fmt: skip
    return rows


def chosen_test_time(wanted: str, plan: Plan) -> str:
    """How views are averaged: as is asked for, or else as the model was trained.

    Raises:
        ConfigError: no such way, or mirrored volumes asked of a model that never saw one.
    """
    check_mirror(plan, wanted == "mirror" and len(plan.input_size) == 3)
    return check_test_time(wanted or str(plan.task.get("test_time", "none")))


def view_notes(wanted: str, plan: Plan) -> list[str]:
    """What an answer says of the views it was averaged over."""
    axes = len(plan.input_size)
    intervals = interval_notes(chosen_test_time(wanted, plan), axes, trained_mirrored(plan) is not False)
    return [*intervals, *view_doubts(wanted, plan)]


def view_doubts(wanted: str, plan: Plan) -> tuple[str, ...]:
    """What whoever asks for mirrored volumes should know of a model whose file says nothing of them."""
    return notes_on_mirroring(plan, wanted == "mirror" and len(plan.input_size) == 3)


def _predict_one(volume: Volume, net: Network | Probe, plan: Plan, test_time: str) -> Prediction:
    network = net.net if isinstance(net, Probe) else net
    image = torch.from_numpy(whole_image(volume, network, for_crops=test_time == "ten-crop"))
    views = views_of(image, image_size(network), test_time, trained_mirrored(plan) is not False)  # (V, 1, *size)
    kind, names = plan.task["kind"], list(plan.task["classes"])
    raw = _probabilities(views, net, kind)  # (V, C)
    temperatures = plan.task.get("temperature", {})
    mean = calibrate(raw.mean(axis=0), names, kind, temperatures)
    each = calibrate(raw, names, kind, temperatures)
    return mean_with_interval(names, mean, each)


@torch.inference_mode()
def _probabilities(views: Tensor, net: Network | Probe, kind: str) -> np.ndarray:
    """(V, C) of views (V, 1, *size); one at a time where the network normalises by the batch at hand."""
    network = net.net if isinstance(net, Probe) else net
    device, released = next(network.parameters()).device, network.plan.fidelity == "released"
    found = []
    for some in views.to(device).split(1 if released and views.ndim == 5 else len(views)):
        if isinstance(net, Probe):
            features = embedding_of(network, some, net.plan.task.get("features", "")).float().cpu().numpy()
            found.append(net.head.probabilities(features, kind))
        else:
            logits = network(as_input(some, network)).double().cpu()
            found.append((logits.softmax(dim=1) if kind == "multi-class" else logits.sigmoid()).numpy())
    return np.concatenate(found)
