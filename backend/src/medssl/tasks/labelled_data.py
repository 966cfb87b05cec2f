"""What a task learns from, chooses by and is tested on: three parts of a catalogue, apart by patient, in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from medssl.core.errors import CancelledError, CatalogError, be, counted
from medssl.core.geometry import CANONICAL, Geometry
from medssl.core.protocol import DataSpec
from medssl.core.run import Run
from medssl.datasets.cache.cached_volume import CachedVolume, check_varies, common_modality
from medssl.datasets.cache.channel_notes import channel_notes
from medssl.datasets.cache.filling import Filled, Skipped, fill, fill_parts, notes_of, warnings_of
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.channels import channel_names
from medssl.datasets.catalog.label_checks import label_map_notes
from medssl.datasets.catalog.labels import LabelSpec
from medssl.datasets.entry import Entry, attributes
from medssl.datasets.geometry import in_spacing, reader_notes, remarks
from medssl.datasets.splits.kept_split import as_begun, changed_truth, keep_split, missing_tests, unreadable_now
from medssl.datasets.splits.split import ThreeSplit, split_for_task
from medssl.evaluation.subgroups import group_by
from medssl.jobs.split_record import Begun, read_split
from medssl.tasks.image_checks import Rule, check_whole_image
from medssl.tasks.transfer_config import SelectionConfig
from medssl.tasks.truth import Truth, read_truth, selected


@dataclass(frozen=True, eq=False)
class LabelledSplit:
    """Images of one part, in the catalogue's order, with their label maps or targets (N, C); C is 0 without labels."""

    entries: tuple[Entry, ...]
    images: tuple[CachedVolume, ...]
    masks: tuple[CachedVolume, ...] = ()
    targets: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    places: tuple[tuple[float, float, float], ...] = ()  # mm, LPS, where rows name a place in their volume
    fitted: tuple[CachedVolume, ...] = ()  # the images in the network's spacing; () where they are as they are

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def patients(self) -> int:
        return len({entry.patient for entry in self.entries})


@dataclass(frozen=True, eq=False)
class LabelledSplits:
    """Training, validation and test images (the last may be empty).

    Attributes:
        modality: of all images; of several channels, of the first.
        channels: names of all channels where there are several, else ().
        kind: binary, multi-class or multi-label; "" for segmentation.
        names: of the classes of a classification.
        columns: of the catalogue, from which the classes were read.
        notes: what the user should know of the split.
        remarks: what the user should know of the images.
        geometry: of the training images, which whole images are brought to.
        skipped: images that cannot be used and were left out.
        about: what the user should know of the catalogue and its labels.
    """

    training: LabelledSplit
    validation: LabelledSplit
    test: LabelledSplit
    modality: str
    kind: str = ""
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    geometry: Geometry = Geometry()
    skipped: tuple[Skipped, ...] = ()
    about: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        """Of each channel."""
        return (self.modality, *(one.modality for one in self.training.images[0].further))

    def every_note(self) -> list[str]:
        """What reports should say of split and images."""
        seen = [f"Volumes are brought to {self.geometry.text()}"] if self.geometry.recorded else []
        skipped = notes_of(self.skipped, self.count + len(self.skipped))
        return [*self.about, *self.notes, *skipped, *self.remarks, *seen]

    def warnings(self) -> list[dict[str, str]]:
        """Events before the training: what to know of the catalogue, and images that were left out."""
        said = [{"code": "catalogue", "message": about, "remedy": ""} for about in self.about]
        return [*said, *warnings_of(self.skipped, self.count + len(self.skipped))]

    @property
    def count(self) -> int:
        """Images of all parts."""
        return len(self.training) + len(self.validation) + len(self.test)

    def sizes(self) -> dict[str, int]:
        """Images and patients of each part."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        images = {name: len(part) for name, part in parts.items()}
        return images | {f"{name}_patients": part.patients for name, part in parts.items()}


def read_parts(
    data: DataSpec,
    run: Run,
    select: SelectionConfig,
    seed: int,
    labels: LabelSpec | None = None,
    orientation: str = CANONICAL,
    begun: Begun | None = None,
    rule: Rule | None = None,
) -> LabelledSplits:
    """Read the catalogue, split it by patient, thin out the training part, and bring every image into the cache.

    What cannot be shown to a network (constant images; with labels see `check_whole_image`) is left out like images that cannot
    be read, whatever its part: a test image is looked at last, when the training is over.

    Args:
        data: the images; with label maps where `labels` is None.
        run: tells the home folder and takes progress.
        select: which of the training patients are used.
        seed: of the split.
        labels: the columns of a classification.
        orientation: that volumes are brought to, see `VolumeCache`.
        begun: how the training began, where it goes on now: split, classes and what was said of them stay.
        rule: by which images with labels are normalised, where that is known.

    Raises:
        CatalogError: an image that the training began with is gone, too few patients (or fewer than folds), a split that cannot be kept, no label map or label, one class only, an unknown class, or mixed modalities.
        InputError: several channels where a task with labels takes one, or the rule does not fit an image.
        VolumeError: an image or label map that cannot be read, or that do not lie on each other.
    """
    catalog, data, record, about = _held_out(data, run, read_catalog(data, run.home, channels=labels is None))
    added = 0
    if begun:
        catalog, added = as_begun(catalog, begun.rows)
        data = replace(data, test_fraction=0.0, folds=0, fold=0)
        select = SelectionConfig()  # of what was chosen then
    truth = read_truth(catalog, labels, seed, begun) if labels else None
    cache = VolumeCache(run.home / "cache", orientation)

    def draw(usable: Catalog) -> tuple[ThreeSplit, dict[str, Catalog]]:
        split = split_for_task(usable, data, seed)
        training = selected(split.training, select, truth)
        if truth:
            truth.check(split, training, begun is not None)
        return split, {"training": training, "validation": split.validation, "test": split.test}

    def check(image: CachedVolume) -> None:
        check_whole_image(image, rule) if truth else check_varies(image)

    def bring(entries: Iterable[Entry]) -> Filled:
        said = partial(run.progress, 0, 1)
        return fill(cache, entries, said, masks=truth is None, check=None if begun else check)

    split, filled, skipped = fill_parts(catalog, draw, bring, data.unreadable_share)
    if begun and skipped:
        raise unreadable_now(skipped)
    parts = {}
    for name, part in filled.items():
        targets = truth.targets(name, part.entries) if truth else np.empty((0, 0), np.float32)
        parts[name] = LabelledSplit(part.entries, part.images, part.masks, targets)
    about = _said_then(begun, added) if begun else [*about, *catalog.remarks(), *_label_notes(parts, truth)]
    about += [note for note in changed_truth(parts["validation"].entries, record) if note not in about]
    images = [image for part in parts.values() for image in part.images]
    modality = common_modality(images)
    modalities = [modality, *(common_modality(channel) for channel in zip(*(image.further for image in images)))]
    names = channel_names(list(catalog), modalities, data.channel_names) if len(modalities) > 1 else ()
    return LabelledSplits(
        parts["training"], parts["validation"], parts["test"], modality=modality, kind=truth.known.kind if truth else "",
        names=truth.known.names if truth else (), columns=truth.known.columns if truth else (), notes=begun.notes if begun else split.notes, skipped=skipped, about=tuple(about), channels=names,
    )  # fmt: skip


def _held_out(data: DataSpec, run: Run, catalog: Catalog) -> tuple[Catalog, DataSpec, list[dict[str, str]], list[str]]:
    """With `validation_of`, the catalogue marked as that job's record says, no further test patients asked for, the record and notes."""
    if not data.validation_of:
        return catalog, data, [], []
    record = read_split(run.folder) or read_split(
        run.home / "jobs" / data.validation_of
    )  # its own: the other may be gone
    about = missing_tests(catalog, record, data.validation_of)
    return keep_split(catalog, record, data.validation_of), replace(data, test_fraction=0.0), record, about


