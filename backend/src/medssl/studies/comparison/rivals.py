"""Trivial rivals of a comparison: fitted to what each of its runs trains on, measured once, kept beside the runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medssl.core import seeds
from medssl.core.capabilities import SEGMENT
from medssl.core.errors import InputError, NotFoundError
from medssl.core.files import read_json, write_json
from medssl.core.protocol import JobSpec, from_json
from medssl.core.registry import config_class
from medssl.core.run import Run
from medssl.core.schema import build
from medssl.evaluation.prediction_tables import write_cases, write_predictions
from medssl.images.formats.segments.names import common_segments
from medssl.images.geometry_config import AS_STORED, GeometryConfig, geometry_rule
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses, find_classes, read_classes
from medssl.studies.comparison.config import SIZES, Study
from medssl.studies.comparison.data import StudyData
from medssl.studies.comparison.plan import RunKey, rival_arm
from medssl.tasks import TASKS
from medssl.tasks.classification.places import with_places
from medssl.tasks.classification.results import as_predictions, calibrated, rescaled
from medssl.tasks.labelled_data import LabelledSplits, dimension, read_parts
from medssl.tasks.rivals import classifiers, segmenters
from medssl.tasks.transfer_config import SelectionConfig
from medssl.tasks.truth import label_spec

FILE = "rivals/rivals.json"
VERSION = 2  # of what rivals are; 2: without columns that are known only afterwards


@dataclasses.dataclass(frozen=True)
class Rivals:
    """What became of the rivals of a comparison.

    Attributes:
        digest: of all that they depend on.
        names: those that were measured, in every size and with every seed.
        columns: of the catalogue, that classifiers without an image were given.
        place: a sentence where the images are cropped around their target.
        reason: why there are none; "" where there are.
    """

    digest: str = ""
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    place: str = ""
    reason: str = ""


def read_rivals(folder: Path) -> Rivals:
    """What the job's folder says of them; none in comparisons that ended before there were any."""
    if not (folder / FILE).is_file():
        return Rivals(reason="this comparison was made before trivial rivals were")
    return from_json(Rivals, read_json(folder / FILE))


def measure_rivals(study: Study, spec: JobSpec, data: StudyData, run: Run) -> Rivals:
    """Fit and measure what is not there yet; the comparison goes on without where its images cannot be used.

    Raises:
        CancelledError: a cancel was asked for. ResourceError: a full disk.
    """
    digest, known = _digest(study, data, run.folder), read_rivals(run.folder)
    if known.digest == digest and not known.reason:
        return known
    try:
        segments = TASKS[study.task].answers == SEGMENT
        measure = _segmentations if segments else _classifications
        found = dataclasses.replace(measure(study, spec, data, run), digest=digest)
    except (InputError, NotFoundError) as error:
        found = Rivals(digest, reason=f"{error.value}: {error.rule}")
        message = f"Trivial rivals could not be measured: {found.reason}"
        run.emit("warning", step=0, code="rivals-missing", message=message, remedy=error.remedy)
    (run.folder / FILE).parent.mkdir(exist_ok=True)
    write_json(run.folder / FILE, dataclasses.asdict(found))
    return found


def _classifications(study: Study, spec: JobSpec, data: StudyData, run: Run) -> Rivals:
    config = _config(study)
    fitter = classifiers.RivalClassifiers(_normalisation(config), run)
    same: dict[tuple[int, ...], classifiers.Answers] = {}
    names: tuple[str, ...] = ()
    columns: dict[str, None] = {}
    for value, size, seed, parts in _parts(study, spec, data, run, config):
        learnt = tuple(hash((value, entry.image, entry.point)) for entry in parts.training.entries)
        answers = same[learnt] = same[learnt] if learnt in same else fitter.answers(parts)
        columns |= dict.fromkeys(answers.columns)
        names = tuple(answers.probabilities)
        for name, of_parts in answers.probabilities.items():
            folder = RunKey(rival_arm(study, name, value), size, seed).folder(run.folder) / "results"
            folder.mkdir(parents=True, exist_ok=True)
            truth = parts.validation.targets
            temperatures, thresholds = calibrated(
                of_parts["validation"], parts, truth, config.threshold, config.specificity
            )
            table = as_predictions(parts.test, parts, rescaled(of_parts["test"], temperatures, parts))
            write_predictions(folder / "predictions.csv", table)
            about = {"kind": parts.kind, "thresholds": thresholds, "specificity": config.specificity}
            write_json(folder / "evaluation.json", about)
    return Rivals(names=names, columns=tuple(columns))


