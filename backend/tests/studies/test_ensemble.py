"""An ensemble of folds: one job, one model, the same whatever stopped it on the way, measured on what nobody learnt from."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeRun
from refusals import refused
from task_sets import LOOP, task_spec, write_table, write_volumes

from medssl.core.errors import CancelledError
from medssl.core.files import read_json
from medssl.core.plan import read_plan
from medssl.core.protocol import JobSpec
from medssl.images.formats.reading import read_volume
from medssl.inference.models import WarmModels
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks import ENSEMBLE
from medssl.networks.weights.members import write_member
from medssl.networks.weights.weight_files import load_weights
from medssl.reports.figures import case_pictures, plots
from medssl.studies.ensemble.check import check_ensemble
from medssl.studies.ensemble.results import FoldResult, compare_with_folds
from medssl.studies.ensemble.run import ensemble

MODEL = "results/model.safetensors"


class Killed(BaseException):
    """What no handler of errors catches: the process is gone."""


class MortalRun(FakeRun):
    """A run that is killed when it says something."""

    def __init__(self, folder: Path, home: Path, *fatal: str, **how) -> None:
        super().__init__(folder, home, **how)
        self.fatal, self.messages = list(fatal), []

    def emit(self, type: str, **fields) -> None:
        super().emit(type, **fields)
        self._maybe_die(f"{type} {fields.get('fold', '')}")

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        self.messages.append((step, steps, message))
        self._maybe_die(message)

    def _maybe_die(self, said: str) -> None:
        if self.fatal and said.startswith(self.fatal[0]):
            raise Killed(self.fatal.pop(0))


def ensemble_spec(data: Path, folds: int = 3, **over) -> JobSpec:
    training = {**LOOP, "batch_size": 1, "validate_every": 4}
    spec = task_spec("segmentation", data, **{"training": training, **over})
    return dataclasses.replace(spec, kind="ensemble", data=dataclasses.replace(spec.data, folds=folds))


@pytest.fixture(scope="module", autouse=True)
def blank_pictures():
    """Most of the time would go into drawing, which other tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, case_pictures):
            patch.setattr(module, "to_png", lambda figure, **how: b"")
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, MortalRun]:
    """Three folds of six patients, and two that are the test set."""
    folder = tmp_path_factory.mktemp("ensemble")
    run = MortalRun(folder / "job", folder / "home")
    ensemble(ensemble_spec(write_volumes(folder / "data")), run)
    return folder, run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_patient_validates_one_network_and_the_test_set_none(finished):
    _, run = finished
    folds = rows_of(run.folder / "results" / "folds.csv")
    of = {row["patient"]: row["fold"] for row in folds}
    assert of.pop("p6") == of.pop("p7") == "test" and sorted(of.values()) == ["1", "1", "2", "2", "3", "3"]
    for fold in (1, 2, 3):
        table = rows_of(run.folder / "results" / f"fold-{fold}.csv")
        assert {row["patient"] for row in table if row["split"] == "validation"} == {
            p for p, f in of.items() if f == str(fold)
        }
        assert {row["patient"] for row in table if row["split"] == "test"} == {"p6", "p7"}
        seen = rows_of(run.folder / "folds" / str(fold) / "results" / "validation_cases.csv")
        assert {row["patient"] for row in seen} == {p for p, f in of.items() if f == str(fold)}
    assert {row["patient"] for row in rows_of(run.folder / "results" / "validation_cases.csv")} == set(of)
    assert {row["patient"] for row in rows_of(run.folder / "results" / "cases.csv")} == {"p6", "p7"}


def test_it_is_one_model_whose_probabilities_are_the_mean_of_its_networks(finished, tmp_path):
    _, run = finished
    path = run.folder / MODEL
    plan, whole = read_plan(path), load_weights(path)
    assert plan.method == ENSEMBLE and plan.provenance["images"] == 6 and plan.provenance["folds"] == 3
    x = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    answers = []
    for fold in range(3):
        write_member(path, fold, tmp_path / f"{fold}.safetensors")
        answers.append(load_weights(tmp_path / f"{fold}.safetensors"))
    with torch.inference_mode():
        mean = torch.stack([one(x).softmax(1) for one in answers]).mean(0)
        torch.testing.assert_close(whole(x).softmax(1), mean, atol=1e-6, rtol=1e-5)
    weights = [next(one.parameters()) for one in answers]
    assert not torch.equal(weights[0], weights[1])  # seeds of their own
    assert not list(run.folder.glob("folds/*/results/*.safetensors"))  # all of it is in the one file


def test_tables_and_report_say_what_was_measured_on_what(finished):
    folder, run = finished
    evaluation = read_json(run.folder / "results" / "evaluation.json")
    said, (event,) = evaluation["ensemble"], run.of("evaluation")
    assert event["test"]["dice"] == pytest.approx(said["test_dice"])
    assert event["validation"]["dice"] == pytest.approx(said["validation_dice"])
    assert [fold["validation"] for fold in said["folds"]] == [2, 2, 2] and "2 test images" in said["verdict"]
    for number, fold in enumerate(said["folds"], start=1):
        alone = [
            float(row["dice"])
            for row in rows_of(run.folder / "folds" / str(number) / "results" / "cases.csv")
            if row["class"] == "mean"
        ]
        assert fold["test_dice"] == pytest.approx(np.mean(alone))
        assert fold["difference"]["value"] == pytest.approx(said["test_dice"] - fold["test_dice"])
    page = (run.folder / "results" / "report.html").read_text()
    assert said["verdict"].split(" (")[0] in page and "Do the probabilities hold?" in page and "Post-processing" in page
    net = WarmModels(folder / "home").get(str(run.folder / MODEL), "", "cpu")
    found = segment_image(read_volume(folder / "data" / "image6.nrrd", "MR"), net, uncertainty=True)
    table = {row["class"]: row["voxels"] for row in found.table}
    told = {
        row["class"]: float(row["volume_ml"])
        for row in rows_of(run.folder / "results" / "cases.csv")
        if row["patient"] == "p6"
    }
    assert table["Left"] * 0.003 == pytest.approx(told["Left"], rel=0.02, abs=0.02)
    assert "3 networks" in found.notes[-1] and "calibrated (temperature" in found.notes[-1]
    assert 0 < found.uncertainty.array.max() <= 1


