"""What a pretraining is made of: the method, and what it learns from, read as its kind of data is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError, InputError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import implementation
from medssl.core.run import Run
from medssl.datasets.cache.volume_cache import CachedVolume, VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.leakage import LeakageCheck, check_unchanged, no_room_for, test_images
from medssl.datasets.catalog.split import Split, split_by_patient
from medssl.datasets.crops.loader import check_axes
from medssl.datasets.crops.multi_set import SetPart, set_parts
from medssl.datasets.spec.read_dataset import read_set
from medssl.datasets.spec.spec import DatasetSpec, check_names
from medssl.networks.weights.weight_files import WeightFile
from medssl.pretraining import METHODS
from medssl.training.method import Method

Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class TrainingData:
    """What a pretraining is made of: the method, and what it learns and is measured on."""

    method: Method
    training: Sequence[Any]
    validation: Sequence[Any]
    sizes: dict[str, Any]  # for the `started` event
    note: str = ""  # a warning before training starts ...
    several_heads: bool = False  # a step goes through one of them
    code: str = "one-patient"  # ... and what it is about
    doubts: tuple[dict[str, str], ...] = ()  # value, rule and remedy of what is odd in the tables


def read_training_data(spec: JobSpec, run: Run, config: Any, start: WeightFile | None = None) -> TrainingData:
    """The method and its data: declared sets where it trains on those, else volumes."""
    read = read_specs if getattr(config, "DECLARED", False) else read_volumes
    return read(spec, run, config, start)


def read_volumes(spec: JobSpec, run: Run, config: Any, start: WeightFile | None) -> TrainingData:
    """Volumes in the cache, for methods that train on one set of images.

    Raises:
        CatalogError, VolumeError: see `load_data`. InputError: declared sets.
    """
    if spec.data.sets:
        raise InputError(f"method {spec.method!r}", "does not train on declared sets", "Give a folder or a catalogue")
    training, validation, split = load_data(spec, run, config)
    method = implementation(METHODS, spec.method)(
        config, common_modality([*training, *validation]), provenance(spec, run, len(training))
    )
    sizes = {"training": len(training), "validation": len(validation)}
    return TrainingData(method, training, validation, sizes, split.note)


def read_specs(spec: JobSpec, run: Run, config: Any, start: WeightFile | None) -> TrainingData:
    """Declared sets as columns, for methods that train on many; no image is opened.

    Raises:
        InputError: anything but declared sets.
        CatalogError: a declaration that its tables do not bear out, or sets of one name.
    """
    if not spec.data.sets:
        raise InputError(
            f"method {spec.method!r}", "trains on declared sets", "Give declarations: medssl data declare makes one"
        )
    warnings: list[dict[str, str]] = []
    parts = read_parts(spec.data, config.training.seed, lambda _, text: run.progress(0, 1, text), warnings)
    training, validation = [part for part, _ in parts], [part for _, part in parts]
    count = sum(len(part.images) for part in training)
    learnt = dict(start.plan.provenance.get("sets") or {}) if start else {}  # of the weights it begins with
    about = {
        **provenance(spec, run, count),
        "sets": {**learnt, **{part.name: len(part.images) for part in training}},
        "licences": {**(start.plan.provenance.get("licences") or {} if start else {}), **licences(spec.data)},
    }
    if start and start.plan.licence:
        about["start_licence"] = start.plan.licence
    check_unchanged(run.folder / "sets.json", parts)
    folder: Path | None = prepared_folder(run.home)
    note = no_room_for(run.home, parts, config.kept_side) if config.keep_images else ""
    if note:
        folder = None
    method = implementation(METHODS, spec.method)(config, training, about, start, folder, per_step_of(config))
    sizes = {
        "training": count, "validation": sum(len(part.images) for part in validation),
        "sets": {a.name: {"training": len(a.images), "validation": len(b.images)} for a, b in parts},
    }  # fmt: skip
    return TrainingData(method, training, validation, sizes, note, len(method.heads) > 1, "disk", tuple(warnings))


def read_parts(
    data: DataSpec, seed: int, tell: Tell, warnings: list[dict[str, str]] | None = None
) -> list[tuple[SetPart, SetPart]]:
    """The training and the validation images of each declared set; no image is opened. `warnings` takes what is odd in tables.

    Raises:
        CatalogError: see `read_set`, `set_parts`; two sets of one name; or an image that trains in one set and is kept aside in
            another.
    """
    dataset_specs = [DatasetSpec.from_dict(given) for given in data.sets]
    check_names(dataset_specs)
    parts, sides = [], LeakageCheck()
    for number, dataset_spec in enumerate(dataset_specs):
        said = f"reading set {number + 1} of {len(dataset_specs)}: {dataset_spec.name}"
        tell(0.0, said)
        declared = read_set(
            dataset_spec,
            lambda share, text, said=said: tell(share, f"{said}, {text}"),  # type: ignore[misc]
            warnings,
        )
        training, validation = set_parts(declared, data.validation_fraction, seed)
        parts.append((training, validation))
        sides.add(declared.name, training.images, [*validation.images, *test_images(declared)])
    sides.check()
    return parts


def licences(data: DataSpec) -> dict[str, str]:
    """What the declarations say of their images' licences: set -> licence."""
    return {str(given["name"]): str(given["licence"]) for given in data.sets if given.get("licence")}


def prepared_folder(home: Path) -> Path:
    """Where decoded images of declared sets are kept."""
    return home / "cache" / "prepared"


def provenance(spec: JobSpec, run: Run, volumes: int) -> dict[str, Any]:
    """What the weights' header tells of their origin."""
    return {"job": run.folder.name, "volumes": volumes, "start_from": spec.start_from}


def per_step_of(config: Any) -> int:
    """Images of an optimiser step, over all micro-batches and processes."""
    training = config.training
    return training.batch_size * training.accumulate * training.devices * training.nodes


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
