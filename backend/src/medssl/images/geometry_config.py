"""Settings of orientation and spacing, as forms, requests and weight files hold them. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.geometry import CANONICAL, INTERPOLATIONS, parse_spacing
from medssl.core.schema import setting

NATIVE, MEDIAN, FIT, PLANNED, STORED = "native", "median", "fit", "planned", "stored"
FIRST_VERSION = 2  # of job specs that know orientation and spacing


@dataclass(frozen=True)
class GeometryConfig:
    """What volumes are brought to before a network sees them."""

    WORDS: ClassVar[tuple[str, ...]] = (NATIVE, MEDIAN)  # spacings that are no millimetres

    spacing: str = setting(
        NATIVE,
        'Spacing: native; median (of the training images, the coarse axis of anisotropic sets finer); or mm along left, '
        'posterior and superior, such as "1 1 3"',
    )  # fmt: skip
    interpolation: str = setting(
        "cubic", "Interpolation of images that are resampled", choices=INTERPOLATIONS, advanced=True
    )
    orientation: str = setting(
        CANONICAL,
        "Orientation: LPS (left, posterior, superior), whatever the files have; stored: as in the files, which mixes "
        "anatomy up where they differ",
        choices=(CANONICAL, STORED), advanced=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.spacing not in self.WORDS:
            parse_spacing(self.spacing)
        if self.orientation == STORED and self.spacing != NATIVE:
            raise ConfigError(
                f"spacing {self.spacing!r} with the orientation {STORED!r}",
                "cannot be: spacings belong to the patient's axes",
                f"Take the orientation {CANONICAL}, or native spacing",
                code="spacing-without-orientation",
            )


@dataclass(frozen=True)
class TaskGeometryConfig(GeometryConfig):
    """The same for tasks that measure on whole volumes: resampled to the median spacing."""

    spacing: str = setting(
        MEDIAN,
        'Spacing: median (of the training images, the coarse axis of anisotropic sets finer); native; or mm along left, '
        'posterior and superior, such as "1 1 3"',
    )  # fmt: skip


@dataclass(frozen=True)
class PlannedGeometryConfig(TaskGeometryConfig):
    """The same for a task that plans what its network sees at once."""

    WORDS = (NATIVE, MEDIAN, PLANNED)

    spacing: str = setting(
        MEDIAN,
        'Spacing: median (of the training images, the coarse axis of anisotropic sets finer); planned (median, or coarser '
        'where a processor has time for small parts of a volume only); native; or mm along left, posterior and superior, '
        'such as "1 1 3"',
    )  # fmt: skip


@dataclass(frozen=True)
class WholeGeometryConfig(GeometryConfig):
    """The same for tasks that look at whole volumes, or at boxes around points, at once."""

    WORDS = (NATIVE, MEDIAN, FIT)

    spacing: str = setting(
        FIT,
        'Spacing: fit (whole volumes: so that nine of ten training volumes fit into the network\'s input; points: median); '
        'median, native, or mm along left, posterior and superior, such as "1 1 3"',
    )  # fmt: skip


AS_STORED = GeometryConfig(orientation=STORED)


def geometry_rule(config: GeometryConfig, version: int) -> GeometryConfig:
    """The settings of a job; those that earlier versions left go on as they began, with images as they are stored."""
    return config if version >= FIRST_VERSION else AS_STORED
