"""Cubes a method would train on and their distortions, before any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.errors import ConfigError
from medssl.core.registry import config_class, implementation
from medssl.core.requests import PreviewRequest
from medssl.core.schema import build
from medssl.datasets.cache.volume_cache import CachedVolume, VolumeCache
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.split import split_by_patient
from medssl.datasets.crops.loader import collate
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.pretraining import METHODS
from medssl.pretraining.spec_data import prepared_folder, read_set_parts

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

MOST = 64  # cubes
Namer = Callable[[dict[str, Any]], str]
Spacing = tuple[float, float, float]


def inspect(asked: PreviewRequest, context: FolderContext) -> None:
    """Answer a PreviewRequest: original.nrrd and distorted.nrrd, 0…1, samples side by side along i; a table row per sample.

    Raises:
        CatalogError: nothing to train on.
        ConfigError: a setting is wrong, or too many cubes are asked for.
    """
    if not 1 <= asked.count <= MOST:
        raise ConfigError(f"count = {asked.count}", f"must be between 1 and {MOST}", "4 is a good start")
    config = build(config_class(METHODS, asked.method), asked.config)
    method, names, dataset, spacing, modality = (
        _declared(asked, config, context) if asked.data.sets else _volumes(asked, config, context)
    )
    pictures: dict[str, list[torch.Tensor]] = {"original": [], "distorted": []}
    table, windows = [], []
    for n in range(asked.count):  # one by one: samples of different sets have targets of different sizes
        context.progress(0.5 + 0.4 * n / asked.count, f"drawing cube {n + 1} of {asked.count}")
        sample = dataset[n]
        batch = collate([sample])
        views = method.views(batch, _generator(asked.seed, n))
        told = method.describe(batch, _generator(asked.seed, n))[0]
        for name, found in pictures.items():
            found.append(getattr(views, name))
        where = {"start": sample["start"].tolist()} if "start" in sample else {}
        table.append({"cube": n, "volume": names(sample), **where, "distortions": ", ".join(told)})
        windows.append(sample["window"].tolist() if "window" in sample else None)
    for name, found in pictures.items():
        picture = _side_by_side(torch.cat(found), spacing, modality)
        write_volume(picture, context.folder / f"{name}.nrrd", compress=False)
    info = {"modality": modality, "size": list(pictures["original"][0].shape[2:]), "window": windows}
    context.finish(["original.nrrd", "distorted.nrrd"], table, info)


def _generator(seed: int, n: int) -> torch.Generator:
    return seeds.generator(seed, "preview", n)


def _volumes(asked: PreviewRequest, config: Any, context: FolderContext) -> tuple[Any, Namer, Dataset, Spacing, str]:
    """Method, how a sample's image is called, samples, spacing and modality of a set of volumes."""
    catalog = read_catalog(asked.data, context.home)
    training = split_by_patient(catalog, asked.data.validation_fraction, asked.seed).training
    volumes = _some_volumes(training, asked.count, context)
    method, modality = implementation(METHODS, asked.method)(config, volumes[0].modality), volumes[0].modality
    dataset = method.dataset(volumes, asked.seed)
    return method, lambda sample: volumes[sample["volume"]].name, dataset, volumes[0].spacing, modality


def _declared(asked: PreviewRequest, config: Any, context: FolderContext) -> tuple[Any, Namer, Dataset, Spacing, str]:
    """The same of declared sets, a few images of each in turn."""
    parts = [part for part, _ in read_set_parts(asked.data, asked.seed, context.progress)]
    method = implementation(METHODS, asked.method)(
        dataclasses.replace(config, order="balanced"), parts, folder=prepared_folder(context.home), per_step=1
    )

    def name(sample: dict[str, Any]) -> str:
        part = parts[sample["set"]]
        return f"{part.name}: {Path(part.images[sample['volume']]).name}"

    return method, name, method.dataset(parts, asked.seed), (1.0, 1.0, 1.0), "CXR"


def _some_volumes(catalog: Catalog, count: int, context: FolderContext) -> list[CachedVolume]:
    """At most `count` volumes from all over the set; they stay in the cache for the training."""
    entries = list(catalog)
    picked = [entries[n] for n in np.unique(np.linspace(0, len(entries) - 1, count).astype(int))]
    cache, volumes = VolumeCache(context.home / "cache"), []
    for number, entry in enumerate(picked):
        context.progress(0.5 * number / len(picked), f"reading {entry.name}")
        volumes.append(cache.add(entry))
    return volumes


def _side_by_side(cubes: torch.Tensor, spacing: Spacing, modality: str) -> Volume:
    """(N, 1, i, j, k) as one volume (N·i, j, k) with this spacing; (N, 1, rows, columns) as one image (N·columns, rows)."""
    samples = cubes[:, 0] if cubes.ndim == 5 else cubes[:, 0].transpose(1, 2)
    array = np.concatenate(list(samples.numpy()), axis=0)
    return Volume(array, spacing=np.array(spacing), modality=modality, name="preview")
