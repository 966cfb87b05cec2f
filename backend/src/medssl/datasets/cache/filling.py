"""Filling the cache with the images of a training set, stepping over files that cannot be used: counted and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from medssl.core.errors import CatalogError, InputError, NotFoundError, VolumeError, be, counted, printable
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry

NAMED = 10  # files that stepping over names one by one

Drawn = TypeVar("Drawn")
Draw = Callable[[Catalog], tuple[Drawn, Mapping[str, Iterable[Entry]]]]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Skipped:
    """An image that was stepped over, and why."""

    entry: Entry
    error: VolumeError | NotFoundError

    @property
    def reason(self) -> str:
        """The rule that it breaks, and of which file where that is not the image itself (a label map)."""
        named = "" if self.error.value == printable(str(self.entry.image)) else f"{self.error.value}: "
        return printable(f"{named}{self.error.rule}")


@dataclass(frozen=True, eq=False)
class Filled:
    """Images that are in the cache, in their order, with their label maps where those were asked for; and those left out."""

    entries: tuple[Entry, ...]
    images: tuple[CachedVolume, ...]
    masks: tuple[CachedVolume, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def fill(
    cache: VolumeCache,
    entries: Iterable[Entry],
    progress: Progress,
    masks: bool = False,
    check: Callable[[CachedVolume], None] | None = None,
) -> Filled:
    """Bring images into the cache; one that cannot be read, or that `check` refuses, does not stop the others.

    Args:
        cache: takes what is not there yet.
        entries: the images.
        progress: called with a message before each image; may raise to stop.
        masks: bring their label maps and further channels too.
        check: raises where an image cannot be used.

    Raises:
        CatalogError: `masks`, and an image has none. ResourceError: no room on the disk.
    """
    listed = list(entries)
    kept: list[tuple[Entry, CachedVolume, CachedVolume | None]] = []
    skipped = []
    for number, entry in enumerate(listed):
        progress(printable(f"reading image {number + 1} of {len(listed)}: {entry.name}"))
        try:
            image = cache.add(entry)
            if masks and entry.further:
                image = cache.add_channels(entry, image)
            if check is not None:
                check(image)
            kept.append((entry, image, cache.add_mask(entry, image) if masks else None))
        except (VolumeError, NotFoundError) as error:
            skipped.append(Skipped(entry, error))
    return Filled(
        tuple(entry for entry, _, _ in kept), tuple(image for _, image, _ in kept),
        tuple(mask for _, _, mask in kept if mask is not None), tuple(skipped),
    )  # fmt: skip


def fill_parts(
    catalog: Catalog,
    draw: Draw[Drawn],
    fill_one: Callable[[Iterable[Entry]], Filled],
    largest_share: float,
) -> tuple[Drawn, dict[str, Filled], tuple[Skipped, ...]]:
    """Split a catalogue and fill the cache with its parts, as if the files that cannot be used had not been there.

    Where some are found, the split is drawn again without them: no part is left empty by a bad file, and the split is that
    of a folder without it.

    Args:
        catalog: the images.
        draw: from images to a split and the images of its parts.
        fill_one: `fill` with its settings.
        largest_share: of the images, that may be stepped over; one always may.

    Returns:
        The split, its parts, and what was stepped over.

    Raises:
        CatalogError, VolumeError: too many files cannot be used, or the others make no split.
    """
    skipped: list[Skipped] = []
    while True:
        try:
            drawn, parts = _drawn(catalog, draw, skipped)
        except VolumeError:  # a split that looks into headers met a bad file: find all of them
            if not (found := [*fill_one(_without(catalog, skipped)).skipped]):
                raise
            skipped += found
            check_share(skipped, len(catalog), largest_share)
            continue
        filled = {name: fill_one(entries) for name, entries in parts.items()}
        found = [one for part in filled.values() for one in part.skipped]
        if not found:
            return drawn, filled, tuple(skipped)
        skipped += found
        check_share(skipped, len(catalog), largest_share)


def check_share(skipped: Sequence[Skipped], total: int, largest_share: float) -> None:
    """Refuse a training set of which too much cannot be used.

    Raises:
        CatalogError, VolumeError, NotFoundError: more than the share of `total`, or all; one bad file of several is no reason.
    """
    count = len(skipped)
    if count < total and count <= max(1.0, largest_share * total):
        return
    if count == 1:
        raise skipped[0].error
    first = skipped[0]
    rule = (
        f"cannot be used, more than the share of {largest_share:g} that unreadable_share allows; the first, "
        f"{first.entry.image}: {first.reason}"
    )
    remedy = f"{first.error.remedy}; `medssl data check` lists all of them"
    if len({one.error.code for one in skipped}) == 1:  # one fault in all of them: a set for another method, perhaps
        raise type(first.error)(f"{count} of {counted(total, 'image')}", rule, remedy, code=first.error.code)
    raise CatalogError(f"{count} of {counted(total, 'image')}", rule, remedy, code="images-unreadable")


def warnings_of(skipped: Sequence[Skipped], total: int) -> list[dict[str, str]]:
    """Warning events (code, message, remedy): one of each file stepped over, from the eleventh on one of all others."""
    named = [
        {
            "code": "unreadable-image",
            "message": f"{printable(str(one.entry.image))} is left out ({number} of {counted(total, 'image')} so far): {one.reason}",
            "remedy": one.error.remedy,
        }
        for number, one in enumerate(skipped[:NAMED], 1)
    ]
    if (more := len(skipped) - NAMED) > 0:
        message = f"{counted(more, 'further image')} {be(more)} left out ({len(skipped)} of {total} images)"
        remedy = "medssl data check lists them with their reasons"
        named.append({"code": "unreadable-image", "message": message, "remedy": remedy})
    return named


def notes_of(skipped: Sequence[Skipped], total: int) -> list[str]:
    """One sentence for reports, which names the first files."""
    if not skipped:
        return []
    listed = "; ".join(f"{printable(str(one.entry.image))}: {one.reason}" for one in skipped[:NAMED])
    more = f"; and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    verb = "was" if len(skipped) == 1 else "were"
    return [f"{len(skipped)} of {counted(total, 'image')} {verb} left out because they cannot be used: {listed}{more}"]


def _drawn(
    catalog: Catalog, draw: Draw[Drawn], skipped: Sequence[Skipped]
) -> tuple[Drawn, Mapping[str, Iterable[Entry]]]:
    try:
        return draw(_without(catalog, skipped))
    except InputError as error:
        if skipped and not isinstance(error, VolumeError):
            said = f" (without {counted(len(skipped), 'image')} that cannot be used, the first {skipped[0].entry.image}: {skipped[0].reason})"
            raise CatalogError(error.value, error.rule + said, error.remedy, code=error.code) from error
        raise


def _without(catalog: Catalog, skipped: Sequence[Skipped]) -> Catalog:
    """The other images; a split may have cut the slices of those skipped."""
    out = {(one.entry.image, one.entry.part, one.entry.view) for one in skipped}
    return replace(
        catalog, entries=tuple(entry for entry in catalog if (entry.image, entry.part, entry.view) not in out)
    )
