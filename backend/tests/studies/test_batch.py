from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from fakes import FakeRun
from refusals import refused

from medssl.cli.training.batch import read_batch_file
from medssl.core.errors import CancelledError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.jobs.damaged import DAMAGED
from medssl.jobs.store import JobStore
from medssl.studies.batch.check import complete_batch, read_batch
from medssl.studies.batch.run import batch

HERE = Path(__file__).parent
KINDS = "batch_fakes:KINDS"


@pytest.fixture
def store(tmp_path, monkeypatch) -> JobStore:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent / "training")]))
    (tmp_path / "home").mkdir()
    (tmp_path / "data").mkdir()
    return JobStore(tmp_path / "home")


def item(name: str, tmp_path: Path, kind: str = "finetune", **fields) -> dict:
    method = {"method": "segmentation"} if kind == "finetune" else {}
    return {"name": name, "kind": kind, **method, "data": str(tmp_path / "data"), **fields}


def run_batch(
    store: JobStore, config: dict, name: str = "batch", **options
) -> tuple[FakeRun, dict[str, dict[str, str]]]:
    run = FakeRun(store.jobs / name, store.home, **options)
    run.device = "none"
    batch(JobSpec("batch", "batch", complete_batch(config), DataSpec(path=str(HERE)), device="none"), run, KINDS)
    return run, table(run)


