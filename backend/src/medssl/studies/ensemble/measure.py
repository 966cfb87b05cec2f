"""From the networks of all folds to one model that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from medssl.core.plan import Plan
from medssl.datasets.cache.channel_notes import channel_notes
from medssl.datasets.geometry import training_geometry
from medssl.images.geometry_config import geometry_rule
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses
from medssl.inference.volumes.postprocessing import SETTING
from medssl.inference.volumes.uncertainty import CALIBRATION
from medssl.networks.memory_format import channels_last
from medssl.networks.network import Network
from medssl.networks.weights.matching_report import COMPUTED
from medssl.networks.weights.members import member_plan, together
from medssl.networks.weights.weight_files import build_network, open_weights, save_weights
from medssl.studies.comparison.run_folder import read_done
from medssl.studies.ensemble.fold_jobs import FoldJobs
from medssl.studies.ensemble.results import FoldResult, compare_with_folds
from medssl.tasks.labelled_data import LabelledSplits
from medssl.tasks.segmentation.measuring import Held, Measured, no_rivals, rivals_beside
from medssl.tasks.train_and_test import MODEL
from medssl.training.fabric import make_fabric

OWN = (SETTING, CALIBRATION)  # what each network learnt of its own validation images


def measure(jobs: FoldJobs) -> dict[str, Any]:
    """Put the networks together, learn post-processing and calibration from what each did not learn from, measure, save.

    Returns:
        The headline numbers {"validation": {...}, "test": {...}}.

    Raises:
        WeightsError: networks that do not belong together.
    """
    run, config = jobs.run, jobs.config
    plan, tensors = together([open_weights(jobs.folder(fold) / MODEL) for fold in range(jobs.folds.count)])
    splits = [jobs.read(fold) for fold in range(jobs.folds.count)]
    plan = _common_plan(plan, jobs, splits[0])
    network = build_network(plan)
    network.load_state_dict({n: t for n, t in tensors.items() if not n.endswith(COMPUTED)}, strict=False)
    network.plan = plan
    fabric = make_fabric(config.training, run.device)
    network = channels_last(network).to(fabric.device).eval()
    held = [Held(parts.validation, _member(network, fold)) for fold, parts in enumerate(splits)]
    notes = (*jobs.folds.notes, *splits[0].every_note(), *_notes_on_channels(splits[0]))
    classes, rule = SegmentClasses.from_list(plan.task["segments"]), NormalisationConfig(**plan.normalisation)
    measured = Measured(config, classes, rule, notes, jobs.steps)
    further = partial(_beside_folds, jobs, splits)
    with fabric.autocast():  # in the precision of training, in which the weights were chosen
        test, beside = Held(splits[0].test, network), no_rivals
        if jobs.spec.rivals and len(splits[0].test):  # out of fold there is no set that all of them did not learn from
            beside = partial(rivals_beside, measured, splits[0], run)
        plan, headline = measured.finish(held, test, plan, run, further, beside)
    save_weights(run.folder / MODEL, tensors, plan)
    return headline


def _notes_on_channels(parts: LabelledSplits) -> list[str]:
    """What to know of the further channels of all images, which every fold has."""
    images = [image for part in (parts.training, parts.validation, parts.test) for image in part.images]
    return channel_notes(images, parts.channels)


def _common_plan(plan: Plan, jobs: FoldJobs, parts: LabelledSplits) -> Plan:
    """The plan of the first network, with what is true of all images together."""
    images = (*parts.training.images, *parts.validation.images)
    geometry = training_geometry(images, geometry_rule(jobs.fold_config(0).geometry, jobs.spec.version))
    task = {name: value for name, value in plan.task.items() if name not in OWN}
    task["spacing"] = np.median([image.spacing for image in images], axis=0).tolist()
    provenance = {
        "job": jobs.run.folder.name,
        "images": len(images),
        "start_from": jobs.start.path,
        "folds": jobs.folds.count,
    }
    return replace(plan, task=task, geometry=geometry, provenance=provenance)


def _member(network: Network, number: int) -> Network:
    one: Network = network.members[number]  # type: ignore[index,assignment]
    one.plan = member_plan(network.plan, number)
    return one


def _beside_folds(
    jobs: FoldJobs, splits: Sequence[LabelledSplits], rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """What the report says of the networks by themselves."""
    folds = []
    for fold, parts in enumerate(splits):
        done = read_done(jobs.folder(fold)) or {}
        of_validation, of_test = ((done.get(part) or {}).get("dice") for part in ("validation", "test"))
        sizes = len(parts.training), len(parts.validation)
        folds.append(FoldResult(jobs.folder(fold), *sizes, of_validation, of_test))
    return {"ensemble": compare_with_folds(rows, folds)}
