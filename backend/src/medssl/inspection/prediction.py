"""Probabilities of classes for whole images, by a fine-tuned classifier or a probe on embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor, nn

from medssl.data.planes import as_plane
from medssl.data.ten_crop import ten_crops
from medssl.data.volume import Volume
from medssl.errors import ConfigError, InputError, WeightsError
from medssl.evaluation.calibration import logits_of
from medssl.inspection.image_embedding import as_input, centre, embedding_of, image_size, whole_image
from medssl.inspection.models import model_path
from medssl.inspection.probes import Probe, is_probe, open_probe
from medssl.inspection.tables import write_table
from medssl.inspection_requests import PredictRequest, images_from_json
from medssl.networks.plan import Plan

if TYPE_CHECKING:
    from medssl.inspection.context import FolderContext

TASKS = ("classification", "probing")
TEST_TIME = ("none", "mirror", "ten-crop")
CONFIDENCE = 0.95
INTERVALS = (
    "low and high: 95 % t interval of the mean over {} views of each image; they tell how much the answer depends on the "
    "view, not how often it is right"
)
Prediction = dict[str, tuple[float, float | None, float | None]]  # class: probability, low, high


def predict(
    images: Sequence[Volume],
    net: nn.Module | Probe,
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
            centre, mirrored centre and eight corners); "": as the model was trained.
        progress: called with (images done, images); may raise to stop.

    Raises:
        WeightsError: a model of another task.
        ConfigError: another test_time.
        VolumeError, InputError: an image that the model cannot take, see `whole_image`.
    """
    plan = check_predictor(net)
    wanted = test_time or str(plan.task.get("test_time", "none"))
    if wanted not in TEST_TIME:
        raise ConfigError(f"test_time = {wanted!r}", "is not a choice", f"Use one of {', '.join(TEST_TIME)}")
    found = []
    for n in range(len(images)):
        found.append(_predict_one(images[n], net, plan, wanted))
        if progress is not None:
            progress(n + 1, len(images))
    return found


def check_predictor(net: nn.Module | Probe) -> Plan:
    """The plan of a model that predicts.

    Raises:
        WeightsError: a model of another task.
    """
    plan = cast(Plan, net.plan)
    if plan.task.get("name") not in TASKS:
        what = f"task {plan.task['name']!r}" if plan.task else f"method {plan.method!r}"
        raise WeightsError(
            f"model of {what}", "does not predict classes", "Choose a model fine-tuned for classification, or a probe"
        )
    return plan


def calibrate(probabilities: np.ndarray, names: Sequence[str], kind: str, temperatures: dict[str, float]) -> np.ndarray:
    """Probabilities (..., C) as they are once their logits are divided by the classes' temperatures."""
    heat = np.array([temperatures.get(name, 1.0) for name in names])
    if (heat == 1.0).all():
        return np.asarray(probabilities, float)
    rows = np.atleast_2d(probabilities)
    if kind == "multi-class":
        scaled = special.softmax(logits_of(rows) / heat, axis=1)
    else:
        scaled = special.expit(np.stack([logits_of(column) for column in rows.T], axis=1) / heat)
    return scaled.reshape(np.shape(probabilities))


def load_predictor(reference: str, home: Path, model: Callable[[str], nn.Module]) -> nn.Module | Probe:
    """The network or probe that a job id or a path names.

    Args:
        reference: of a fine-tuned model or a probe.
        home: where job ids are looked up.
        model: loads a network by job id or path.

    Raises:
        NotFoundError: no such job or file, or the model under a probe is gone.
        WeightsError: the file cannot be used, or the model under a probe is another one now.
    """
    path = model_path(home, reference)
    return open_probe(path, model) if is_probe(path) else model(reference)


def rows_of(predictions: Sequence[Prediction], names: Sequence[str], plan: Plan) -> list[dict[str, Any]]:
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


