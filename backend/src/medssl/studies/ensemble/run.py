"""The job kind "ensemble": a task's networks trained on all folds but one each, one after another, then together as one model."""

from __future__ import annotations

from medssl.core.files import read_json, write_json
from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.core.schema import as_dict, build
from medssl.jobs.child import KINDS
from medssl.studies.ensemble.fold_jobs import FIXED, FoldJobs, fix
from medssl.studies.ensemble.measure import measure
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.train_and_test import MODEL

MEASURED = "measured.json"


def ensemble(spec: JobSpec, run: Run, kinds: str = KINDS) -> None:
    """Train every fold that is not done, and leave one model, which was measured, in `results/`.

    Args:
        kinds: "module:TABLE" with the kinds of jobs.

    Raises:
        CancelledError: a cancel was asked for; finished folds stay, the one at work has a checkpoint.
        CatalogError: too few patients. WeightsError: weights to begin with that are gone, have changed or do not fit.
        TrainingError: why the training of a fold failed.
    """
    config: SegmentationConfig = build(SegmentationConfig, spec.config)
    if not (run.folder / FIXED).is_file():
        fix(spec, config, run)
    jobs, measured = FoldJobs(spec, config, run, kinds), run.folder / MEASURED
    done = [fold for fold in range(jobs.folds.count) if jobs.is_done(fold)]
    _report_start(jobs, len(done))
    if not measured.is_file():  # else it was ended while it was tidying up
        for fold in range(jobs.folds.count):
            if fold not in done:
                jobs.train(fold)
        run.progress(jobs.steps, jobs.steps, "measuring the ensemble")
        write_json(measured, measure(jobs))
    jobs.tidy()
    headline = read_json(measured)
    verdict = headline.pop("verdict")
    run.emit("evaluation", **headline)
    run.emit("verdict", **verdict)
    run.emit("finished", step=jobs.steps, model=MODEL, report="results/report.html")


def _report_start(jobs: FoldJobs, done: int) -> None:
    run, training = jobs.run, sum(jobs.folds.images)
    run.emit(
        "started", device=run.device, precision=jobs.config.training.precision, steps=jobs.steps, training=training,
        validation=max(jobs.folds.images), test=jobs.folds.test, folds=jobs.folds.count, config=as_dict(jobs.config),
    )  # fmt: skip
    for note in jobs.folds.notes:
        run.emit("warning", step=0, code="split", message=note, remedy="")
    if not jobs.folds.test:
        run.emit(
            "warning", step=0, code="no-test-images", message="There is no test set: the ensemble itself will be measured on nothing "
            "held out, only each network on its fold", remedy="Set a test fraction, or mark patients with test in the column split",
        )  # fmt: skip
    if done:
        run.emit("resumed", step=done * jobs.config.training.steps)
