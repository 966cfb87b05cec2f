"""Training data of methods that learn from volumes: the images of a catalogue, split by patient, in the cache."""

from __future__ import annotations

from typing import Any

from medssl.core.protocol import JobSpec
from medssl.core.registry import implementation
from medssl.core.run import Run
from medssl.datasets.cache.volume_cache import CachedVolume, VolumeCache, common_modality
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.split import Split, split_by_patient
from medssl.datasets.crops.loader import check_axes
from medssl.networks.weights.weight_files import WeightFile
from medssl.pretraining import METHODS
from medssl.pretraining.kind_of_data import check_kind_of_data
from medssl.pretraining.training_data import TrainingData, provenance


def read_volume_data(spec: JobSpec, run: Run, config: Any, start: WeightFile | None = None) -> TrainingData:
    """Volumes in the cache, and the method that learns from them.

    Raises:
        CatalogError, VolumeError: see `cache_volumes`. InputError: dataset specs.
    """
    check_kind_of_data(spec.method, spec.data)
    training, validation, split = cache_volumes(spec, run, config)
    method = implementation(METHODS, spec.method)(
        config, common_modality([*training, *validation]), provenance(spec, run, len(training))
    )
    sizes = {"training": len(training), "validation": len(validation)}
    return TrainingData(method, training, validation, sizes, split.note)


def cache_volumes(spec: JobSpec, run: Run, config: Any) -> tuple[list[CachedVolume], list[CachedVolume], Split]:
    """Read the catalogue, split it by patient and bring every volume into the cache: training, validation, the split.

    Raises:
        CatalogError: nothing usable.
        VolumeError: an image that cannot be read, is 2D where volumes are needed, or is 3D and has no view where images are.
    """
    catalog, size = read_catalog(spec.data, run.home), config.sample_size
    depth = size[2] if len(size) == 3 else 0
    split = split_by_patient(catalog, spec.data.validation_fraction, config.training.seed, depth)
    cache = VolumeCache(run.home / "cache")
    entries = [*split.training, *split.validation]
    volumes = []
    for number, entry in enumerate(entries):
        run.progress(0, 1, f"reading volume {number + 1} of {len(entries)}: {entry.name}")
        volumes.append(cache.add(entry))
        check_axes(volumes[-1], len(size))
    count = len(split.training)
    return volumes[:count], volumes[count:], split
