"""Findings in radiographs by the heads of a pretrained Ark, without training (Ma et al., Nature 2025)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch

from medssl.images.volume import Volume
from medssl.inference.classification.findings import Finding, read_findings
from medssl.inference.classification.views import Prediction, check_test_time, mean_with_interval, views_of
from medssl.inference.image_embedding import as_input, image_size, whole_image
from medssl.networks.network import HeadPredictor, Network

CountProgress = Callable[[int, int], None]


def predict_heads(
    images: Sequence[Volume], net: Network, test_time: str = "", progress: CountProgress | None = None
) -> list[list[Prediction]]:
    """What every head says of every image: per image a list over heads, of class: probability, low, high.

    Args:
        images: 2D radiographs, read one after another.
        net: in evaluation mode.
        test_time: none (also ""), mirror, ten-crop (of the image at 8/7 of the network's size): views whose probabilities
            are averaged, with their 95 % t interval.
        progress: called with (images done, images); may raise to stop.

    Raises:
        ConfigError: another test_time.
        VolumeError, InputError: an image that the model cannot take, see `whole_image`.
    """
    found = []
    for n in range(len(images)):
        found.append(by_head(head_probabilities(images[n], net, test_time), net))
        if progress is not None:
            progress(n + 1, len(images))
    return found


def predict_findings(
    images: Sequence[Volume],
    net: Network,
    findings: Sequence[Finding],
    test_time: str = "",
    progress: CountProgress | None = None,
) -> list[Prediction]:
    """How probable findings are in each image: the mean over the heads that know them, as fixed in `findings`.

    Args:
        images, net, test_time, progress: see `predict_heads`.
        findings: of `read_findings(net.sets, ...)`.

    Raises:
        ConfigError, VolumeError, InputError: see `predict_heads`.
    """
    found = []
    for n in range(len(images)):
        found.append(by_finding(head_probabilities(images[n], net, test_time), findings))
        if progress is not None:
            progress(n + 1, len(images))
    return found


@torch.inference_mode()
def head_probabilities(volume: Volume, net: Network, test_time: str = "") -> list[np.ndarray]:
    """(V, classes) of every head, of V views of an image."""
    wanted, size = check_test_time(test_time or "none"), image_size(net)
    image = whole_image(volume, net, for_crops=wanted == "ten-crop")
    views = views_of(torch.from_numpy(image), size, wanted).to(next(net.parameters()).device)
    return [head.double().cpu().numpy() for head in cast(HeadPredictor, net).probabilities(as_input(views, net))]


def by_head(probabilities: Sequence[np.ndarray], net: Network) -> list[Prediction]:
    """The answers of `head_probabilities` under the names of the heads' classes."""
    return [mean_with_interval(one["classes"], each.mean(axis=0), each) for one, each in zip(net.sets, probabilities)]


def by_finding(probabilities: Sequence[np.ndarray], findings: Sequence[Finding]) -> Prediction:
    """The answers of `head_probabilities`, averaged over the heads of each finding."""
    each = np.stack(
        [np.mean([probabilities[head][:, n] for head, n in finding.members], axis=0) for finding in findings], axis=1
    )  # (V, findings)
    return mean_with_interval([finding.name for finding in findings], each.mean(axis=0), each)


def heads_text(findings: Sequence[Finding], sets: Sequence[dict[str, Any]]) -> str:
    """Which heads are averaged for each finding, for reports: nothing about it was chosen by looking at images."""
    return f"Heads fixed beforehand, by the names of findings. {'; '.join(one.text(sets) for one in findings)}"


def head_rows(
    number: int, name: str, probabilities: Sequence[np.ndarray], net: Network, heads: Sequence[str],
    findings: Sequence[Finding],
) -> list[dict[str, Any]]:  # fmt: skip
    """The result's table of one image: a row per head and class, then one per finding that was asked for.

    No thresholds were chosen for these heads: `positive` is stated of classes alone that exclude each other.
    """
    rows = []
    shown = {head for finding in read_findings(net.sets, (), heads) for head, _ in finding.members}
    for head, prediction in enumerate(by_head(probabilities, net)):
        if head in shown:
            likeliest = max(prediction, key=lambda one: prediction[one][0])
            exclusive = net.sets[head]["kind"] == "multi-class"
            rows += [
                _row(number, name, net.sets[head]["name"], label, values, label == likeliest if exclusive else None)
                for label, values in prediction.items()
            ]
    for finding in findings:
        averaged = " + ".join(dict.fromkeys(net.sets[head]["name"] for head, _ in finding.members))
        values = by_finding(probabilities, [finding])[finding.name]
        rows.append(_row(number, name, averaged, finding.name, values, None))
    return rows


def _row(number: int, name: str, head: str, label: str, values: tuple, positive: bool | None) -> dict[str, Any]:
    probability, low, high = values
    return {
        "image": number, "name": name, "head": head, "class": label, "probability": probability, "low": low, "high": high,
        "threshold": None, "positive": positive,
    }  # fmt: skip
