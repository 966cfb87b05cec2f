"""How a model's images lie: which way their axes run and how large their voxels are. Standard library only: panels ask here too."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medssl.core.errors import ConfigError

CANONICAL = "LPS"
LETTERS = ("LR", "PA", "SI")  # along and against each axis of the LPS frame
INTERPOLATIONS = ("cubic", "linear")
FAR = 1.5  # times the smallest or largest spacing of training, either way: worth a note
TILTED = 15.0  # degrees beyond what training saw: worth a note
UNRECORDED = (
    "The model's file does not record the orientation and spacing of its training images: images are taken as they are stored, and "
    "one stored in another voxel order or spacing gives other results. State them with `medssl weights state`"
)

Matrix = Sequence[Sequence[float]]  # 3 x 3, its columns the unit vectors of i, j, k in LPS


@dataclass(frozen=True)
class Geometry:
    """How a model expects volumes, as its weight file records it.

    Attributes:
        orientation: where i, j, k run to, such as LPS (left, posterior, superior); "" where it is not recorded.
        spacing: mm along these axes that images are resampled to; () for native spacing.
        interpolation: of images that are resampled: cubic or linear.
        finest, coarsest: the smallest and the largest spacing along each axis among the training images; () where unknown.
        tilt: the largest angle in degrees between an axis of a training image and the world's.
    """

    orientation: str = ""
    spacing: tuple[float, ...] = ()
    interpolation: str = "cubic"
    finest: tuple[float, ...] = ()
    coarsest: tuple[float, ...] = ()
    tilt: float = 0.0

    def __post_init__(self) -> None:
        for name in ("spacing", "finest", "coarsest"):
            object.__setattr__(self, name, tuple(float(n) for n in getattr(self, name)))
        if self.orientation:
            check_orientation(self.orientation)
        if self.spacing and (len(self.spacing) != 3 or not all(0 < n < math.inf for n in self.spacing)):
            raise ConfigError(
                f"spacing {list(self.spacing)}",
                "must be three numbers of millimetres above 0",
                "Write 1 1 1, or native",
                code="setting-out-of-range",
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"interpolation {self.interpolation!r}",
                "is unknown",
                f"Use {' or '.join(INTERPOLATIONS)}",
                code="setting-not-a-choice",
            )

    @property
    def recorded(self) -> bool:
        """Whether the file says how its images lay; else they are taken as they are stored."""
        return bool(self.orientation)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Geometry:
        """Of what `as_dict` gives; {} is a file that records nothing."""
        return Geometry(**values)

    def text(self) -> str:
        """In words: "LPS, 1 x 1 x 3 mm (cubic)"; "LPS, native spacing"."""
        if not self.recorded:
            return "not recorded"
        return f"{self.orientation}, {f'{millimetres(self.spacing)} mm ({self.interpolation})' if self.spacing else 'native spacing'}"


def parse_spacing(text: str) -> tuple[float, ...]:
    """Millimetres as people write them: "1 1 3", "1,1,3", "1x1x3", one number for all axes, or "native" (also "") for ().

    Raises:
        ConfigError: anything else.
    """
    if text.strip().lower() in ("", "native"):
        return ()
    try:
        numbers = tuple(float(part) for part in re.split(r"[\s,;x×]+", text.strip().lower()))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(0 < n < math.inf for n in numbers):
        raise ConfigError(
            f"spacing {text!r}", "is no spacing", "Write native, or millimetres along i, j, k: 1 1 3",
            code="spacing-malformed",
        )  # fmt: skip
    return numbers * 3 if len(numbers) == 1 else numbers


def stated_geometry(orientation: str, spacing: str) -> Geometry:
    """What a user states of a model's training images; nothing where neither is stated.

    Raises:
        ConfigError: no orientation, no spacing, or a spacing without the orientation that its axes belong to.
    """
    millimetres_stated = parse_spacing(spacing)
    if orientation:
        return Geometry(orientation.upper(), millimetres_stated)
    if millimetres_stated:
        raise ConfigError(
            f"spacing {spacing!r}",
            "is stated without an orientation, whose axes it belongs to",
            "State the orientation too, such as LPS or RAS",
            code="orientation-missing",
        )
    return Geometry()


def check_orientation(orientation: str) -> None:
    """Refuse what is no orientation.

    Raises:
        ConfigError: not three letters, one of each of L/R, P/A and S/I.
    """
    axes = [next((n for n, pair in enumerate(LETTERS) if letter in pair), -1) for letter in orientation]
    if sorted(axes) != [0, 1, 2]:
        raise ConfigError(
            f"orientation {orientation!r}",
            "must be three letters: L or R, P or A, S or I, in the order of i, j, k",
            "Write LPS (as DICOM stores axial slices) or RAS (as many NIfTI files are stored)",
            code="orientation-unknown",
        )


def axis_order(direction: Matrix) -> tuple[int, int, int]:
    """Which axis of the array runs nearest to each of left-right, posterior-anterior, superior-inferior; each once.

    Of equally near ones (at 45 degrees) an axis is taken for its line in the world, so that every storage of an image gets the same.
    """
    left = {(world, axis): _nearness(direction, world, axis) for world in range(3) for axis in range(3)}
    order = [0, 0, 0]
    while left:
        world, axis = max(left, key=lambda pair: left[pair])
        order[world] = axis
        left = {pair: value for pair, value in left.items() if pair[0] != world and pair[1] != axis}
    return order[0], order[1], order[2]


def _nearness(direction: Matrix, world: int, axis: int) -> tuple[float, int, list[float]]:
    """How near an axis runs to one of the world; then what tells equals apart, whatever their number or sign."""
    line = [round(row[axis], 6) for row in direction]
    sign = next((math.copysign(1.0, part) for part in line if part), 1.0)
    return abs(line[world]), -world, [sign * part for part in line]


def orientation_of(direction: Matrix) -> str:
    """Where i, j, k run to, nearest: three letters such as LPS or RAS."""
    letters = ["", "", ""]
    for world, axis in enumerate(axis_order(direction)):
        letters[axis] = LETTERS[world][0 if direction[world][axis] >= 0 else 1]
    return "".join(letters)


def direction_of(orientation: str) -> list[list[float]]:
    """The direction matrix whose axes run exactly along an orientation.

    Raises:
        ConfigError: no orientation.
    """
    check_orientation(orientation)
    return [[(1.0, -1.0)[pair.index(letter)] if letter in pair else 0.0 for letter in orientation] for pair in LETTERS]


def tilt_of(direction: Matrix) -> float:
    """The largest angle in degrees between an axis of the array and the axis of the world nearest to it."""
    cosines = [abs(direction[world][axis]) for world, axis in enumerate(axis_order(direction))]
    return math.degrees(math.acos(min(1.0, min(cosines))))


def geometry_notes(spacing: Sequence[float], direction: Matrix, geometry: Geometry) -> tuple[str, ...]:
    """What to know before a model is applied to a volume of this geometry; () where it is like those of training.

    Args:
        spacing: mm along i, j, k.
        direction: see `Matrix`.
        geometry: of the model.
    """
    if not geometry.recorded:
        return (UNRECORDED,)
    notes = []
    ordered = spacing_along(spacing, direction, geometry.orientation)
    finest, coarsest = (seen or geometry.spacing or ordered for seen in (geometry.finest, geometry.coarsest))
    if any(s > FAR * high or s < low / FAR for s, low, high in zip(ordered, finest, coarsest)):
        seen = millimetres(finest) if finest == coarsest else f"{millimetres(finest)} to {millimetres(coarsest)}"
        does = f"it is resampled to {millimetres(geometry.spacing)} mm" if geometry.spacing else "it is not resampled"
        notes.append(
            f"Voxels of {millimetres(ordered)} mm ({geometry.orientation}) are far from those of the training images ({seen} mm): "
            f"{does}; look at the result with care"
        )
    tilt = tilt_of(direction)
    if tilt > geometry.tilt + TILTED:
        notes.append(
            f"The volume is tilted by {tilt:.0f} degrees against the patient's axes, the training images by {geometry.tilt:.0f} at most: "
            "look at the result with care"
        )
    return tuple(notes)


def spacing_along(spacing: Sequence[float], direction: Matrix, orientation: str) -> tuple[float, ...]:
    """The spacing of a volume along the axes of another orientation."""
    order = axis_order(direction)
    worlds = [next(n for n, pair in enumerate(LETTERS) if letter in pair) for letter in orientation]
    return tuple(float(spacing[order[world]]) for world in worlds)


def millimetres(spacing: Sequence[float]) -> str:
    """ "1 x 1 x 3"."""
    return " x ".join(f"{side:.3g}" for side in spacing)
