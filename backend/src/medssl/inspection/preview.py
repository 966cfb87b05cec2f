"""Cubes a method would train on and their distortions, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medssl.data.cache import CachedVolume, VolumeCache
from medssl.data.catalog import Catalog, read_catalog
from medssl.data.loader import collate
from medssl.data.reading import write_volume
from medssl.data.split import split_by_patient
from medssl.data.volume import Volume
from medssl.errors import ConfigError
from medssl.inspection_requests import preview_from_json
from medssl.methods import METHODS
from medssl.registry import config_class, implementation
from medssl.schema import build

if TYPE_CHECKING:
    from medssl.inspection.context import FolderContext

MOST = 64  # cubes


def inspect(request: dict[str, Any], context: FolderContext) -> None:
    """Answer a PreviewRequest: original.nrrd and distorted.nrrd, 0…1, samples side by side along i; a table row per sample.

    Raises:
        CatalogError: nothing to train on.
        ConfigError: a setting is wrong, or too many cubes are asked for.
    """
    asked = preview_from_json(request)
    if not 1 <= asked.count <= MOST:
        raise ConfigError(f"count = {asked.count}", f"must be between 1 and {MOST}", "4 is a good start")
    config = build(config_class(METHODS, asked.method), asked.config)
    catalog = read_catalog(asked.data, context.home)
    training = split_by_patient(catalog, asked.data.validation_fraction, asked.seed).training
    volumes = _some_volumes(training, asked.count, context)
    method = implementation(METHODS, asked.method)(config, volumes[0].modality)
    dataset = method.dataset(volumes, asked.seed)
    samples = []
    for n in range(asked.count):
        context.progress(0.5 + 0.4 * n / asked.count, f"drawing cube {n + 1} of {asked.count}")
        samples.append(dataset[n])
    batch = collate(samples)
    views = method.views(batch, torch.Generator().manual_seed(asked.seed))
    got = method.describe(batch, torch.Generator().manual_seed(asked.seed))
    for name in ("original", "distorted"):
        write_volume(_side_by_side(getattr(views, name), volumes[0]), context.folder / f"{name}.nrrd", compress=False)
    table = [
        {
            "cube": n,
            "volume": volumes[sample["volume"]].name,
            "start": sample["start"].tolist(),
            "distortions": ", ".join(names),
        }
        for n, (sample, names) in enumerate(zip(samples, got))
    ]
    info = {"modality": volumes[0].modality, "size": list(views.original.shape[2:]), "window": batch["window"].tolist()}
    context.finish(["original.nrrd", "distorted.nrrd"], table, info)


def _some_volumes(catalog: Catalog, count: int, context: FolderContext) -> list[CachedVolume]:
    """At most `count` volumes from all over the set; they stay in the cache for the training."""
    entries = list(catalog)
    picked = [entries[n] for n in np.unique(np.linspace(0, len(entries) - 1, count).astype(int))]
    cache, volumes = VolumeCache(context.home / "cache"), []
    for number, entry in enumerate(picked):
        context.progress(0.5 * number / len(picked), f"reading {entry.name}")
        volumes.append(cache.add(entry))
    return volumes


def _side_by_side(cubes: torch.Tensor, source: CachedVolume) -> Volume:
    """(N, 1, i, j, k) as one volume (N·i, j, k) with the source's spacing; (N, 1, rows, columns) as one image (N·columns, rows)."""
    samples = cubes[:, 0] if cubes.ndim == 5 else cubes[:, 0].transpose(1, 2)
    array = np.concatenate(list(samples.numpy()), axis=0)
    return Volume(array, spacing=np.array(source.spacing), modality=source.modality, name="preview")
