"""What of the labels will hurt later: classes that a part does not know, parts in which nothing is labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

BY_LOSS = "weights are chosen by the loss, since there is no Dice where nothing is labelled"


def class_notes(names: Sequence[str], kind: str, targets: Mapping[str, np.ndarray]) -> list[str]:
    """Classes that the images of a part say nothing of, or one thing only.

    Args:
        names: of the classes.
        kind: of the labels; of multi-class sets a class that does not occur is named.
        targets: part (training, validation, test) -> (N, C) in 0...1, nan where unknown; empty parts are left out.
    """
    notes = []
    for part, found in targets.items():
        if not len(found):
            continue
        shown, absent = (np.atleast_1d(kind_of.any(axis=0)) for kind_of in (found >= 0.5, found < 0.5))
        known = shown | absent
        lost = "it cannot be learnt" if part == "training" else "it is left out there and of the means"
        one = "it is hardly learnt" if part == "training" else "it has no AUC there" + _threshold(part)
        unknown = [name for name, there in zip(names, known) if not there]
        if unknown:
            notes.append(f"No {part} image has a known label of {', '.join(unknown)}: {lost}")
        for what, there in (("positive", shown), ("negative", absent)):
            lacking = [name for name, has, knows in zip(names, there, known) if knows and not has]
            if lacking and not (kind == "multi-class" and what == "negative"):
                notes.append(f"No {part} image is {what} for {', '.join(lacking)}: {one}")
    return notes


def _threshold(part: str) -> str:
    return ", and its threshold is 0.5" if part == "validation" else ""


def label_map_notes(values: Mapping[str, Sequence[Sequence[int]]]) -> list[str]:
    """Parts whose label maps are empty, and values that occur in training but in no label map of another part.

    Args:
        values: part -> the values in each of its label maps, 0 too.
    """
    notes = []
    taught = {value for one in values.get("training", ()) for value in one} - {0}
    for part, maps in values.items():
        empty = sum(not set(one) - {0} for one in maps)
        there = {value for one in maps for value in one} - {0}
        if maps and empty == len(maps):
            said = f": {BY_LOSS}" if part == "validation" else ": no Dice can be stated" if part == "test" else ""
            notes.append(f"Nothing is labelled in any of the {len(maps)} {part} images{said}")
        elif empty:
            notes.append(
                f"{empty} of {len(maps)} {part} label maps are empty: they count where something is found in them"
            )
        if there and taught - there:
            listed = ", ".join(map(str, sorted(taught - there)))
            notes.append(f"No {part} label map holds the value {listed}: no Dice of it can be stated there")
    return notes
