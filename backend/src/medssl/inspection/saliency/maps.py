"""Where in a radiograph does a finding's probability come from?"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.core.plan import Plan
from medssl.datasets.crops.classification_images import enlarged
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.radiograph import Radiograph, as_radiograph
from medssl.images.resizing import aspect_kept, resized_to
from medssl.images.volume import Volume
from medssl.inference.image_embedding import as_input, centre, image_size, whole_image
from medssl.inspection.saliency.randomisation_check import Check, rank_check
from medssl.inspection.saliency.target import Target, find_target, log_odds, probability_of
from medssl.networks.network import Explained, Network

METHODS = {"grad-cam": "Integrated Grad-CAM", "occlusion": "Occlusion"}
NETWORKS = {"grad-cam": 3, "occlusion": 2}  # random ones the map is compared with; each costs as much as the map
STEPS, WIDTH = 12, 3  # of the occluding square: per side of what the network sees, and the square's own side
BATCH = 16
POINTS = 16  # of the line along which gradients are taken

Progress = Callable[[float, str], None]


def _silent(share: float, message: str) -> None:
    """Progress that nobody wants to hear."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """A saliency map of one finding.

    Attributes:
        map: (rows, columns) float32, 0...1, in pixels of `source`; 0 where nothing speaks for the finding, and where the
            network does not look: uniform borders, and what a centre crop leaves out.
        scores: (n, n) of the map's cells before negative ones became 0 and the largest 1.
        source: the 2D image (column, row).
        probability: of the finding, from the same single look.
        peak: the largest score, in log-odds of the finding; 0 where nothing speaks for it. The map does not show how much it is.
        target: finding and head.
        method: grad-cam, occlusion.
        check: with random networks, or None where none was asked for.
        text: all of that in a line, to be shown with the map.
        notes: what the user should know.
    """

    map: np.ndarray
    scores: np.ndarray
    source: Volume
    probability: float
    peak: float
    target: Target
    method: str
    check: Check | None
    text: str
    notes: tuple[str, ...] = ()


def saliency_map(
    volume: Volume,
    net: Network,
    finding: str,
    head: str = "",
    method: str = "grad-cam",
    check: bool = True,
    progress: Progress = _silent,
    view: str = "",
    inverted: bool = False,
) -> Saliency:
    """Map how much each place of a radiograph speaks for a finding.

    What is explained is the finding's log-odds, which a saturated probability would hide, and which of classes that exclude
    each other does not change when all of their logits grow alike.

    Args:
        volume: a radiograph, or 3D with a view.
        net: an Ark or a fine-tuned Swin classifier, with its plan: an `Explained`.
        finding: a class of the model, or a synonym of one.
        head: of an Ark; "": the first head that knows the finding.
        method: grad-cam (after Selvaraju et al., ICCV 2017; see `grad_cam`), or occlusion (Zeiler and Fergus, ECCV 2014)
            by a grey square; the latter takes 196 looks of the network instead of 16.
        check: compare with the maps of networks with random weights (Adebayo et al., NeurIPS 2018).
        progress: called with a fraction 0...1 and a message; may raise to stop.
        view, inverted: see `as_radiograph`.

    Raises:
        ConfigError: another method.
        WeightsError: a model without tokens or without the finding.
        VolumeError, InputError: an image that the model cannot take, see `whole_image`.
    """
    if method not in METHODS:
        raise ConfigError(
            f"method = {method!r}", "is not a choice", f"Use one of {', '.join(METHODS)}", code="method-unknown"
        )
    target = find_target(net, finding, head)
    plan = cast(Plan, net.plan)
    image = as_radiograph(volume, view, inverted, NormalisationConfig(**plan.normalisation), plan.modality)
    looked = torch.from_numpy(whole_image(volume, net, view, inverted))
    looked = centre(looked, image_size(net))[None, None].to(next(net.parameters()).device)  # (1, 1, side, side)
    rounds = 1 + (NETWORKS[method] if check else 0)

    def scores_of(network: Network, turn: int) -> np.ndarray:
        message = METHODS[method] if turn == 0 else f"random network {turn} of {rounds - 1}"
        progress(turn / rounds, message)
        score = grad_cam if method == "grad-cam" else occlusion
        return score(network, looked, target, lambda share: progress((turn + share) / rounds, message))

    scores = scores_of(net, 0)
    probability = probability_of(net, _pooled(net, looked), target)
    checked = rank_check(scores, net, rounds - 1, scores_of) if check else None
    notes = list(image.notes)
    if scores.max() <= 0:
        notes.append(f"Nothing in the image speaks for {target.title}: the map is empty")
    peak = max(0.0, float(scores.max()))
    text = _text(method, target, probability, peak, checked)
    found = map_over_image(positive_scores(scores), image, net)
    return Saliency(found, scores, image.volume, probability, peak, target, method, checked, text, tuple(notes))


def grad_cam(
    net: Network,
    looked: Tensor,
    target: Target,
    progress: Callable[[float], None] = lambda share: None,
    points: int = POINTS,
) -> np.ndarray:
    """Scores (cells, cells) of an image (1, 1, side, side) in 0...1: what each place adds to the log-odds.

    Grad-CAM multiplies activations by the log-odds' gradient and sums over the channels. Here the activations are differences
    from the image's mean place, and the gradient is the mean along the straight line from there (integrated gradients, Sundararajan et al.,
    ICML 2017), so that with many points the scores add up to what the image says more than its mean does.
    Places of a Swin are its patch tokens before any attention: behind the windows tokens have exchanged what they saw, and on networks whose
    evidence was planted at a known place, tokens of the later stages were brightest there in anything from none to all of the
    images, with local gradients or integrated ones. Places of a convolutional network are the cells of its last feature map: where one linear
    layer follows their mean, this is the class activation map (Zhou et al., CVPR 2016) less its mean.
    """
    explained = cast(Explained, net)
    with torch.no_grad():
        x = explained.places(as_input(looked, net))  # (1, n, n, C)
        mean = x.mean(dim=(1, 2), keepdim=True)
    slope = torch.zeros_like(x)
    for n in range(points):
        progress(n / points)
        with torch.enable_grad():
            start = (mean + (n + 0.5) / points * (x - mean)).requires_grad_()
            log_odd = log_odds(net, explained.pooled(start), target).sum()
            slope += torch.autograd.grad(log_odd, start)[0] / points
    added = (slope * (x - mean)).sum(dim=3)[0].double().cpu().numpy()
    cells = explained.cells or len(added)
    return added.reshape(cells, len(added) // cells, cells, -1).sum(axis=(1, 3))


@torch.no_grad()
def occlusion(
    net: Network, looked: Tensor, target: Target, progress: Callable[[float], None] = lambda share: None
) -> np.ndarray:
    """Scores (STEPS, STEPS) of an image (1, 1, side, side) in 0...1: by how much the log-odds fall, in the mean, when a square
    in the image's mean grey hides the place."""
    side, grey = looked.shape[-1], float(looked.mean())
    edges = np.rint(np.linspace(0, side, STEPS + 1)).astype(int)
    spans = [(max(n, 0), min(n + WIDTH, STEPS)) for n in range(1 - WIDTH, STEPS)]  # those at the border are cut off
    places = list(itertools.product(spans, spans))
    before = float(log_odds(net, _pooled(net, looked), target))
    total, count = np.zeros((STEPS, STEPS)), np.zeros((STEPS, STEPS))
    for first in range(0, len(places), BATCH):
        progress(first / len(places))
        some = places[first : first + BATCH]
        hidden = looked.repeat(len(some), 1, 1, 1)
        for one, ((top, bottom), (left, right)) in zip(hidden, some):
            one[:, edges[top] : edges[bottom], edges[left] : edges[right]] = grey
        after = log_odds(net, _pooled(net, hidden), target).double().cpu().numpy()
        for ((top, bottom), (left, right)), value in zip(some, after):
            total[top:bottom, left:right] += before - value
            count[top:bottom, left:right] += 1
    return total / count


