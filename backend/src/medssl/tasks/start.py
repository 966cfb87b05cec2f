"""What a task takes over from the weights that it begins with, beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medssl.core.errors import ConfigError, InputError
from medssl.core.geometry import FAR, Geometry, millimetres
from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.networks.weights.weight_files import WeightFile
from medssl.tasks.history.learnt_little import notes_on_learning
from medssl.tasks.history.seen_tests import notes_on_tests
from medssl.tasks.labelled_data import LabelledSplits


def check_form(form: str, axes: int) -> str:
    """What the network sees, "auto" resolved by the images' dimension.

    Raises:
        ConfigError: a form that these images do not have.
    """
    if form == "auto":
        return "3d" if axes == 3 else "2d"
    if axes == 2 and form != "2d":
        raise ConfigError(
            f"form = {form!r}", "needs volumes, and these images are 2D", "Take auto or 2d", code="form-of-volumes"
        )
    return form


def check_channels(count: int, form: str) -> None:
    """Refuse several channels where the network sees slices or radiographs.

    Raises:
        InputError: they are seen so.
    """
    if count > 1 and form != "3d":
        raise InputError(
            f"form = {form!r} with {count} channels", "takes one channel", "Take form=3d, or leave out the further channels",
            code="channels-not-taken",
        )  # fmt: skip


def start_normalisation(config: NormalisationConfig, file: WeightFile | None, modality: str) -> NormalisationConfig:
    """The rule that the weights learnt with, unless the config names another.

    Raises:
        InputError: no rule fits the modality.
    """
    if config.kind == "auto" and file:
        for channel in file.plan.channels:
            if channel.normalisation and channel.modality in ("", modality):
                return NormalisationConfig(**channel.normalisation)
    return resolve(config, modality)


def check_windows(parts: LabelledSplits, rules: Sequence[NormalisationConfig]) -> None:
    """Refuse, before any training, images that are measured last and cannot be brought to 0...1.

    Args:
        parts: of the task; training images are looked at by their samples.
        rules: of each channel.

    Raises:
        VolumeError, InputError: see `window`.
    """
    for part in (parts.validation, parts.test):
        for image in part.images:
            for rule, one in zip(rules, (image, *image.further)):
                window(rule, one.statistics, one.name)


def further_normalisations(
    config: NormalisationConfig, file: WeightFile | None, modalities: Sequence[str]
) -> tuple[NormalisationConfig, ...]:
    """The rules of the channels after the first: its own rule for those of its modality, else that of their modality.

    Raises:
        InputError: see `start_normalisation`.
    """
    return tuple(
        start_normalisation(config if modality == modalities[0] else replace(config, kind="auto"), file, modality)
        for modality in modalities[1:]
    )


def start_notes(file: WeightFile | None, geometry: Geometry) -> tuple[str, ...]:
    """What to know of weights whose volumes lay otherwise than those of this training; () where nothing tells them apart.

    Args:
        file: the weights to begin with.
        geometry: what the volumes of this training are brought to.
    """
    if file is None or not geometry.recorded:
        return ()
    before = file.plan.geometry
    if not before.recorded:
        unknown = "The weights to start from do not record the orientation and spacing they learnt in"
        return (f"{unknown}; here volumes are in {geometry.text()}",) if len(file.plan.input_size) == 3 else ()
    notes = []
    if before.orientation != geometry.orientation:
        notes.append(
            f"The weights to start from learnt in the orientation {before.orientation}, here it is {geometry.orientation}"
        )
    (low, high), (finer, coarser) = _seen(before), _seen(geometry)
    if any(fine > FAR * most or coarse < least / FAR for fine, coarse, least, most in zip(finer, coarser, low, high)):
        notes.append(
            f"The weights to start from learnt on voxels of {_span(low, high)} mm, here they are of {_span(finer, coarser)} mm: structures "
            "have another size in voxels"
        )
    return tuple(notes)


def _seen(geometry: Geometry) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The finest and coarsest voxels that a network sees."""
    return geometry.spacing or geometry.finest, geometry.spacing or geometry.coarsest


def _span(low: tuple[float, ...], high: tuple[float, ...]) -> str:
    return millimetres(low) if low == high else f"{millimetres(low)} to {millimetres(high)}"


def with_history(parts: LabelledSplits, spec: JobSpec, run: Run) -> LabelledSplits:
    """The parts, and first among what is known of them, what the jobs say that made the weights to begin with.

    That is how many test images these learnt by their labels, and whether they learnt anything.
    """
    seen = notes_on_tests(run.home, spec.start_from, [entry.image for entry in parts.test.entries])
    said = (*seen, *notes_on_learning(run.home, spec.start_from))
    return replace(parts, about=(*[one for one in said if one not in parts.about], *parts.about))
