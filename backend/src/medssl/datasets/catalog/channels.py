"""Further channels of a catalogue's images: found by patterns, counted, named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import CatalogError, InputError, counted
from medssl.datasets.entry import Entry
from medssl.images.formats.image_files import stem

WILDCARD = re.compile(r"\*\*/?|\*|\?|\[!?[^\]]+\]")


def with_channels(entries: Sequence[Entry], root: Path, pattern: str, channels: Sequence[str]) -> list[Entry]:
    """The images that `pattern` matched below a folder with their further channels: files whose wildcards stand for the same.

    "*/ct.nii.gz" and "*/mr.nii.gz" go together by folder, "images/*_0000.nii.gz" and "images/*_0001.nii.gz" by name.

    Raises:
        CatalogError: no pattern, another number of wildcards, or an image without one of the channels.
    """
    if not channels:
        return list(entries)
    wildcards = WILDCARD.findall(pattern)
    for channel in channels:
        if not pattern or WILDCARD.findall(channel) != wildcards:
            raise CatalogError(
                f"channel {channel!r} beside the pattern {pattern!r}", "must have the same wildcards, by which files are paired",
                'Write them alike: --pattern "*/ct.nii.gz" --channel "*/mr.nii.gz"', code="channel-pattern",
            )  # fmt: skip
    taking = re.compile("".join(_taking(part) for part in _parts(pattern)))
    return [replace(entry, further=_further(entry, root, taking, channels)) for entry in entries]


def with_modalities(entries: Sequence[Entry], modality: str) -> list[Entry]:
    """The images with the modality that was stated for all channels, or one each ("MR,CT").

    Raises:
        CatalogError: another number of them than of channels.
    """
    stated = [part.strip() for part in modality.split(",")] if modality else []
    if not stated or (len(stated) == 1 and not any(entry.further for entry in entries)):
        return list(entries)
    count = channel_count(entries)
    if len(stated) not in (1, count):
        raise CatalogError(
            f"modality {modality!r}", f"names {len(stated)} of {counted(count, 'channel')}",
            "Write one for all, or one for each: MR,CT", code="channels-not-named",
        )  # fmt: skip
    each = stated * count if len(stated) == 1 else stated
    return [
        replace(entry, modality=each[0], further=tuple(replace(one, modality=m) for one, m in zip(entry.further, each[1:])))
        for entry in entries
    ]  # fmt: skip


def channel_count(entries: Iterable[Entry]) -> int:
    """How many channels every image has, with the first.

    Raises:
        CatalogError: not all have as many.
    """
    counts = {1 + len(entry.further): entry for entry in entries}
    if len(counts) > 1:
        most, least = max(counts), min(counts)
        raise CatalogError(
            f"{counts[least].name} with {counted(least, 'channel')}", f"lacks one that {counts[most].name} has",
            "Give every image each channel, or leave it out", code="channel-missing",
        )  # fmt: skip
    return next(iter(counts), 1)


def channel_names(entries: Sequence[Entry], modalities: Sequence[str], stated: str = "") -> tuple[str, ...]:
    """What the channels are called: as stated, else their modalities where these differ, else what their files are called alike.

    Args:
        entries: the images.
        modalities: of the channels, as they were read.
        stated: "T1,T2"; "" names none.

    Raises:
        CatalogError: another number of names than of channels, or two that are the same.
    """
    if stated:
        names = tuple(part.strip() for part in stated.split(","))
        if len(names) != len(modalities) or len(set(names)) < len(names) or not all(names):
            raise CatalogError(
                f"channel names {stated!r}", f"are no {len(modalities)} different names, one for each channel",
                "Write T1,T2", code="channels-not-named",
            )  # fmt: skip
        return names
    if len(set(modalities)) == len(modalities) and all(modalities):
        return tuple(modalities)
    columns = list(zip(*((entry, *entry.further) for entry in entries)))
    called = [_common_name([stem(one.image) for one in column]) for column in columns]
    if len(set(called)) == len(called) and all(called):
        return tuple(called)
    return tuple(f"{modality or 'image'} {number}" for number, modality in enumerate(modalities, 1))


def one_channel(entries: Iterable[Entry]) -> None:
    """Refuse images of several channels where one is taken.

    Raises:
        InputError: there is one.
    """
    entry = next((entry for entry in entries if entry.further), None)
    if entry is not None:
        raise InputError(
            f"{entry.name} with {1 + len(entry.further)} channels", "has more than this takes, which is one",
            "Leave out the columns image_1 and so on (--channel); segmentation takes several", code="channels-not-taken",
        )  # fmt: skip


def _common_name(stems: Sequence[str]) -> str:
    """What files are called where all are called alike, or the last part behind an underscore where that is (BIDS, nnU-Net)."""
    if len(set(stems)) == 1:
        return stems[0]
    ends = {name.rpartition("_")[2] for name in stems if "_" in name}
    return next(iter(ends)) if len(ends) == 1 and all("_" in name for name in stems) else ""


def _parts(pattern: str) -> list[str]:
    """A glob cut into wildcards and what is between them."""
    return re.split(rf"({WILDCARD.pattern})", pattern)


def _taking(part: str) -> str:
    """A piece of a glob as a piece of a regular expression, which takes out what a wildcard stands for."""
    if part.startswith("**"):
        return "((?:[^/]+/)*)" if part.endswith("/") else "(.*)"
    if part.startswith("["):
        return f"([{part[1:-1].replace('!', '^', 1) if part[1] == '!' else part[1:-1]}])"
    return {"*": "([^/]*)", "?": "([^/])"}.get(part, re.escape(part))


def _further(entry: Entry, root: Path, taking: re.Pattern[str], channels: Sequence[str]) -> tuple[Entry, ...]:
    place = entry.image.relative_to(root).as_posix()
    found = taking.fullmatch(place)
    if found is None:
        raise CatalogError(
            place, "cannot be paired with its further channels by the pattern", "List the images in a table: image, image_1",
            code="channel-pattern",
        )  # fmt: skip
    further = []
    for number, channel in enumerate(channels, 1):
        stands = iter(found.groups())
        path = root / "".join(next(stands) if WILDCARD.fullmatch(part) else part for part in _parts(channel))
        if not path.exists():
            raise CatalogError(
                f"patient {entry.patient}, image {entry.name}: channel {number} ({channel})", f"is not there: {path}",
                "Leave the image out, or give its file", code="channel-missing",
            )  # fmt: skip
        further.append(Entry(path, entry.patient, name=entry.name))
    return tuple(further)
