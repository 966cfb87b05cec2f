"""Whole images as a network sees them, and one embedding for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from medssl.core.capabilities import EMBED
from medssl.core.errors import ConfigError, InputError, VolumeError, WeightsError
from medssl.core.plan import Plan
from medssl.datasets.crops.classification_images import enlarged
from medssl.images.geometry import reorient
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.model_window import modality_for
from medssl.images.intensity.normalise import FIXED, resolve, window
from medssl.images.intensity.volume_statistics import compute, extremes
from medssl.images.points import MARGIN, box_around, check_inside, index_of, padded_box
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.resampling import resample
from medssl.images.resizing import resized_to
from medssl.images.volume import Volume, guess_modality
from medssl.inference.capabilities import refusal
from medssl.networks.network import Network

BATCH = 16
FRAMED = "whole"  # how volumes are framed that are seen to their borders; before there was this mark, a sixteenth on each side was not
WHOLE_VOLUME, AROUND_POINT = "volume", "point"  # what a classifier of volumes looks at: `region` of its task


def image_size(net: Network) -> tuple[int, ...]:
    """The size of a whole image that a network of radiographs (rows, columns) or volumes (i, j, k) takes."""
    return net.input_size or tuple(net.plan.input_size)


def whole_image(
    volume: Volume, net: Network, view: str = "", inverted: bool = False, for_crops: bool = False
) -> np.ndarray:
    """An image in 0...1 at 8/7 of the size that the network takes, for crops to be taken from.

    A volume that is looked at as a whole lies inside the middle crop, the one that an embedding is made from. A network that
    was trained on whole images gets the whole image at the very size that it takes instead, resized without regard to its
    aspect; with `for_crops` at 8/7 of that size, too.

    Args:
        volume: 2D, or 3D (with a view, for a network of radiographs).
        net: with a plan.
        view, inverted: see `as_radiograph`.
        for_crops: several crops of the image will be looked at, so that it must be larger than what the network takes.

    Returns:
        float32, (rows, columns) with the centre square of the radiograph (or all of it), or (i, j, k).

    Raises:
        InputError: the modality is not the model's, as stated or, of a model of MR, as the values tell.
        VolumeError: 2D where the network takes volumes, 3D without a view where it takes images, constant or too small.
    """
    plan, squeezed = net.plan, net.framing == "whole"
    size = image_size(net) if squeezed and not for_crops else enlarged(image_size(net))
    rule = NormalisationConfig(**plan.normalisation)
    if len(size) == 2:
        image = as_radiograph(volume, view, inverted, rule, plan.modality).pixels
        if squeezed:
            return resized_to(image, size).clip(0, 1)
        image = resized(image, size[0])
        top, left = ((n - size[0]) // 2 for n in image.shape)
        return image[top : top + size[0], left : left + size[0]]
    if volume.array.ndim != 3 or volume.shape[2] == 1:
        raise VolumeError(
            f"{volume.name or 'image'} of shape {volume.shape}",
            "is 2D where the model needs a volume",
            "Choose a volume",
            code="not-3d",
        )
    modality = modality_for(volume, plan.modality) or guess_modality(volume.array)
    if plan.modality and modality != plan.modality:
        raise InputError(
            f"{volume.name or 'volume'} of modality {modality}", f"does not suit a model trained on {plan.modality}",
            f"Choose a {plan.modality} volume, or a model trained on {modality}", code="modality-mismatch")  # fmt: skip
    rule = resolve(rule, modality, volume.name)
    found = extremes(volume.array) if rule.kind in FIXED else compute(volume.array, modality)
    low, high = window(rule, found, volume.name)
    array = _box(volume, plan, size, image_size(net)) if plan.geometry.recorded else resized_to(volume.array, size)
    scaled = (array.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return scaled.clip(0, 1)


def _box(volume: Volume, plan: Plan, size: Sequence[int], crop: Sequence[int]) -> np.ndarray:
    """What a network sees of a volume, in its orientation and spacing; what lies beyond the volume is its minimum.

    A classifier sees the middle of the volume, or the box around its point. Other networks see all of it at one scale, the largest
    at which it fits into the middle `crop` of the box.
    """
    ordered, spacing = reorient(volume, plan.geometry.orientation), plan.geometry.spacing
    fill = float(volume.array.min())
    region = plan.task.get("region", "")
    if region == AROUND_POINT:
        if volume.point is None:
            raise VolumeError(
                volume.name or "volume",
                "has no point, which the model looks around",
                "Give its place: columns x, y, z of a table, or `point` of a request",
                code="point-needed",
            )
        ordered = _around(ordered, size, spacing)
    if not region:
        spacing = (float((np.array(ordered.shape) * ordered.spacing / np.array(crop)).max()),) * 3
    fitted = resample(ordered, spacing, plan.geometry.interpolation) if spacing else ordered
    middle = (np.array(fitted.shape) - 1) / 2
    centre = index_of(fitted, volume.point) if region == AROUND_POINT and volume.point is not None else middle
    return padded_box(fitted.array, box_around(centre, size), size, fill)


def _around(volume: Volume, size: Sequence[int], spacing: Sequence[float]) -> Volume:
    """The part of a volume that the box around its point is made of, with a margin, so that little is resampled."""
    assert volume.point is not None
    index = index_of(volume, volume.point)
    check_inside(index, volume.shape, f"point of {volume.name or 'a volume'}")
    scale = np.array(spacing) / volume.spacing if spacing else np.ones(3)
    half = np.array(size) * scale / 2 + MARGIN * np.maximum(scale, 1)
    first = np.clip(np.floor(index - half), 0, None).astype(int)
    last = np.minimum(np.ceil(index + half).astype(int) + 1, volume.shape)
    return volume.crop(tuple(zip(first.tolist(), last.tolist())))


def centre(images: Tensor, size: Sequence[int]) -> Tensor:
    """The middle (…, *size) of images (…, *larger)."""
    for axis, side in enumerate(size):
        dim = images.ndim - len(size) + axis
        images = images.narrow(dim, (images.shape[dim] - side) // 2, side)
    return images


def as_input(images: Tensor, net: Network) -> Tensor:
    """Images (N, 1, *size) in 0...1 as the network takes them."""
    return net.standardise(images)


FEATURES = ("", "projector", "encoder")


def embedding_of(net: Network, images: Tensor, features: str = "") -> Tensor:
    """One embedding (N, D) for each image (N, 1, *size) in 0...1: the mean token of a Swin, the mean bottleneck of a U-Net.

    Args:
        net: any network that gives embeddings.
        images: from `whole_image`.
        features: projector or encoder, where the network has both; "" takes the projector where there is one.

    Raises:
        WeightsError: a network that has neither, or no projector where one is asked for.
        ConfigError: other features.
    """
    if features not in FEATURES:
        raise ConfigError(
            f"features = {features!r}", "is no choice", "Use projector or encoder", code="features-unknown"
        )
    if not net.embeddings:
        raise refusal(net.plan, EMBED)
    if features and features not in net.embeddings:
        raise WeightsError(
            f"model of method {net.plan.method!r}",
            f"has no {features}",
            f"Ask for {net.embeddings[0]}",
            code="model-unsuitable",
        )
    return net.embed(as_input(images, net), features)


def embed_images(
    images: Sequence[np.ndarray],
    net: Network,
    progress: Callable[[int, int], None] | None = None,
    features: str = "",
) -> np.ndarray:
    """Embeddings (N, D) float32 of the middles of images from `whole_image`.

    Args:
        images: read one after another, so that they need not all be in memory.
        net: in evaluation mode.
        progress: called with (images done, images) after each batch; may raise to stop.
        features: see `embedding_of`.
    """
    device, size, rows = next(net.parameters()).device, image_size(net), []
    batch = 1 if net.plan.fidelity == "released" and len(size) == 3 else BATCH  # its batch norm
    for first in range(0, len(images), batch):
        group = [torch.from_numpy(images[n])[None] for n in range(first, min(first + batch, len(images)))]
        with torch.inference_mode():
            rows.append(embedding_of(net, centre(torch.stack(group), size).to(device), features).float().cpu().numpy())
        if progress is not None:
            progress(min(first + batch, len(images)), len(images))
    return np.concatenate(rows)


def mean_cosine(rows: np.ndarray) -> float | None:
    """The mean cosine of two different embeddings of (N, D); None of a single one."""
    if len(rows) < 2:
        return None
    unit = rows.astype(float) / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return float(((unit.sum(axis=0) ** 2).sum() - (unit**2).sum()) / (len(rows) * (len(rows) - 1)))