def test_progress_runs_over_all_folds(finished):
    _, run = finished
    steps = [step for step, of, text in run.messages if text.startswith("fold")]
    assert (
        steps == sorted(steps)
        and steps[-1] == 12
        and {of for _, of, text in run.messages if text.startswith("fold")} == {12}
    )
    assert run.messages[-1] == (12, 12, "trivial rivals: segmenting image 2 of 2")
    assert [event["fold"] for event in run.of("fold")] == [1, 2, 3] and run.of("started")[0]["steps"] == 12


def test_killed_twice_it_ends_as_if_nothing_had_happened(finished, tmp_path):
    folder, whole = finished
    spec = ensemble_spec(folder / "data" / "volumes.csv")
    job = tmp_path / "job"
    for fatal in ("fold 2 of 3: step 3", "fold 2", "segmented validation image 4"):
        with pytest.raises(Killed):
            ensemble(spec, MortalRun(job, folder / "home", fatal))
    last = MortalRun(job, folder / "home", resume=True)
    ensemble(spec, last)
    assert [event["fold"] for event in last.of("fold")] == [] and last.of("evaluation") == whole.of("evaluation")
    first, second = (load_weights(run.folder / MODEL).state_dict() for run in (whole, last))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for table in ("cases.csv", "validation_cases.csv"):
        assert (job / "results" / table).read_bytes() == (whole.folder / "results" / table).read_bytes()
    assert not list(job.glob(".label-maps-*"))


def test_a_cancel_stops_the_fold_at_work_and_keeps_those_that_are_done(finished, tmp_path):
    folder, _ = finished
    run = MortalRun(tmp_path / "job", folder / "home")
    run.cancel_requested = lambda: bool(run.of("fold")) and any("fold 2" in text for _, _, text in run.messages)
    with pytest.raises(CancelledError):
        ensemble(ensemble_spec(folder / "data" / "volumes.csv"), run)
    states = [read_json(tmp_path / "job" / "folds" / str(n) / "status.json")["state"] for n in (1, 2)]
    assert states == ["finished", "cancelled"] and not (tmp_path / "job" / "folds" / "3").exists()


def test_without_a_test_set_it_says_that_it_was_measured_on_nothing_held_out(tmp_path):
    fold = FoldResult(tmp_path, 8, 2, 0.8, None)
    rows = [{"image": "a", "patient": "p", "class": "mean", "dice": 0.75}]
    found = compare_with_folds({"validation": rows, "test": []}, [fold, fold])
    assert "measured on nothing held out" in found["verdict"] and "0.7500" in found["verdict"]
    assert found["test_dice"] is None and found["folds"][0]["difference"] is None


def test_it_goes_on_from_an_ensemble_network_by_network(finished, tmp_path):
    folder, whole = finished
    rows = [row for row in rows_of(folder / "data" / "volumes.csv") if row["split"] != "test"]
    catalogue = write_table(folder / "data" / "more.csv", [{**row, "split": ""} for row in rows])
    training = {
        "steps": 1,
        "batch_size": 1,
        "validate_every": 1,
        "checkpoint_every": 1,
        "precision": "fp32",
        "learning_rate": 1e-9,
    }
    spec = dataclasses.replace(
        ensemble_spec(catalogue, 2, training=training, transfer={"rescale": False}),
        start_from=str(whole.folder / MODEL),
    )
    run = MortalRun(tmp_path / "job", folder / "home")
    ensemble(spec, run)
    before, after = (load_weights(path).state_dict() for path in (whole.folder / MODEL, run.folder / MODEL))
    for number in (0, 1):
        name = next(name for name in before if name.startswith(f"members.{number}.") and name.endswith("conv.weight"))
        torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=1e-4)
    warnings = [event["code"] for event in run.of("warning")]
    assert "no-test-images" in warnings and run.of("evaluation")[0]["test"] == {}
    assert not (run.folder / "starts").exists()


def test_what_cannot_be_an_ensemble_is_refused_before_it_begins(finished):
    folder, _ = finished
    spec = ensemble_spec(folder / "data" / "volumes.csv")
    assert check_ensemble(spec).config["postprocessing"] == "auto"
    with refused("too-few-networks", names="folds = 1"):
        check_ensemble(dataclasses.replace(spec, data=dataclasses.replace(spec.data, folds=1)))
    with refused("fold-of-ensemble", names="fold = 1"):
        check_ensemble(dataclasses.replace(spec, data=dataclasses.replace(spec.data, fold=1)))
    with refused("ensemble-of-task", names="classification"):
        check_ensemble(dataclasses.replace(spec, method="classification"))
    with refused("several-devices"):
        check_ensemble(
            dataclasses.replace(spec, config={**spec.config, "training": {**spec.config["training"], "devices": 2}})
        )


def test_more_folds_than_patients_are_refused(finished, tmp_path):
    folder, _ = finished
    with refused("too-few-patients", names=["6 patients", "7 folds"]):
        ensemble(ensemble_spec(folder / "data" / "volumes.csv", 7), MortalRun(tmp_path / "job", folder / "home"))
