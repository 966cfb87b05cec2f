"""An image of a job's split."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """An image of a split: its path, its part (training, validation or test) and its patient, "" where that is not known."""

    image: str
    split: str
    patient: str = ""
