"""The job kind "pretrain": from a job's spec to a trained weight file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from medssl.data.cache import CachedVolume, VolumeCache
from medssl.data.catalog import read_catalog
from medssl.data.loader import check_axes
from medssl.data.split import Split, split_by_patient
from medssl.errors import CatalogError, TrainingError
from medssl.methods import METHODS
from medssl.networks.weights import fill, open_weights
from medssl.protocol import JobSpec
from medssl.registry import config_class, implementation
from medssl.schema import as_dict, build
from medssl.training import seeds
from medssl.training.devices import make_fabric
from medssl.training.loop import Loop
from medssl.training.method import Method
from medssl.training.run import Run


def pretrain(spec: JobSpec, run: Run) -> None:
    """Train `spec.method` on `spec.data`; leaves `results/model.safetensors` in the job folder.

    Raises:
        CatalogError: no usable training set.
        ConfigError: a setting is wrong.
        CancelledError: a cancel was asked for; a checkpoint was written.
    """
    config = build(config_class(METHODS, spec.method), spec.config)
    training, validation, split = load_data(spec, run, config)
    method: Method = implementation(METHODS, spec.method)(
        config,
        common_modality([*training, *validation]),
        {"job": run.folder.name, "volumes": len(training), "start_from": spec.start_from},
    )
    fabric = make_fabric(config.training, run.device)
    fabric.launch()
    torch.manual_seed(seeds.derive(config.training.seed, "weights"))
    network = method.network()
    if spec.start_from:
        fill(network, open_weights(spec.start_from), partial=spec.partial_weights)
    loop = Loop(fabric, method, network, run)
    if fabric.is_global_zero:
        tell_start(run, method, fabric.strategy.precision.precision, training, validation, split)
    seed = config.training.seed
    loop.train(
        method.dataset(training, seeds.derive(seed, "training")),
        method.dataset(validation, seeds.derive(seed, "validation")),
    )
    if fabric.is_global_zero:
        if not loop.model_file.is_file():
            raise TrainingError("validation loss", "never was a number", "Lower the learning rate or train in fp32")
        run.emit(
            "finished", step=loop.progress.step, model="results/model.safetensors", validation_loss=loop.progress.best
        )


def load_data(spec: JobSpec, run: Run, config: Any) -> tuple[list[CachedVolume], list[CachedVolume], Split]:
    """Read the catalogue, split it by patient and bring every volume into the cache.

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


def common_modality(volumes: Sequence[CachedVolume]) -> str:
    """The one modality of a training set.

    Raises:
        CatalogError: CT and MR in one set: no normalisation fits both.
    """
    found = {volume.modality: volume.name for volume in volumes}
    if len(found) > 1:
        some = ", ".join(f"{name} is {modality or 'unknown'}" for modality, name in found.items())
        raise CatalogError(
            some,
            "mixes modalities in one training set",
            "Train on one modality, or state it (modality column, --modality)",
        )
    return next(iter(found))


def tell_start(
    run: Run,
    method: Method,
    precision: str,
    training: Sequence[CachedVolume],
    validation: Sequence[CachedVolume],
    split: Split,
) -> None:
    """The `started` event, and a warning where the split is not what one would wish."""
    run.emit(
        "started", device=run.device, precision=precision, steps=method.config.training.steps, training=len(training),
        validation=len(validation), config=as_dict(method.config),
    )  # fmt: skip
    if split.note:
        run.emit("warning", step=0, code="one-patient", message=split.note, remedy="Add volumes of further patients")