def inspect(request: dict[str, Any], context: FolderContext) -> None:
    """Answer a PredictRequest: a table of probabilities, and the same as a file."""
    asked: PredictRequest = images_from_json(PredictRequest, request)
    if not asked.images:
        raise InputError("0 images", "are too few", "Choose an image")
    context.progress(0.0, "loading the model")
    net = load_predictor(asked.model, context.home, lambda model: context.model(model, "", asked.device))
    plan = check_predictor(net)
    predictions, names = [], []
    for n, ref in enumerate(asked.images):
        context.progress(n / len(asked.images), f"image {n + 1} of {len(asked.images)}")
        volume = context.volume(ref)
        names.append(ref.name or volume.name or f"image {n + 1}")
        volume = as_plane(volume, ref.view, ref.inverted) if ref.view or ref.inverted else volume
        predictions += predict([volume], net, asked.test_time)
    table = rows_of(predictions, names, plan)
    write_table(table, context.folder / "table.csv")
    info = {
        "names": names, "classes": plan.task["classes"], "kind": plan.task["kind"], "model": asked.model,
        "notes": interval_notes(asked.test_time, plan),
    }  # fmt: skip
    context.finish(["table.csv"], table, info)


def interval_notes(test_time: str, plan: Plan) -> list[str]:
    """What low and high mean."""
    wanted = test_time or str(plan.task.get("test_time", "none"))
    views = {"none": 1, "mirror": 2 if len(plan.input_size) == 2 else 8, "ten-crop": 10}[wanted]
    return [INTERVALS.format(views)] if views > 1 else []


def _predict_one(volume: Volume, net: nn.Module | Probe, plan: Plan, test_time: str) -> Prediction:
    network = net.net if isinstance(net, Probe) else net
    image = torch.from_numpy(whole_image(volume, network))
    views = _views(image, image_size(network), test_time)  # (V, 1, *size)
    kind, names = plan.task["kind"], list(plan.task["classes"])
    raw = _probabilities(views, net, kind)  # (V, C)
    temperatures = plan.task.get("temperature", {})
    mean = calibrate(raw.mean(axis=0), names, kind, temperatures)
    if len(raw) == 1:
        return {name: (float(p), None, None) for name, p in zip(names, mean)}
    spread = calibrate(raw, names, kind, temperatures).std(axis=0, ddof=1) / np.sqrt(len(raw))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(raw) - 1) * spread
    ends = np.clip([mean - half, mean + half], 0.0, 1.0)
    return {name: (float(p), float(a), float(b)) for name, p, a, b in zip(names, mean, *ends)}


def _views(image: Tensor, size: Sequence[int], test_time: str) -> Tensor:
    """(V, 1, *size) of an image (*larger)."""
    middle = centre(image, size)
    if test_time == "none":
        return middle[None, None]
    if test_time == "mirror":
        axes = (1,) if len(size) == 2 else (0, 1, 2)  # left and right of a radiograph (rows, columns)
        turns = [some for n in range(len(axes) + 1) for some in itertools.combinations(axes, n)]
        return torch.stack([middle.flip(turn) for turn in turns])[:, None]
    if len(size) == 2:
        return ten_crops(image[None, None], size[0])[0]
    corners = itertools.product(*((0, whole - side) for whole, side in zip(image.shape, size)))
    crops = [image[tuple(slice(a, a + side) for a, side in zip(corner, size))] for corner in corners]
    return torch.stack([middle, middle.flip(0), *crops])[:, None]


@torch.inference_mode()
def _probabilities(views: Tensor, net: nn.Module | Probe, kind: str) -> np.ndarray:
    """(V, C) of views (V, 1, *size); one at a time where the network normalises by the batch at hand."""
    network = net.net if isinstance(net, Probe) else net
    device, released = next(network.parameters()).device, cast(Plan, network.plan).fidelity == "released"
    found = []
    for some in views.to(device).split(1 if released and views.ndim == 5 else len(views)):
        if isinstance(net, Probe):
            features = embedding_of(network, some).float().cpu().numpy()
            found.append(net.head.probabilities(features, kind))
        else:
            logits = network(as_input(some, network)).double().cpu()
            found.append((logits.softmax(dim=1) if kind == "multi-class" else logits.sigmoid()).numpy())
    return np.concatenate(found)
