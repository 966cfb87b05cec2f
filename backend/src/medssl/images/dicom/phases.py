"""Several images of one place in one DICOM series (contrast phases, echoes, b-values, repeats), told apart by a tag."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from medssl.images.dicom.planes import PHASE_TAGS, Plane

TIMES = tuple(PHASE_TAGS.index(name) for name in ("TriggerTime", "AcquisitionTime", "ContentTime"))
SAME_PLACE = 2e-3  # mm


def phases(slices: list[Plane]) -> list[tuple[str, list[Plane]]]:
    """Slices of one size and orientation as one stack per phase, each with the tag and value that tell it apart.

    They stay together unless places repeat. Then the tag (or the two tags) that leave no place twice in a phase split
    them, into as few phases as can be; failing that, the n-th image of each place is of phase n, if each has as many.
    What nothing tells apart stays together, and reading it refuses the repeated slice.
    """
    places = _places(slices)
    if places is None:
        return [("", slices)]
    most = int(np.bincount(places).max())
    if most == 1:
        return [("", slices)]
    telling = [tag for tag in range(len(PHASE_TAGS)) if len({one.marks[tag] for one in slices}) > 1]
    for number in (1, 2):
        found = [groups for tags in combinations(telling, number) for groups in [_by_tags(slices, places, tags)] if 1 < len(groups) <= 2 * most]  # fmt: skip
        if found:
            return min(found, key=len)
    return _by_turn(slices, places, most) or [("", slices)]


def _places(slices: list[Plane]) -> np.ndarray | None:
    """Which place along the normal each slice has (k,), counted from 0; None where the file does not say."""
    first = slices[0].orientation if slices else None
    if first is None or any(one.position is None for one in slices):
        return None
    normal = np.cross(first[:3], first[3:])
    heights = np.asarray([one.position for one in slices], dtype=np.float64) @ normal
    order = np.argsort(heights, kind="stable")
    places = np.empty(len(slices), dtype=np.int64)
    places[order] = np.concatenate([[0], np.cumsum(np.diff(heights[order]) > SAME_PLACE)])
    return places


def _by_tags(slices: list[Plane], places: np.ndarray, tags: tuple[int, ...]) -> list[tuple[str, list[Plane]]]:
    """The slices by their values of these tags; none where a phase would hold a place twice."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for n, one in enumerate(slices):
        groups.setdefault(tuple(one.marks[tag] for tag in tags), []).append(n)
    if any(len(set(places[members])) < len(members) for members in groups.values()):
        return []
    names = {values: ", ".join(f"{PHASE_TAGS[tag]} {value or 'absent'}" for tag, value in zip(tags, values)) for values in groups}  # fmt: skip
    return [(names[values], [slices[n] for n in members]) for values, members in sorted(groups.items(), key=lambda item: _natural(item[0]))]  # fmt: skip


def _natural(values: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    """Numbers in their order, then words."""
    keys: list[tuple[float, str]] = []
    for value in values:
        try:
            keys.append((float(value), value))
        except ValueError:
            keys.append((np.inf, value))
    return tuple(keys)


def _by_turn(slices: list[Plane], places: np.ndarray, most: int) -> list[tuple[str, list[Plane]]]:
    """The n-th image of each place, in order of time and number, as phase n; none where places hold differing numbers."""
    if (np.bincount(places) != most).any():
        return []
    keys = [(_natural(tuple(one.marks[t] for t in TIMES)), one.number) for one in slices]
    if len(set(zip(places.tolist(), keys))) < len(slices):
        return []  # nothing orders them
    turns: list[list[Plane]] = [[] for _ in range(most)]
    for place in range(int(places.max()) + 1):
        members = sorted(np.flatnonzero(places == place), key=lambda n: keys[n])
        for turn, n in zip(turns, members):
            turn.append(slices[n])
    return [(f"image {n + 1} of {most} at each place", turn) for n, turn in enumerate(turns)]
