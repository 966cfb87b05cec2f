"""Training data of methods that learn from volumes: the images of a catalogue, split by patient, in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from medssl.core.errors import be, counted
from medssl.core.geometry import Geometry
from medssl.core.protocol import JobSpec
from medssl.core.registry import implementation
from medssl.core.run import Run
from medssl.datasets.cache.cached_volume import CachedVolume, check_varies, common_modality
from medssl.datasets.cache.filling import Filled, fill, fill_parts, warnings_of
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.crops.loader import check_axes
from medssl.datasets.crops.sampling import sampler_rule
from medssl.datasets.entry import Entry
from medssl.datasets.geometry import in_spacing, remarks, training_geometry
from medssl.datasets.splits.kept_split import as_begun, split_rows, unreadable_now
from medssl.datasets.splits.split import Split, slabs_in_cache, split_by_patient
from medssl.images.geometry_config import STORED, GeometryConfig, geometry_rule
from medssl.jobs.split_record import Begun, begun_with
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
    training, validation, split, warnings = cache_volumes(spec, run, config)
    rule = geometry_rule(getattr(config, "geometry", GeometryConfig()), spec.version)
    if hasattr(config, "sampler"):
        config = replace(config, sampler=sampler_rule(config.sampler, spec.version))
    geometry = training_geometry(training, rule)
    notes = remarks([*training, *validation], geometry) if geometry.recorded else ()
    training, validation = _in_spacing(training, geometry, run), _in_spacing(validation, geometry, run)
    method = implementation(METHODS, spec.method)(
        config, common_modality([*training, *validation]), provenance(spec, run, len(training))
    )
    if geometry.recorded:
        method.geometry = geometry
    sizes = {"training": len(training), "validation": len(validation)}
    return TrainingData(
        method, training, validation, sizes, split.note, remarks=notes, warnings=tuple(warnings),
        begun=record_of(split, warnings),
    )  # fmt: skip


def cache_volumes(
    spec: JobSpec, run: Run, config: Any
) -> tuple[list[CachedVolume], list[CachedVolume], Split, list[dict[str, str]]]:
    """Read the catalogue, split it by patient and bring every volume into the cache.

    Images that cannot be read, are constant, 2D where volumes are needed, or 3D without a view where images are, are stepped
    over. A run that goes on keeps to what it recorded when it began, see `record_of`.

    Returns:
        Training, validation, the split, and warnings of what was left out.

    Raises:
        CatalogError, VolumeError: nothing usable, or too many images that are not; or an image that the training began with is
            gone, or cannot be used any more.
    """
    catalog, size = read_catalog(spec.data, run.home), config.sample_size
    depth = size[2] if len(size) == 3 else 0
    rule = geometry_rule(getattr(config, "geometry", GeometryConfig()), spec.version)
    cache = VolumeCache(run.home / "cache", rule.orientation)
    begun, added = begun_with(run), 0
    if begun:
        catalog, added = _kept(catalog, begun)

    def fits(image: CachedVolume) -> None:
        check_axes(image, len(size))
        check_varies(image)

    def draw(usable: Catalog) -> tuple[Split, dict[str, Catalog]]:
        split = split_by_patient(usable, spec.data.validation_fraction, config.training.seed, depth)
        return split, {"training": split.training, "validation": split.validation}

    def bring(entries: Iterable[Entry]) -> Filled:
        filled = fill(cache, entries, lambda text: run.progress(0, 1, text), check=fits)
        if begun and filled.skipped:
            raise unreadable_now(filled.skipped)
        return filled

    split, parts, skipped = fill_parts(catalog, draw, bring, spec.data.unreadable_share)
    training, validation = (list(parts[name].images) for name in ("training", "validation"))
    about = _said_then(begun, added) if begun else catalog.remarks()
    said = [{"code": "catalogue", "message": remark, "remedy": ""} for remark in about]
    if rule.orientation != STORED:
        training, validation, split = slabs_in_cache(training, validation, split, spec.data.validation_fraction, depth)
    return training, validation, split, [*said, *warnings_of(skipped, len(catalog))]


def record_of(split: Split, warnings: Sequence[dict[str, str]]) -> Begun:
    """What a run keeps to when it goes on: drawn again from a folder that has changed, those who trained would validate.

    The spacing of a set is that of its training images, and stays with them. A patient alone, who is cut in two, stands once:
    as a training image.
    """
    parts = {"training": split.training, "validation": split.validation}
    if any(entry.slices for entry in split.validation):
        del parts["validation"]
    rows = split_rows({name: [replace(entry, mask=None) for entry in part] for name, part in parts.items()})
    return Begun(tuple(rows), about=tuple(warning["message"] for warning in warnings))


def _kept(catalog: Catalog, begun: Begun) -> tuple[Catalog, int]:
    """The images that a run began with, in their order then, and how many there are beside them that could train."""
    kept, beside = as_begun(catalog, begun.rows)
    added = max(0, beside - sum(entry.split == "test" for entry in catalog))
    if len(kept.patients) == 1:  # who is cut in two as before
        kept = replace(kept, entries=tuple(replace(entry, split="") for entry in kept))
    return kept, added


def _said_then(begun: Begun, added: int) -> list[str]:
    """What was said of the catalogue when the training began, and of images that are there beside it now."""
    more = f"{counted(added, 'image')} {be(added)} no part of this training, which began without"
    return [*begun.about, *[more] * bool(added)]


def _in_spacing(volumes: list[CachedVolume], geometry: Geometry, run: Run) -> list[CachedVolume]:
    def progress(done: int, total: int, name: str) -> None:
        run.progress(0, 1, f"resampling volume {done + 1} of {total}: {name}")

    return list(in_spacing(volumes, geometry, VolumeCache(run.home / "cache"), progress))
