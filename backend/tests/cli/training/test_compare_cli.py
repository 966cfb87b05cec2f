from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeRun
from study_fakes import FAKE, study_spec, write_catalog
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import MedSSLError
from medssl.core.protocol import JobSpec
from medssl.jobs.store import JobStore
from medssl.studies.comparison.run import compare


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str):
    return CliRunner().invoke(app, ["compare", *arguments])


def prepared(home: Path, *arguments: str) -> JobSpec:
    done = run(*arguments, "--prepare")
    assert done.exit_code == 0, done.output or done.exception
    assert "medssl.jobs.child" in done.output
    store = JobStore(home)
    return store.spec(store.list()[0].id)


def refusal(*arguments: str) -> MedSSLError:
    error = run(*arguments).exception
    assert isinstance(error, MedSSLError)
    return error


def test_options_become_a_complete_study(tmp_path, home):
    data = write_catalog(tmp_path / "data")
    (tmp_path / "genesis.safetensors").write_bytes(b"x")
    spec = prepared(
        home, str(data), "--task", "segmentation", "--arm", "scratch=", "--arm", f"genesis={tmp_path / 'genesis.safetensors'}",
        "--arm-set", "scratch:form=2d", "--patients", "10,5", "--seeds", "10", "--preset", "laptop", "--set", "training.steps=7",
        "--metric", "iou", "--group", "sex", "--test-fraction", "0.2", "--masks", "{folder}/m/{stem}.png", "--name", "study",
    )  # fmt: skip
    study = spec.config
    assert (spec.kind, spec.name, spec.data.test_fraction, spec.data.masks) == (
        "compare",
        "study",
        0.2,
        "{folder}/m/{stem}.png",
    )
    assert study["patients"] == [5, 10] and study["seeds"] == list(range(10)) and study["metric"] == "iou"
    assert [arm["config"]["form"] for arm in study["arms"]] == ["2d", "auto"]
    assert {arm["config"]["training"]["steps"] for arm in study["arms"]} == {7} and study["groups"] == ["sex"]


def test_a_study_file_names_its_files_beside_itself_and_options_override_it(tmp_path, home):
    write_catalog(tmp_path / "data")
    (tmp_path / "genesis.safetensors").write_bytes(b"x")
    (tmp_path / "study.yaml").write_text(
        "task: classification\nconfig: {labels: Pneumonia}\ndata: {path: data/catalog.csv, exclude: [sex=M]}\n"
        "arms:\n- {name: scratch}\n- {name: genesis, weights: genesis.safetensors, config: {training: {steps: 3}}}\n"
        "fractions: [0.5, 1.0]\nseeds: [3, 4]\n"
    )
    spec = prepared(home, str(tmp_path / "study.yaml"), "--seeds", "2", "--set", "training.batch_size=5")
    assert spec.data.path == str(tmp_path / "data" / "catalog.csv") and spec.data.exclude == ("sex=M",)
    scratch, genesis = spec.config["arms"]
    assert genesis["weights"] == str(tmp_path / "genesis.safetensors") and spec.config["seeds"] == [0, 1]
    assert scratch["config"]["training"]["batch_size"] == genesis["config"]["training"]["batch_size"] == 5
    assert genesis["config"]["training"]["steps"] == 3 and scratch["config"]["labels"] == "Pneumonia"


@pytest.mark.parametrize(
    "option",
    [
        ("--test-fraction", "0.3"), ("--validation-fraction", "0.2"), ("--exclude", "sex=M"), ("--masks", "{folder}/m/{stem}.png"),
        ("--pattern", "*/ct.nii.gz"), ("--channel", "*/mr.nii.gz"), ("--channel-names", "T1,CT"), ("--modality", "CT"),
        ("--partial-weights",),
    ],
)  # fmt: skip
def test_what_a_study_file_would_pass_over_is_refused(tmp_path, home, option):
    write_catalog(tmp_path / "data")
    (tmp_path / "study.yaml").write_text(
        "task: segmentation\npreset: laptop\ndata: {path: data/catalog.csv}\narms: [{name: scratch}, {name: other}]\n"
    )
    error = refusal(str(tmp_path / "study.yaml"), *option, "--prepare")
    assert (error.code, error.value) == ("option-not-counting", option[0]) and not JobStore(home).list()
    assert prepared(home, str(tmp_path / "study.yaml"), "--name", "b", "--device", "cpu").name == "b"


def test_the_report_can_be_written_from_what_is_finished(tmp_path, home):
    spec = study_spec(write_catalog(tmp_path / "data"), patients=[5], seeds=2)
    store = JobStore(home)
    job = store.create(spec)
    compare(spec, FakeRun(store.folder(job), home), FAKE)
    for name in ("report.html", "table.md"):
        (store.folder(job) / "results" / name).unlink()
    (store.folder(job) / "runs" / "genesis" / "5" / "1" / "done.json").unlink()
    done = run("--report", job)
    assert done.exit_code == 0 and "| genesis |" in done.output and "(1)" in done.output
    assert "3 of 4 runs are finished" in (store.folder(job) / "results" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--train-on", "gender"), "train_on: gender: is no column of the data (it has: sex, age, Pneumonia, Mass)"),
        (("--group", "gender"), "(it has: sex, age, Mass)"),  # the label itself is no attribute of the test images
        (("--group", "sex:0,40"), "asks for bands of a column that holds text"),
    ],
)
def test_columns_that_are_not_there_are_reported_before_there_is_a_job(tmp_path, home, asked, told):
    data = write_catalog(tmp_path / "data", 12)
    study = [str(data), "--task", "classification", "--labels", "Pneumonia", "--arm", "scratch=", "--arm", "b="]
    assert told in str(refusal(*study, *asked, "--prepare"))
    assert not JobStore(home).list()
    assert prepared(home, *study, "--train-on", "sex", "--group", "age:0,40").config["train_on"] == "sex"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "data-missing"),
        (("DATA", "--arm", "scratch"), "arm-without-weights"),
        (("DATA", "--arm", "a=", "--arm", "a="), "arm-repeated"),
        (("DATA", "--arm", "a=", "--arm-set", "b:form=2d"), "arm-unknown"),
        (("DATA", "--patients", "five"), "not-numbers"),
        (("DATA", "--task", "segmentation", "--arm", "scratch="), "too-few-arms"),
        (("DATA", "--task", "segmentation", "--arm", "scratch=", "--arm", "b=", "--metric", "auc"), "metric-unknown"),
        (("--report", "no-such-job"), "job-not-found"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(tmp_path, home, arguments, code):
    data = write_catalog(tmp_path / "data", 3)
    assert refusal(*(str(data) if argument == "DATA" else argument for argument in arguments)).code == code