def _segmentations(study: Study, spec: JobSpec, data: StudyData, run: Run) -> Rivals:
    config = _config(study)
    whole = dataclasses.replace(study, sizes=(1.0,), unit="fractions", seeds=study.seeds[:1])
    everyone = [parts for *_, parts in _parts(whole, spec, data, run, config)]
    test, modality = everyone[0].test, everyone[0].modality
    rivals = segmenters.RivalSegmentation(_classes(config.classes, everyone), _normalisation(config), run)
    fitted = [
        (value, size, seed, rivals.fit(parts)) for value, size, seed, parts in _parts(study, spec, data, run, config)
    ]
    everywhere = set.intersection(*(set(one.names) for *_, one in fitted))
    names = tuple(name for name in segmenters.WHAT if name in everywhere)
    measured = rivals.measure(
        [one for *_, one in fitted], test, modality, config.tolerance, segmenters.needs_surfaces(study.metric)
    )
    for (value, size, seed, _), cases in zip(fitted, measured):
        for name in names:
            folder = RunKey(rival_arm(study, name, value), size, seed).folder(run.folder) / "results"
            folder.mkdir(parents=True, exist_ok=True)
            write_cases(folder / "cases.csv", cases[name])
    places = [one.place_sentence(dimension(everyone[0])) for *_, one in fitted]
    return Rivals(names=names, place=next(filter(None, reversed(places)), ""))  # of the largest size


def _parts(
    study: Study, spec: JobSpec, data: StudyData, run: Run, config: Any
) -> Iterator[tuple[str, float, int, LabelledSplits]]:
    """value, size, seed and the images of each run, as the run reads them."""
    rule = geometry_rule(getattr(config, "geometry", GeometryConfig()), spec.version)
    segments = TASKS[study.task].answers == SEGMENT
    labels = None if segments else label_spec(config, spec.version)
    split = seeds.derive(0, "split") % 2**31
    for value in data.files:
        of_value = data.spec(spec.data, value, run.folder)
        for size in study.sizes:
            for seed in study.seeds:
                asked: dict[str, Any] = {SIZES[study.unit]: size, "seed": seed}
                select = SelectionConfig(**asked)
                parts = read_parts(of_value, run, select, split, labels, rule.orientation)
                pointed = not segments and hasattr(config, "crop") and rule != AS_STORED
                yield value, size, seed, with_places(parts) if pointed else parts


def _config(study: Study) -> Any:
    """The settings of the first arm; what rivals need of them is that of all."""
    return build(config_class(TASKS, study.task, "task"), study.arms[0].config)


def _normalisation(config: Any) -> NormalisationConfig:
    return getattr(config, "normalisation", NormalisationConfig())


def _classes(text: str, splits: Sequence[LabelledSplits]) -> SegmentClasses:
    """As they are stated, else all that occur."""
    every = [part for parts in splits for part in (parts.training, parts.validation, parts.test)]
    named = common_segments(entry.mask for part in every for entry in part.entries if entry.mask)
    return read_classes(text) if text else find_classes([mask.values for part in every for mask in part.masks], named)


def _digest(study: Study, data: StudyData, folder: Path) -> str:
    tables = [data.sha256(value, folder) for value in data.files]
    parts = [VERSION, study.task, study.sizes, study.seeds, study.unit, study.metric, study.arms[0].config, tables]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
