"""Fields of requests, with their descriptions and ranges. Standard library only: Slicer imports this."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any

from medssl.core.protocol import Body
from medssl.core.schema import check_ranges, range_text, setting


class Request(Body):
    """Base of the inspections' requests, which refuse values outside their range as soon as they are made.

    Raises:
        ConfigError: such a value.
    """

    def __post_init__(self) -> None:
        check_ranges(self)


def asked(description: str, default: Any = MISSING, **rules: Any) -> Any:
    """Declare one field of a request; without a default it is required. `rules` as in `medssl.core.schema.setting`."""
    allowed = range_text(**rules)
    return setting(default, f"{description} ({allowed})" if allowed else description, **rules)


def dense(default: int) -> Any:
    """Declare how finely patches are described."""
    return asked("Descriptors along a side of a grid cell: 1, 2 or 4", default)


def search_radius() -> Any:
    """Declare how far from the same relative place a match may lie."""
    return asked(
        "Radius of the search around the same relative place, in percent of the image's width; 0 searches everywhere. An "
        "untrained network with the same radius is held beside it", 0.0, minimum=0, maximum=100,
    )  # fmt: skip


def refine() -> Any:
    """Declare whether matches are looked at again on finer cells."""
    return asked("Matches are looked at again on quarters of a cell: finer, and slower", False)


def seed() -> Any:
    """Declare a seed."""
    return asked("Seed; the same one gives the same answer", 0)


def part() -> Any:
    """Declare which network of a weight file is meant."""
    return asked("Network, where the weights hold both; empty takes the first", "", choices=("student", "teacher"))


def fidelity() -> Any:
    """Declare the form of a network."""
    return asked("Form of the network; empty takes what the weights say", "", choices=("paper", "released"))


def orientation() -> Any:
    """Declare the orientation of a model's training images, for files that do not record it."""
    return asked(
        "Orientation of the model's training images, such as LPS or RAS, where its file does not record it", ""
    )


def spacing() -> Any:
    """Declare the spacing that goes with `orientation`."""
    return asked("Spacing in mm that goes with the orientation: native, or 1 1 3", "native")


def device() -> Any:
    """Declare a device."""
    return asked("Device: auto, cpu, cuda, cuda:1 or mps", "auto")