def positive_scores(scores: np.ndarray) -> np.ndarray:
    """Scores in 0...1: what speaks against the finding is 0, the largest 1."""
    kept = np.clip(scores, 0, None)
    return kept / kept.max() if kept.max() > 0 else kept


def map_over_image(cells: np.ndarray, image: Radiograph, net: Network) -> np.ndarray:
    """Cells (n, n) over what the network saw, as a map (rows, columns) of the whole source."""
    found = np.zeros(image.volume.shape[::-1], np.float32)
    rows, columns = image.pixels.shape
    top, left, height, width = 0, 0, rows, columns
    if net.framing != "whole":  # the centre of the centre square, see `whole_image`
        side = image_size(net)[0]
        larger = enlarged((side,))[0]
        scaled = aspect_kept((rows, columns), larger)
        height, width = (round(side * n / m) for n, m in zip((rows, columns), scaled))
        top, left = (round(((m - larger) // 2 + (larger - side) // 2) * n / m) for n, m in zip((rows, columns), scaled))
    inside = slice(image.y0 + top, image.y0 + top + height), slice(image.x0 + left, image.x0 + left + width)
    found[inside] = resized_to(cells, (height, width)).clip(0, 1)
    return found


def _pooled(net: Network, images: Tensor) -> Tensor:
    """Features (N, D) of images (N, 1, side, side) in 0...1."""
    explained = cast(Explained, net)
    with torch.no_grad():
        return explained.pooled(explained.places(as_input(images, net)))


def _text(method: str, target: Target, probability: float, peak: float, check: Check | None) -> str:
    """The map is drawn from 0 to its own largest value, however small: so the text says how much that is."""
    what = f"{METHODS[method]} of {target.title}, probability {probability:.2f}, brightest {peak:+.2g} log-odds"
    return f"{what}; {check.text}" if check else what