def _said_then(begun: Begun, added: int) -> list[str]:
    """What was said of catalogue and labels when the training began, and of images that were added since."""
    more = f"{counted(added, 'image')} {be(added)} no part of this training, which began without"
    return [*begun.about, *[more] * bool(added)]


def with_geometry(parts: LabelledSplits, geometry: Geometry, run: Run) -> LabelledSplits:
    """The parts with the training images (and label maps) in the spacing of a geometry; the others are measured as they are.

    Validation images without label maps are `fitted` too, for the loss of each validation.

    Raises:
        ResourceError: no room on the disk.
    """
    cache, training = VolumeCache(run.home / "cache"), parts.training

    def progress(done: int, total: int, name: str) -> None:
        run.progress(0, 1, f"resampling image {done + 1} of {total}: {name}")

    images = in_spacing(training.images, geometry, cache, progress)
    masks = in_spacing(training.masks, geometry, cache, progress)
    validation = parts.validation
    if not validation.masks:
        validation = replace(validation, fitted=in_spacing(validation.images, geometry, cache, progress))
    every = [image for part in (parts.training, parts.validation, parts.test) for image in part.images]
    further = [one for image in every for one in image.further]
    return replace(
        parts,
        training=replace(training, images=images, masks=masks),
        validation=validation,
        geometry=geometry,
        remarks=(*remarks(every, geometry), *reader_notes(further), *channel_notes(every, parts.channels)),
    )


def check_groups(parts: LabelledSplits, groups: Sequence[str]) -> None:
    """Refuse, before any training, groups that the evaluation could not make of the measured images.

    Raises:
        CatalogError: names the attributes there are.
        InputError: see `group_by`.
    """
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        about = [attributes(entry, parts.columns) for entry in part.entries]
        known = sorted({key for row in about for key in row})
        columns = {key: [row.get(key, "") for row in about] for key in known}
        for asked in groups if about else ():
            attribute = asked.partition(":")[0]
            if attribute not in known:
                raise CatalogError(
                    f"group {attribute!r}", f"is no attribute of the {name} images",
                    f"There are: {', '.join(known) or 'none'}", code="column-missing",
                )  # fmt: skip
            group_by(asked, columns)


def notify(run: Run, step: int, steps: int, message: str) -> None:
    """Say how far the first process of a task is after its training.

    Raises:
        CancelledError: a cancel was asked for; resumed, the task goes on from its checkpoint.
    """
    if run.cancel_requested():
        raise CancelledError(message)
    run.progress(step, steps, message)


def dimension(parts: LabelledSplits) -> int:
    """2 or 3: what all images are.

    Raises:
        CatalogError: both.
    """
    flat = {
        _is_flat(image): image.name for part in (parts.training, parts.validation, parts.test) for image in part.images
    }
    if len(flat) > 1:
        raise CatalogError(
            f"{flat[True]} (2D) and {flat[False]} (3D)",
            "are mixed in one training set",
            "Train on volumes or on images",
            code="axes-mixed",
        )
    return 2 if True in flat else 3


def _is_flat(image: CachedVolume) -> bool:
    return len(image.shape) == 2


def _label_notes(parts: dict[str, LabelledSplit], truth: Truth | None) -> list[str]:
    """What of the labels will hurt later."""
    if truth:
        return truth.notes({name: part.entries for name, part in parts.items()})
    return label_map_notes({name: [mask.values for mask in part.masks] for name, part in parts.items()})
