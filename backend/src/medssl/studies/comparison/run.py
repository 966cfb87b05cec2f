"""The job kind "compare": arms x sizes x seeds, one run after another or side by side, resumable as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from medssl.core.errors import CancelledError, ConfigError, NotFoundError, TrainingError, WeightsError
from medssl.core.files import read_json, write_json
from medssl.core.protocol import JobSpec, to_json
from medssl.core.run import Run
from medssl.studies.comparison.arm_run import fail, perform, request, tidy
from medssl.studies.comparison.children import Workplace, side_by_side
from medssl.studies.comparison.config import Study, read_study, study_from_json
from medssl.studies.comparison.data import StudyData, data_from_json, fix_data
from medssl.studies.comparison.plan import FAILED, FINISHED, RunKey, RunResult, digest, expand, order, outcome, run_spec
from medssl.studies.comparison.weights import FrozenWeights, check_unchanged, freeze_weights, start_file
from medssl.studies.report.report import write_study

RUN_TASK = "medssl.tasks.run:run_task"
STUDY = "study.json"
REPORT_S = 120.0  # between reports on what is finished so far


def compare(spec: JobSpec, run: Run, run_task: str = RUN_TASK) -> None:
    """Do every run of the study that is not done yet; leaves tables and a report in `results/`.

    Args:
        run_task: "module:function", (spec, run) -> {"test": {metric: value}, "validation": ..., "files": ...}.

    Raises:
        CancelledError: a cancel was asked for; finished runs stay, the one at work has a checkpoint.
        ConfigError, CatalogError, NotFoundError: the study does not fit its data or weights.
        TrainingError: no run at all could be finished.
    """
    if not (run.folder / STUDY).is_file():
        begin(spec, run)
    told = read_json(run.folder / STUDY)
    weights = {name: FrozenWeights(**values) for name, values in told["weights"].items()}
    comparison = Comparison(study_from_json(told["study"]), spec, data_from_json(told["data"]), weights, run, run_task)
    comparison.do()
    report(run.folder)
    run.emit("finished", step=len(comparison.keys), report="results/report.html", table="results/table.md")


def begin(spec: JobSpec, run: Run) -> None:
    """Fix the study for good: settings, split and weights; a later MedSSL, catalogue or weight file changes nothing in it.

    Raises: what `compare` says of studies that do not fit.
    """
    study = read_study(spec.config)
    data = fix_data(study, spec.data, run.home, run.folder)
    study = expand(study, data.values)
    told = {"study": study, "data": data, "weights": freeze_weights(study, run.home), "modality": spec.data.modality}
    write_json(run.folder / STUDY, to_json(told))


def report(folder: Path) -> Path:
    """Write tables and report.html from what is finished so far; returns the report's path.

    Raises:
        NotFoundError: the job is no comparison, or has not read its data yet.
    """
    if not (folder / STUDY).is_file():
        raise NotFoundError(f"study of job {folder.name}", "is not there", "Wait until a comparison has read its data")
    return write_study(folder, read_json(folder / STUDY))


class Comparison:
    """The runs of one study in one job."""

    def __init__(
        self, study: Study, spec: JobSpec, data: StudyData, weights: dict[str, FrozenWeights], run: Run, run_task: str
    ) -> None:
        self.study, self.spec, self.data, self.weights = study, spec, data, weights
        self.run, self.run_task = run, run_task
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
        self._tell_start(len(done))
        todo = [key for key in self.keys if key not in set(done)]
        ended, reported = len(done), time.monotonic()
        for key in self._performed(todo):
            ended += 1
            self._tell(key, ended, ended - len(done))
            self._check_hope(ended)
            if ended % (len(self.keys) // len(self.study.seeds)) == 0 and time.monotonic() - reported > REPORT_S:
                report(self.run.folder)
                reported = time.monotonic()

    def _check_hope(self, ended: int) -> None:
        """What stops every run of a whole seed will stop all others."""
        first = self.outcome(self.keys[0])
        if ended >= len(self.keys) // len(self.study.seeds) and all(
            self.outcome(key).state == FAILED for key in self.keys[:ended]
        ):
            raise TrainingError(
                "every run of the first seed",
                f"failed, the first: {first.error.rstrip('.')}",
                "The log has the details",
            )

    def outcome(self, key: RunKey) -> RunResult:
        """How the run ended, if it was the same run."""
        return outcome(key, self.run.folder, self._digest(key))

    def _performed(self, todo: list[RunKey]) -> Iterator[RunKey]:
        devices = self.study.devices or (self.run.device,)
        if len(devices) > 1:
            place = Workplace(self.run.home, self.run.folder, self.run.device, self.run.cancel_requested, self.run_task)
            yield from side_by_side(todo, devices, place, self._prepare, self.study.keep_models)
            return
        for key in todo:
            if self.run.cancel_requested():
                raise CancelledError()
            folder = key.folder(self.run.folder)
            if self._prepare(key, self.run.device):
                told = self._progress(key)
                perform(
                    folder,
                    self.run.home,
                    self.run.device,
                    self.run.cancel_requested,
                    told,
                    self.run_task,
                    self.study.keep_models,
                )
            yield key

    def _prepare(self, key: RunKey, device: str) -> bool:
        """Make the run's folder; False where its arm cannot run, which is then recorded."""
        folder = key.folder(self.run.folder)
        request(folder, self._spec(key, device), self._digest(key))
        if key.arm not in self._broken and key.arm not in self._sound:
            try:
                check_unchanged(self.weights[key.arm])
                self._sound.add(key.arm)
            except WeightsError as error:
                self._broken[key.arm] = error.as_dict()
        if key.arm not in self._broken:
            return True
        fail(folder, self._digest(key), self._broken[key.arm])
        return False

    def _spec(self, key: RunKey, device: str = "") -> JobSpec:
        """The run's job; without a device only to tell it from others."""
        data = self.data.spec(self.spec.data, self.study.arm(key.arm).train_on, self.run.folder)
        start = start_file(self.weights[key.arm], key.seed, self.run.home, self.run.folder) if device else ""
        return run_spec(self.study, key, data, start, device)

    def _digest(self, key: RunKey) -> str:
        table = self._tables[self.study.arm(key.arm).train_on]
        return digest(self._spec(key), self.weights[key.arm], table)

    def _progress(self, key: RunKey) -> Callable[[int, int], None]:
        place, total = self.keys.index(key), len(self.keys)

        def told(step: int, steps: int) -> None:
            self.run.progress(place, total, f"{words(key)}: step {step} of {steps}")

        return told

    def _tell_start(self, done: int) -> None:
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

    def _tell(self, key: RunKey, ended: int, now: int) -> None:
        found, metric = self.outcome(key), self.study.metric
        if found.state == FINISHED and metric not in found.test:
            raise ConfigError(
                f"metric {metric!r}", "is not among those of the runs", f"Use one of {', '.join(found.test)}"
            )
        self.run.emit(
            "run", step=ended, arm=key.arm, size=key.size, seed=key.seed, state=found.state, metric=metric,
            test=found.test.get(metric), validation=found.validation.get(metric), error=found.error, seconds=found.seconds,
        )  # fmt: skip
        if found.state == FAILED:
            if found.error_type == WeightsError.__name__:  # all runs of the arm would meet it
                self._broken.setdefault(key.arm, {"message": found.error, "type": found.error_type})
            message = f"{words(key)} failed: {found.error.rstrip('.')}"
            self.run.emit("warning", step=ended, code="run-failed", message=message, remedy="The other runs go on")
        left = (time.monotonic() - self._begin) / now * (len(self.keys) - ended)
        self.run.progress(ended, len(self.keys), f"{words(key)} {found.state}", left)


def words(key: RunKey) -> str:
    """The run in words."""
    return f"{key.arm}, size {key.size:g}, seed {key.seed}"
