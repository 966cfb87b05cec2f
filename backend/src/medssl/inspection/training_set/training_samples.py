"""Samples that a method would train on and their distortions, before any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.protocol import DataSpec
from medssl.core.registry import config_class, implementation
from medssl.core.schema import build
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.filling import fill
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.crops.loader import collate
from medssl.datasets.geometry import in_spacing, training_geometry
from medssl.datasets.splits.split import slabs_in_cache, split_by_patient
from medssl.images.geometry_config import STORED, GeometryConfig
from medssl.images.volume import Volume
from medssl.pretraining import METHODS
from medssl.pretraining.spec_data import prepared_folder, read_set_parts

Progress = Callable[[float, str], None]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class PreviewedSamples:
    """Samples side by side along i, 0...1, as they are and distorted; `table` has a row per sample, `info` what they share."""

    original: Volume
    distorted: Volume
    table: list[dict[str, Any]]
    info: dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """What samples come from: the method, its dataset, what to call a sample's image, and where images lie."""

    method: Any
    dataset: Dataset
    name_of: Callable[[dict[str, Any]], str]
    spacing: Spacing
    modality: str


def preview_samples(
    data: DataSpec, method: str, config: dict[str, Any], count: int, seed: int, home: Path, progress: Progress
) -> PreviewedSamples:
    """Draw samples as a training would, and distort them.

    Args:
        data: the training set.
        method: by name.
        config: its settings that differ from the defaults.
        count: of samples.
        seed: the same seed gives the same samples and distortions.
        home: images that are read stay in its cache.
        progress: called with (fraction, message); may raise to stop.

    Raises:
        CatalogError: nothing to train on.
        ConfigError: a setting is wrong.
    """
    settings = build(config_class(METHODS, method), config)
    source = (_from_specs if data.sets else _from_volumes)(data, method, settings, count, seed, home, progress)
    pictures: dict[str, list[torch.Tensor]] = {"original": [], "distorted": []}
    table, windows = [], []
    for n in range(count):  # one by one: samples of different sets have targets of different sizes
        progress(0.5 + 0.4 * n / count, f"drawing sample {n + 1} of {count}")
        sample = source.dataset[n]
        batch = collate([sample])
        views = source.method.views(batch, seeds.generator(seed, "preview", n))
        distortions = source.method.describe(batch, seeds.generator(seed, "preview", n))[0]
        for name, found in pictures.items():
            found.append(getattr(views, name))
        where = {"start": sample["start"].tolist()} if "start" in sample else {}
        table.append({"cube": n, "volume": source.name_of(sample), **where, "distortions": ", ".join(distortions)})
        windows.append(sample["window"].tolist() if "window" in sample else None)
    original, distorted = (_side_by_side(torch.cat(p), source.spacing, source.modality) for p in pictures.values())
    info = {"modality": source.modality, "size": list(pictures["original"][0].shape[2:]), "window": windows}
    return PreviewedSamples(original, distorted, table, info)


def _from_volumes(
    data: DataSpec, method: str, config: Any, count: int, seed: int, home: Path, progress: Progress
) -> _Source:
    """Samples of a few volumes from all over the training part of a set."""
    depth = config.sample_size[2] if len(config.sample_size) == 3 else 0
    split = split_by_patient(read_catalog(data, home), data.validation_fraction, seed, depth)

    def cut(volumes: list[CachedVolume]) -> list[CachedVolume]:
        return slabs_in_cache(volumes, (), split, data.validation_fraction, depth)[0]

    volumes = _some_volumes(split.training, cut, count, config, home, progress)
    made = implementation(METHODS, method)(config, volumes[0].modality)
    geometry = training_geometry(volumes, getattr(config, "geometry", GeometryConfig()))
    if geometry.recorded:
        made.geometry = geometry  # as in a training: a method may draw its views in mm
    dataset = made.dataset(volumes, seed)
    return _Source(
        made, dataset, lambda sample: volumes[sample["volume"]].name, volumes[0].spacing, volumes[0].modality
    )


def _from_specs(
    data: DataSpec, method: str, config: Any, count: int, seed: int, home: Path, progress: Progress
) -> _Source:
    """Samples of sets with dataset specs, a few images of each in turn."""
    parts = [part for part, _ in read_set_parts(data, seed, progress)]
    made = implementation(METHODS, method)(
        dataclasses.replace(config, order="balanced"), parts, folder=prepared_folder(home), per_step=1
    )

    def name_of(sample: dict[str, Any]) -> str:
        part = parts[sample["set"]]
        return f"{part.name}: {Path(part.images[sample['volume']]).name}"

    return _Source(made, made.dataset(parts, seed), name_of, (1.0, 1.0, 1.0), "CXR")


def _some_volumes(
    catalog: Catalog,
    cut: Callable[[list[CachedVolume]], list[CachedVolume]],
    count: int,
    config: Any,
    home: Path,
    progress: Progress,
) -> list[CachedVolume]:
    """At most `count` volumes from all over the set, bad files stepped over; they stay in the cache for the training.

    Raises:
        VolumeError: none of those tried can be used.
    """
    entries = list(catalog)
    picked = [entries[n] for n in np.unique(np.linspace(0, len(entries) - 1, count).astype(int))]
    rule = getattr(config, "geometry", GeometryConfig())
    cache = VolumeCache(home / "cache", rule.orientation)
    found = fill(cache, picked, lambda text: progress(0.25, text))
    if not found.images:
        raise found.skipped[0].error
    volumes = list(found.images)
    volumes = volumes if rule.orientation == STORED else cut(volumes)
    return list(in_spacing(volumes, training_geometry(volumes, rule), cache))


def _side_by_side(samples: torch.Tensor, spacing: Spacing, modality: str) -> Volume:
    """(N, 1, i, j, k) as one volume (N·i, j, k) with this spacing; (N, 1, rows, columns) as one image (N·columns, rows)."""
    images = samples[:, 0] if samples.ndim == 5 else samples[:, 0].transpose(1, 2)
    array = np.concatenate(list(images.numpy()), axis=0)
    return Volume(array, spacing=np.array(spacing), modality=modality, name="preview")
