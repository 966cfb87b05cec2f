"""The same anatomy in other voxel orders and spacings: what a fine-tuned segmentation makes of it.

`python benchmarks/experiments/storages.py MODEL IMAGES.csv` prints two tables of the mean Dice. IMAGES.csv names images and their label maps
(columns image, mask). Orders: the same voxels stored along other axes. Spacings: images and label maps are resampled to it first (SimpleITK,
B-splines after Gaussian smoothing; labels by what covers most of a voxel, or with `--nearest` by their nearest neighbour), which stands for a
scanner of that spacing; then ours is compared with SimpleITK's resampling to the model's spacing, the same network, and its labels brought
back. `--as-before` measures the same model as if its file recorded neither.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medssl.core.geometry import Geometry
from medssl.core.home import home_folder
from medssl.datasets.catalog.from_csv import read_csv
from medssl.images.formats.reading import read_volume
from medssl.images.geometry import orientation_of_volume, reorient
from medssl.images.label_maps import read_label_map
from medssl.images.resampling import resample_labels
from medssl.images.volume import Volume
from medssl.inference.models import model_path
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.network import Network
from medssl.networks.weights.weight_files import load_weights

ORDERS = ("LPS", "LAS", "PSR", "ASL", "SPR", "IRA")
SPACINGS = ((1.4,) * 3, (2.0,) * 3, (0.5,) * 3, (1.0, 1.0, 3.0), (0.7, 0.7, 2.5))
Case = tuple[Volume, Volume]  # image, label map


def main() -> None:
    """Read the arguments, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a job id or a weight file")
    parser.add_argument("images", type=Path, help="a CSV with image, patient and mask")
    parser.add_argument("--count", type=int, default=10, help="images used, the first ones of the split test")
    parser.add_argument(
        "--nearest", action="store_true", help="true labels of other spacings by their nearest neighbour"
    )
    parser.add_argument("--as-before", action="store_true", help="forget orientation and spacing of the model")
    options = parser.parse_args()
    net = load_weights(model_path(home_folder(None), options.model))
    if options.as_before:
        net.plan = replace(net.plan, geometry=Geometry())
    entries = [entry for entry in read_csv(options.images) if entry.split in ("test", "")][: options.count]
    cases = []
    for entry in entries:
        image = read_volume(entry.image, entry.modality or net.plan.modality)
        cases.append((image, read_label_map(entry.mask, image)))
    print(
        f"{len(cases)} images, stored {orientation_of_volume(cases[0][0])}; the model sees {net.plan.geometry.text()}"
    )
    first = mean_dice(cases, net)
    print(f"\n| stored as | Dice | against the first |\n|---|---|---|\n| as it is | {first:.3f} | |")
    for order in ORDERS:
        found = mean_dice([(reorient(image, order), reorient(labels, order)) for image, labels in cases], net)
        print(f"| {order} | {found:.3f} | {found - first:+.4f} |")
    print("\n| spacing (mm) | Dice | external resampling and back | difference |\n|---|---|---|---|")
    for spacing in SPACINGS:
        scanned = []
        for image, labels in cases:
            coarse = to_spacing(image, spacing)
            truth = to_spacing(labels, spacing, labels=True) if options.nearest else shares(labels, coarse)
            scanned.append((coarse, truth))
        ours = mean_dice(scanned, net)
        theirs = mean_dice(scanned, net, outside(net))
        print(f"| {' x '.join(f'{s:g}' for s in spacing)} | {ours:.3f} | {theirs:.3f} | {ours - theirs:+.4f} |")


def mean_dice(cases: list[Case], net: Network, find: Callable[[Volume], np.ndarray] | None = None) -> float:
    """The mean over images and classes; `find` gives labels on an image's grid, by default the product's own road."""
    find = find or (lambda image: segment_image(image, net).labels.array)
    values = [one["value"] for one in net.plan.task["segments"]]
    scores = []
    for image, truth in cases:
        found = find(image)
        for value in values:
            ours, theirs = found == value, truth.array == value
            if ours.any() or theirs.any():
                scores.append(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))
    return float(np.mean(scores))


def outside(net: Network) -> Callable[[Volume], np.ndarray]:
    """What a careful user would do by hand: resample to the model's spacing, segment, bring the labels back."""
    native = net.plan.geometry
    spacing = native.spacing or native.finest or (1.0, 1.0, 1.0)

    def find(image: Volume) -> np.ndarray:
        ordered = reorient(image, native.orientation or "RAS")
        fitted = to_spacing(ordered, spacing)
        found = segment_image(fitted, net).labels
        back = to_grid(found, ordered, labels=True)
        return reorient(back, orientation_of_volume(image)).array

    return find


def shares(labels: Volume, image: Volume) -> Volume:
    """The labels that cover most of each voxel of an image."""
    orientation = orientation_of_volume(image)
    array = resample_labels(reorient(labels).array, reorient(image).shape)
    return reorient(replace(reorient(image), array=array), orientation)


def to_spacing(volume: Volume, spacing: tuple[float, ...], labels: bool = False) -> Volume:
    """Another spacing along the axes of the LPS frame, by SimpleITK; the edges stay about where they were."""
    along = replace(reorient(volume), array=np.ascontiguousarray(reorient(volume).array))
    shape = [max(round(n * s / t), 1) for n, s, t in zip(along.shape, along.spacing, spacing)]
    shift = along.direction @ ((np.array(spacing) - along.spacing) / 2)
    grid = Volume(np.zeros(shape, np.uint8), np.array(spacing), along.origin + shift, along.direction)
    return reorient(to_grid(along, grid, labels), orientation_of_volume(volume))


def to_grid(volume: Volume, grid: Volume, labels: bool = False) -> Volume:
    """The voxels of a volume where those of another lie."""
    image = _itk(volume)
    kind = sitk.sitkNearestNeighbor if labels else sitk.sitkBSpline
    if not labels:
        image = sitk.Cast(image, sitk.sitkFloat32)
        sigma = [max((t / s) / 3, 1e-3) * s if t > s * 1.05 else 1e-3 for s, t in zip(volume.spacing, grid.spacing)]
        if max(sigma) > 1e-3:
            image = sitk.DiscreteGaussian(image, [max(s, 1e-6) ** 2 for s in sigma])
    found = sitk.Resample(image, _itk(grid), sitk.Transform(), kind, float(volume.array.min()))
    array = sitk.GetArrayFromImage(found).T
    return replace(volume, array=array, spacing=grid.spacing, origin=grid.origin, direction=grid.direction)


def _itk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array.T))
    image.SetSpacing(volume.spacing.tolist())
    image.SetOrigin(volume.origin.tolist())
    image.SetDirection(volume.direction.ravel().tolist())
    return image


if __name__ == "__main__":
    main()