def table(run: FakeRun) -> dict[str, dict[str, str]]:
    with (run.folder / "results" / "batch.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def ran(store: JobStore) -> list[str]:
    return [line.split()[0] for line in (store.home / "ran.txt").read_text().splitlines()]


def listed(store) -> int:
    """Jobs that are whole: the batches' own folders hold no specification here."""
    return sum(view.spec.kind != DAMAGED for view in store.list())


def test_a_batch_goes_through_whatever_fails_and_again_does_only_what_is_missing(store, tmp_path):
    config = {
        "items": [
            item("first", tmp_path),
            item("fails", tmp_path, config={"base_width": 4}),
            item("second", tmp_path, start_from="@first"),
            item("lost", tmp_path, start_from="@fails"),
            item("dies", tmp_path, config={"base_width": 16}),
            item("applied", tmp_path, kind="apply", start_from="@second"),
            {"name": "judged", "kind": "evaluate", "predictions": "@second"},
        ],
        "devices": ["cpu"],
    }
    run, told = run_batch(store, config)
    assert [row["state"] for row in told.values()] == [
        "finished", "failed", "finished", "skipped", "failed", "finished", "finished",
    ]  # fmt: skip
    assert ran(store) == ["first", "fails", "second", "dies"]
    assert told["first"]["headline"] == "test: dice 0.800, iou 0.600" and told["applied"]["headline"] == "2 of 3 images"
    assert "is not a number" in told["fails"]["error"] and told["lost"]["error"] == "needs fails, which failed"
    assert told["dies"]["error"] == "was interrupted" and told["judged"]["headline"].startswith("dice 0.450")
    first, second = (store.folder(told[name]["job"]) for name in ("first", "second"))
    assert (second / "results" / "model.safetensors").read_text() == str(first / "results" / "model.safetensors")
    assert (run.folder / "results" / "evaluations" / "judged" / "report.html").is_file()
    assert "4 finished, 2 failed, 1 skipped" in (run.folder / "results" / "batch.md").read_text()
    jobs = listed(store)

    again, told = run_batch(store, config, "again")
    assert ran(store)[4:] == ["fails", "dies"] and listed(store) == jobs  # in the folders they had
    assert told["dies"]["state"] == "finished" and told["second"]["job"] == second.name
    assert [event["state"] for event in again.of("item")].count("finished") == 5


def test_each_device_takes_the_next_item_that_is_ready(store, tmp_path):
    items = [item(f"n{n}", tmp_path, config={"base_width": 4 + n}) for n in range(4)]
    _, told = run_batch(store, {"items": items, "devices": ["cpu", "mps"]})
    assert {row["state"] for row in told.values()} == {"finished"}
    assert {line.split()[1] for line in (store.home / "ran.txt").read_text().splitlines()} == {"cpu", "mps"}


def test_a_cancelled_batch_starts_nothing_more(store, tmp_path):
    items = [item(f"n{n}", tmp_path, config={"base_width": 4 + n}) for n in range(3)]
    with pytest.raises(CancelledError):
        run_batch(store, {"items": items, "devices": ["cpu"]}, cancel_at=1)
    states = [row["state"] for row in table(FakeRun(store.jobs / "batch", store.home)).values()]
    assert states[1:] == ["waiting", "waiting"]


def test_a_batch_that_would_hold_a_device_is_refused(store, tmp_path):
    run = FakeRun(store.jobs / "batch", store.home)
    spec = JobSpec("batch", "batch", complete_batch({"items": [item("a", tmp_path)]}), DataSpec(path=str(HERE)))
    with refused("device-blocked", names="'cpu'"):
        batch(spec, run, KINDS)


def test_a_checked_batch_is_complete_and_stays_as_it_is(store, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    study = {
        "task": "segmentation",
        "arms": [{"name": "scratch"}, {"name": "ours", "weights": "@a"}],
        "preset": "laptop",
    }
    config = {"items": [
        item("a", tmp_path, preset="laptop", config={"training": {"steps": 3}}, start_from=str(tmp_path / "model.safetensors")),
        item("b", tmp_path, kind="compare", config=study),
        item("c", tmp_path, kind="probe", start_from="some-job", config={"labels": "x"}),
        item("d", tmp_path, kind="ensemble", method="segmentation", preset="laptop") | {"data": {"path": str(tmp_path), "folds": 5}},
    ]}  # fmt: skip
    tree = complete_batch(config)
    a, b, c, d = tree["items"]
    assert (d["kind"], d["data"]["folds"], d["config"]["backbone"]) == ("ensemble", 5, "swin_micro")
    assert (
        a["config"]["training"]["steps"] == 3
        and a["config"]["backbone"] == "swin_micro"
        and c["start_from"] == "some-job"
    )
    assert b["config"]["arms"][1]["weights"] == "@a" and read_batch(tree).items[1].needs == {"a"}
    assert c["method"] == "probing" and complete_batch(json.loads(json.dumps(tree))) == tree


@pytest.mark.parametrize(
    ("items", "code", "names"),
    [
        ([], "batch-without-items", "items = []"),
        ([{"kind": "finetune"}], "name-not-a-folder-name", "{'kind': 'finetune'}"),
        ([{"name": "a", "kind": "train"}], "item-kind-unknown", "kind 'train'"),
        ([{"name": "a", "kind": "finetune", "wrong": 1}], "setting-unknown", "a: wrong"),
        ([{"name": "a", "kind": "evaluate", "predictions": "p.csv"}] * 2, "item-repeated", "item a"),
        ([{"name": "a", "kind": "evaluate", "predictions": "@b"}], "item-unknown", "item a: @b"),
        ([{"name": "a", "kind": "evaluate"}], "data-missing", "a: predictions"),
        ([{"name": "a", "kind": "finetune", "method": "segmentation"}], "training-data-missing", "item a: training set"),
        ([{"name": "a", "kind": "finetune", "method": "segmentation", "data": "no/such"}], "file-not-found", "item a:"),
        ([{"name": "a", "kind": "finetune", "method": "segmentation", "data": "DATA", "config": {"crop": 1}}], "setting-type", "item a: crop"),
        ([{"name": "a", "kind": "probe", "data": "DATA"}], "model-missing", "item a: start_from"),
        ([{"name": "a", "kind": "finetune", "config": "steps: 3"}], "setting-type", "item a: config"),
        ([{"name": "a", "kind": "finetune", "method": "segmentation", "data": "DATA", "start_from": "x/y.pt"}], "file-not-found", "item a:"),
    ],
)  # fmt: skip
def test_a_batch_that_breaks_a_rule_is_refused_before_it_starts(tmp_path, items, code, names):
    made = [{**entry, "data": str(tmp_path)} if entry.get("data") == "DATA" else entry for entry in items]
    with refused(code, names) as caught:
        complete_batch({"items": made})
    assert caught.value.rule and caught.value.remedy


def test_paths_in_a_batch_file_are_relative_to_it(tmp_path):
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "batch.yaml").write_text(
        "- {name: a, kind: finetune, data: table.csv, start_from: model.safetensors}\n"
        "- {name: b, kind: apply, data: {path: images, modality: CT}, start_from: '@a'}\n"
    )
    a, b = read_batch_file(tmp_path / "batch.yaml")["items"]
    assert a["data"] == {"path": str(tmp_path / "table.csv")} and a["start_from"] == str(tmp_path / "model.safetensors")
    assert b["data"] == {"path": str(tmp_path / "images"), "modality": "CT"} and b["start_from"] == "@a"
    (tmp_path / "batch.yaml").write_text("just text")
    with refused("batch-without-items", names="batch.yaml"):
        read_batch_file(tmp_path / "batch.yaml")
