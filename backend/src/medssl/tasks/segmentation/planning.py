"""The plan of one segmentation: what its settings leave open, chosen from its training set, once for all its resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lcm, prod
from typing import Any

import torch

from medssl.core.errors import ConfigError
from medssl.core.files import read_json, write_json
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.core.run import Run
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses
from medssl.networks.weights.weight_files import WeightFile, build_network
from medssl.tasks.architecture import Architecture, segmentation_network
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits
from medssl.tasks.planning.budget import Budget, budget_of
from medssl.tasks.planning.cost import Cost, Costs
from medssl.tasks.planning.fingerprint import Fingerprint, take_fingerprint
from medssl.tasks.planning.plan import OWN_WIDTH, STEP, Planned, Wanted, plan
from medssl.tasks.planning.pooling import Pooling
from medssl.tasks.segmentation.classes import classes_of, form_of
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.training.fabric import choose_precision

PLAN_FILE = "plan.json"  # in the job folder
SLICE = 16  # a third side of crops that have two
ANY_SIDES = ("basic_unet", "primus")  # networks that pad, or whose one size is that of the crop
LEAST_WINDOW = 50.0  # HU: a narrower one would show noise


@dataclass(frozen=True)
class Setup:
    """What is known of a segmentation before its plan."""

    config: SegmentationConfig
    form: str
    classes: SegmentClasses
    inputs: int
    file: WeightFile | None
    device: str

    def architecture(self, width: int = 0, crop: Sequence[int] = (), stages: Pooling | None = None) -> Architecture:
        """The network with this width, seeing boxes of this size."""
        config = self.config
        width = config.base_width if width in (0, OWN_WIDTH) else width
        config = replace(config, base_width=width, crop=_three(crop) if crop else config.crop)
        source = self.file.plan if self.file else None
        return segmentation_network(config, self.form, self.classes.count + 1, self.inputs, source, stages)


def setup_of(config: SegmentationConfig, parts: LabelledSplits, file: WeightFile | None, device: str) -> Setup:
    """What images, settings and weights say before the plan.

    Raises:
        ConfigError, VolumeError: see `form_of` and `classes_of`.
    """
    form, context = form_of(config, parts)
    inputs = len(parts.modalities) * (1 + 2 * context)
    return Setup(config, form, classes_of(config, file, parts), inputs, file, device)


def planned_for(setup: Setup, part: LabelledSplit, geometry: Geometry, run: Run) -> tuple[Planned, Fingerprint]:
    """The plan in the job's folder, made now where there is none.

    Raises:
        ResourceError: the smallest box does not fit into the memory.
        ConfigError: a stated crop or window that the network cannot halve.
    """
    path = run.folder / PLAN_FILE
    if path.is_file():
        kept = read_json(path)
        return Planned.from_dict(kept["plan"]), Fingerprint.from_dict(kept["fingerprint"])
    fingerprint = take_fingerprint(part.images, part.masks, setup.classes, geometry.spacing)
    made = make_plan(setup, fingerprint)
    write_json(path, {"plan": made.as_dict(), "fingerprint": fingerprint.as_dict()})
    return made, fingerprint


def make_plan(setup: Setup, fingerprint: Fingerprint, budget: Budget | None = None) -> Planned:
    """The plan; `budget`: None for that of the device.

    Raises:
        ResourceError, ConfigError: see `planned_for`.
    """
    training = setup.config.training
    precision = choose_precision(training.precision, setup.device.partition(":")[0])
    costs = Costs(precision, training.optimizer, training.ema > 0)

    def cost_of(stages: Pooling, width: int, size: Sequence[int]) -> Cost:
        method, arguments = setup.architecture(width, size, stages)
        return costs.of(
            (stages, width), lambda: build_network(Plan(method=method, network=arguments)), setup.inputs, size
        )

    budget = budget or budget_of(setup.device, training.memory)
    flat, wanted, square = setup.form != "3d", _wanted(setup), len(fingerprint.shape) == 2
    if wanted.pooling:
        _check_sides(setup, wanted.pooling, square)
    made = plan(_in_plane(fingerprint) if flat else fingerprint, wanted, budget, cost_of)
    if not wanted.pooling:
        _check_sides(setup, made.pooling, square)
    return replace(made, crop=_three(made.crop)) if flat else made


def settled(config: SegmentationConfig, planned: Planned, fingerprint: Fingerprint, fresh: bool) -> SegmentationConfig:
    """The settings with what was planned; explicit ones stay.

    Args:
        config: the settings.
        planned: the plan.
        fingerprint: of the training set.
        fresh: nothing learnt before, or from intensities that nobody recorded; otherwise they stay as those weights know them.
    """
    training = config.training
    training = replace(training, batch_size=training.batch_size or planned.batch)
    crop = config.crop if all(config.crop) else _three(planned.crop)
    fresh = fresh and config.window_from_labels
    normalisation = _normalisation(config.normalisation, fingerprint) if fresh else config.normalisation
    width = config.base_width or (planned.width if planned.width != OWN_WIDTH else 0)
    return replace(config, base_width=width, crop=crop, normalisation=normalisation, training=training)


def _normalisation(config: NormalisationConfig, fingerprint: Fingerprint) -> NormalisationConfig:
    """For CT the intensities inside the labels (0.5th to 99.5th percentile) become 0 and 1 (Isensee et al. 2021)."""
    if config != NormalisationConfig() or fingerprint.modality != "CT" or not fingerprint.intensities:
        return config
    low, _, high = fingerprint.intensities
    missing = max(0.0, LEAST_WINDOW - (high - low))
    return replace(config, kind="ct", low=low - missing / 2, high=high + missing / 2)


def _wanted(setup: Setup) -> Wanted:
    config, axes = setup.config, 2 if setup.form != "3d" else 3
    method, arguments = setup.architecture(config.base_width or 8, _any_crop(config), _alike(axes, 3))
    further: dict[str, Any] = arguments.get("arguments", {})
    known = Wanted(crop=config.crop, batch=config.training.batch_size)
    if method == "nnunet-segmenter" and arguments["name"] != "primus":
        if setup.file is None or "strides" not in further:
            halvings = None if setup.file is None else 5
            own = None if halvings is None else _alike(axes, halvings)
            return replace(known, width=config.base_width, pooling=own)
        strides = tuple(tuple(_each(stride, axes)) for stride in further["strides"])
        kernels = tuple(tuple(_each(3, axes)) for _ in strides)
        return replace(known, width=OWN_WIDTH, pooling=Pooling(strides, kernels))
    if method == "unet-segmenter":
        width = arguments["base_width"] if setup.file else config.base_width
        return replace(known, width=width, pooling=_alike(axes, 3))
    if method == "swin-segmenter":
        side = build_network(Plan(method=method, network=arguments)).side
        return replace(known, width=OWN_WIDTH, pooling=_alike(axes, 0), side=side)
    return replace(known, width=OWN_WIDTH, pooling=_alike(axes, 3 if arguments.get("name") == "primus" else 5))


def _check_sides(setup: Setup, stages: Pooling, square: bool) -> None:
    """Refuse a stated crop or window that the network cannot halve: torch would, in the middle of the training.

    Args:
        setup: with the settings.
        stages: of the network, as far as it is planned.
        square: radiographs, which are seen in squares of the crop's first side.
    """
    config, axes = setup.config, 2 if setup.form != "3d" else 3
    stated: dict[str, Sequence[int]] = {}
    if all(config.crop):
        stated["crop"] = (config.crop[0],) * 2 if square else config.crop[:axes]
    if axes == 3 and all(config.window):
        stated["window"] = config.window
    if not stated:
        return
    network, divisors = _divisors(setup, stages)
    if square:
        divisors = (lcm(*divisors),) * 2
    steps = [lcm(STEP, divisor) for divisor in divisors]
    for name, sides in stated.items():
        if any(side % divisor for side, divisor in zip(sides, divisors)):
            below = [max(step, side - side % step) for side, step in zip(sides, steps)]
            above = [-(-side // step) * step for side, step in zip(sides, steps)]
            nearest = dict.fromkeys(_listed([*found, *getattr(config, name)[axes:]]) for found in (below, above))
            raise ConfigError(
                f"{name} = {list(getattr(config, name))}",
                f"cannot be halved as often as {network} does, which takes multiples of {_listed(divisors)}",
                f"Use {' or '.join(nearest)}; or 0, 0, 0 to have it planned", code="size-not-divisible",
            )  # fmt: skip


def _divisors(setup: Setup, stages: Pooling) -> tuple[str, tuple[int, ...]]:
    """The network's name, and what divides the sides of its images along i, j (and k)."""
    config, axes = setup.config, 2 if setup.form != "3d" else 3
    method, arguments = setup.architecture(config.base_width or 8, _any_crop(config), stages)
    name, further = str(arguments.get("name", method)), arguments.get("arguments", {})
    if method == "swin-segmenter" or name in ANY_SIDES:
        return name, (1,) * axes
    if method == "nnunet-segmenter" and "strides" in further:
        divisors = tuple(prod(sides) for sides in zip(*(_each(stride, axes) for stride in further["strides"])))
        if setup.file and axes == 2:  # which has rows first, and these lie along j
            divisors = divisors[::-1]
        return name, divisors
    with torch.device("meta"):
        network = build_network(Plan(method=method, network=arguments))
    return name, (network.size_divisor,) * axes


def _any_crop(config: SegmentationConfig) -> tuple[int, ...]:
    """The stated crop, or one that any network takes."""
    return config.crop if all(config.crop) else (64, 64, 64)


def _listed(sides: Sequence[int]) -> str:
    return ", ".join(map(str, sides))


def _in_plane(fingerprint: Fingerprint) -> Fingerprint:
    """The same of slices; a radiograph is seen as a square of its short side."""
    shape = fingerprint.shape[:2]
    if len(fingerprint.shape) == 2:
        shape = (min(shape),) * 2
    return replace(fingerprint, shape=shape, spacing=fingerprint.spacing[:2])


def _three(crop: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = (*crop, SLICE)[:3]
    return (int(first), int(second), int(third))


def _alike(axes: int, halvings: int) -> Pooling:
    """The stages of a network that halves all axes alike."""
    strides = ((1,) * axes, *((2,) * axes,) * halvings)
    return Pooling(strides, ((3,) * axes,) * len(strides))


def _each(stride: int | Sequence[int], axes: int) -> list[int]:
    return [stride] * axes if isinstance(stride, int) else list(stride)
