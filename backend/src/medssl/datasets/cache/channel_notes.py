"""What to know of the further channels of a set: which cases lie poorly, and how much of which was filled with background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medssl.core.errors import counted
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.images.channels.fit import Fit

NAMED = 20  # cases that a sentence names


def channel_notes(images: Sequence[CachedVolume], names: Sequence[str]) -> list[str]:
    """`fit_notes` of cached images and the names of all their channels; [] of images of one channel."""
    return fit_notes(
        [(image.name, name, one.fit) for image in images for name, one in zip(names[1:], image.further) if one.fit]
    )


def fit_notes(fits: Iterable[tuple[str, str, Fit]]) -> list[str]:
    """Sentences on (case, channel, how it lies): every poor one by name with its reasons, and what was filled where."""
    known = list(fits)
    notes = []
    for channel in dict.fromkeys(name for _, name, _ in known):
        of_channel = [(case, fit) for case, name, fit in known if name == channel]
        poor = [(case, fit) for case, fit in of_channel if fit.reasons]
        if poor:
            listed = "; ".join(f"{case} ({', '.join(fit.reasons)})" for case, fit in poor[:NAMED])
            notes.append(
                f"{channel} lies poorly on the first image in {len(poor)} of {counted(len(of_channel), 'case')}: {listed}{_more(poor)}. "
                "Register them anew, or leave them out (they are used as they are)"
            )
        filled = [(case, fit) for case, fit in of_channel if fit.outside > 0]
        if filled:
            listed = ", ".join(f"{case} {fit.outside:.1%}" for case, fit in filled[:NAMED])
            share = sum(fit.outside for _, fit in of_channel) / len(of_channel)
            notes.append(
                f"Voxels outside the field of {channel} are background in {len(filled)} of {counted(len(of_channel), 'case')} "
                f"({share:.1%} on average): {listed}{_more(filled)}"
            )
    return notes


def _more(found: Sequence[object]) -> str:
    return f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
