"""The job kind "compare": arms x sizes x seeds, each run an ordinary job, one after another or side by side; resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import CancelledError, ConfigError, NotFoundError, TrainingError, WeightsError
from medssl.core.files import read_json, write_json
from medssl.core.home import all_in_home
from medssl.core.protocol import JobSpec, to_json
from medssl.core.run import Run
from medssl.jobs import process
from medssl.jobs.child import KINDS, Parent
from medssl.jobs.folder_run import run_here
from medssl.studies.comparison.budget import share_of
from medssl.studies.comparison.check import read_study
from medssl.studies.comparison.config import Study, study_from_json
from medssl.studies.comparison.data import StudyData, data_from_json, fix_data
from medssl.studies.comparison.networks import with_equal_networks
from medssl.studies.comparison.old_layout import upgrade_runs
from medssl.studies.comparison.plan import FAILED, FINISHED, RunKey, RunResult, digest, expand, order, outcome, run_spec
from medssl.studies.comparison.rivals import measure_rivals
from medssl.studies.comparison.run_folder import RunFolder, tidy
from medssl.studies.comparison.side_by_side import side_by_side
from medssl.studies.comparison.weights import FrozenWeights, check_unchanged, freeze_weights, notes_on_arms, start_file
from medssl.studies.report.report import write_study

STUDY = "study.json"
REPORT_S = 120.0  # between reports on what is finished so far


def compare(spec: JobSpec, run: Run, kinds: str = KINDS) -> None:
    """Do every run of the study that is not done yet; leaves tables and a report in `results/`.

    Args:
        kinds: "module:TABLE" with the kinds of jobs; a run emits the event `evaluation` with its metrics.

    Raises:
        CancelledError: a cancel was asked for; finished runs stay, the one at work has a checkpoint.
        ConfigError, CatalogError, NotFoundError: the study does not fit its data or weights.
        TrainingError: no run at all could be finished.
    """
    if not (run.folder / STUDY).is_file():
        fix_study(spec, run)
    upgrade_runs(run.folder)
    fixed = all_in_home(read_json(run.folder / STUDY), run.home)
    weights = {name: FrozenWeights(**values) for name, values in fixed["weights"].items()}
    comparison = Comparison(study_from_json(fixed["study"]), spec, data_from_json(fixed["data"]), weights, run, kinds)
    comparison.do()
    report(run.folder)
    if verdict := read_json(run.folder / "results" / "comparison.json")["verdict"]:
        run.emit("verdict", **verdict)
    run.emit("finished", step=len(comparison.keys), report="results/report.html", table="results/table.md")


def fix_study(spec: JobSpec, run: Run) -> None:
    """Fix the study for good: settings, split and weights; a later MedSSL, catalogue or weight file changes nothing in it.

    Raises: what `compare` says of studies that do not fit.
    """
    study = read_study(spec.config)
    data = fix_data(study, spec.data, run.home, run.folder)
    study = expand(study, data.values)
    weights = freeze_weights(study, run.home)
    study = with_equal_networks(study, weights)
    data = replace(data, notes=(*notes_on_arms(weights, data.test_images(run.folder), run.home), *data.notes))
    fixed = {"study": study, "data": data, "weights": weights, "modality": spec.data.modality}
    write_json(run.folder / STUDY, to_json(fixed))


def report(folder: Path) -> Path:
    """Write tables and report.html from what is finished so far; returns the report's path.

    Raises:
        NotFoundError: the job is no comparison, or has not read its data yet.
    """
    if not (folder / STUDY).is_file():
        raise NotFoundError(
            f"comparison of job {folder.name}",
            "is not there",
            "Wait until a comparison has read its data",
            code="file-not-found",
        )
    upgrade_runs(folder)
    return write_study(folder, read_json(folder / STUDY))


class Comparison:
    """The runs of one study in one job."""

    def __init__(
        self, study: Study, spec: JobSpec, data: StudyData, weights: dict[str, FrozenWeights], run: Run, kinds: str
    ) -> None:
        self.study, self.spec, self.data, self.weights = study, spec, data, weights
        self.run, self.kinds = run, kinds
        self.keys = order(study)
        self._tables = {value: data.sha256(value, run.folder) for value in data.files}
        self._broken: dict[str, dict[str, str]] = {}  # arm -> why its weights cannot be used
        self._sound: set[str] = set()  # arms whose weights were looked at
        self._begin = time.monotonic()

    def do(self) -> None:
        """Every run that has no result yet.

        Raises:
            CancelledError: a cancel was asked for. TrainingError: every run failed.
        """
        done = [key for key in self.keys if self.outcome(key).state == FINISHED]
        for key in done:
            tidy(key.folder(self.run.folder), self.study.keep_models)  # a kill may have come before
        self._report_start(len(done))
        measure_rivals(self.study, self.spec, self.data, self.run)
        todo = [key for key in self.keys if key not in set(done)]
        ended, reported = len(done), time.monotonic()
        for key in self._performed(todo):
            ended += 1
            self._report_run(key, ended, ended - len(done))
            self._stop_where_all_fail(ended)
            if ended % (len(self.keys) // len(self.study.seeds)) == 0 and time.monotonic() - reported > REPORT_S:
                report(self.run.folder)
                reported = time.monotonic()

    def _stop_where_all_fail(self, ended: int) -> None:
        """What stops every run of a whole seed will stop all others."""
        first = self.outcome(self.keys[0])
        if ended >= len(self.keys) // len(self.study.seeds) and all(
            self.outcome(key).state == FAILED for key in self.keys[:ended]
        ):
            raise TrainingError(
                "every run of the first seed",
                f"failed, the first: {first.error.rstrip('.')}",
                "The log has the details",
                code="run-failed",
            )

    def outcome(self, key: RunKey) -> RunResult:
        """How the run ended, if it was the same run."""
        return outcome(key, self.run.folder, self._digest(key))

    def _performed(self, todo: list[RunKey]) -> Iterator[RunKey]:
        """Do the runs; yields each as it ends. One after another they share this process, which has loaded torch."""
        devices = self.study.devices or (self.run.device,)
        if len(devices) > 1:
            yield from side_by_side(todo, devices, self.run, self._perform_in_a_process)
            return
        for key in todo:
            if self.run.cancel_requested():
                raise CancelledError()
            self._perform_here(key)
            yield key

    def _perform_here(self, key: RunKey) -> None:
        run, progress = self.run, self._progress(key)

        def start(place: RunFolder) -> None:
            run_here(place.folder, run.home, run.device, run.cancel_requested, self.kinds, progress)

        self._perform(key, run.device, run.cancel_requested, start)

    def _perform_in_a_process(self, key: RunKey, device: str, cancelled: Callable[[], bool]) -> None:
        def start(place: RunFolder) -> None:
            process.start(place.store, place.job, self.kinds, Parent(self.run.folder, device))
            process.wait_or_cancel(place.store, place.job, cancelled)

        self._perform(key, device, cancelled, start)

    def _perform(
        self, key: RunKey, device: str, cancelled: Callable[[], bool], start: Callable[[RunFolder], None]
    ) -> None:
        """Make the run's job, start it, note how it ended; an arm whose weights cannot be used fails without a start."""
        place = RunFolder(key.folder(self.run.folder), self.run.home)
        left = place.prepare(self._spec(key, device), self._digest(key))
        if reason := self._unusable(key.arm):
            place.fail(reason)
        elif left:
            start(place)
        error = place.settle(self.study.keep_models, cancelled)
        if error and error["type"] == WeightsError.__name__:  # all runs of the arm would meet it
            self._broken.setdefault(key.arm, error)

    def _unusable(self, arm: str) -> dict[str, str] | None:
        """Why the weights of the arm cannot be used; None where they can."""
        if arm not in self._broken and arm not in self._sound:
            try:
                check_unchanged(self.weights[arm])
                self._sound.add(arm)
            except WeightsError as error:
                self._broken[arm] = error.as_dict()
        return self._broken.get(arm)

    def _spec(self, key: RunKey, device: str = "") -> JobSpec:
        """The run's job; without a device only to identify it."""
        data = self.data.spec(self.spec.data, self.study.arm(key.arm).train_on, self.run.folder)
        start = start_file(self.weights[key.arm], key.seed, self.run.home, self.run.folder) if device else ""
        share = share_of(self.data.amounts, self.study.arm(key.arm).train_on, key.size, key.seed)
        return run_spec(self.study, key, data, start, device, self.spec.version, share)

    def _digest(self, key: RunKey) -> str:
        table = self._tables[self.study.arm(key.arm).train_on]
        return digest(self._spec(key), self.weights[key.arm], table)

    def _progress(self, key: RunKey) -> Callable[[int, int], None]:
        place, total = self.keys.index(key), len(self.keys)

        def show(step: int, steps: int) -> None:
            self.run.progress(place, total, f"{words(key)}: step {step} of {steps}")

        return show

    def _report_start(self, done: int) -> None:
        counts = next(iter(self.data.counts.values()))
        precision = str(self.study.arms[0].config.get("training", {}).get("precision", ""))
        self.run.emit(
            "started", device=self.run.device, precision=precision, steps=len(self.keys), training=counts["training images"],
            validation=counts["validation images"], config=to_json(self.study),
        )  # fmt: skip
        for note in self.data.notes:
            self.run.emit("warning", step=0, code="split", message=note, remedy="See the report")
        if done:
            self.run.emit("resumed", step=done)

    def _report_run(self, key: RunKey, ended: int, now: int) -> None:
        found, metric = self.outcome(key), self.study.metric
        if found.state == FINISHED and metric not in found.test:
            raise ConfigError(
                f"metric {metric!r}",
                "is not among those of the runs",
                f"Use one of {', '.join(found.test)}",
                code="metric-unknown",
            )
        self.run.emit(
            "run", step=ended, arm=key.arm, size=key.size, seed=key.seed, state=found.state, metric=metric,
            test=found.test.get(metric), validation=found.validation.get(metric), error=found.error, seconds=found.seconds,
        )  # fmt: skip
        if found.state == FAILED:
            message = f"{words(key)} failed: {found.error.rstrip('.')}"
            self.run.emit("warning", step=ended, code="run-failed", message=message, remedy="The other runs go on")
        left = (time.monotonic() - self._begin) / now * (len(self.keys) - ended)
        self.run.progress(ended, len(self.keys), f"{words(key)} {found.state}", left)


def words(key: RunKey) -> str:
    """The run in words."""
    return f"{key.arm}, size {key.size:g}, seed {key.seed}"
