"""What earlier versions left on users' disks opens, and goes on: a home folder of c270d1e, before the rooms were re-laid."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.tables import read_table
from medssl.jobs import process
from medssl.jobs.store import JobStore

FIXTURE = Path(__file__).parent / "fixtures" / "old_home"
CLASSIFICATION, GENESIS, COMPARISON = (
    "20261128-000001-classification-c1a5", "20261128-000002-genesis-9e5e", "20261128-000003-compare-c0de",
)  # fmt: skip


@pytest.fixture
def old_home(tmp_path, monkeypatch, request) -> Path:
    """A copy of the folder under a path of its own; the recorded paths follow, but those of a home that was moved."""
    home = tmp_path / "home"
    recorded = getattr(request, "param", None) or str(home)
    shutil.copytree(FIXTURE, home)
    for path in home.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".csv"):
            text = path.read_text(encoding="utf-8")
            if "@HOME@" in text:
                path.write_text(text.replace("@HOME@", recorded), encoding="utf-8")
    for folder in (home / "jobs").iterdir():
        (folder / "checkpoints").mkdir(exist_ok=True)  # Git keeps no empty folders
    monkeypatch.setenv("MEDSSL_HOME", str(home))
    return home


def ask(*arguments: str) -> str:
    """What the command line prints."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def resumed(home: Path, job: str) -> list[dict]:
    """Resume a job, wait, and give its events."""
    store = JobStore(home)
    process.resume(store, job)
    events = list(process.follow(store, job))
    assert events[-1]["type"] == "finished", events[-1]
    return events


@pytest.mark.parametrize("old_home", ["/gone/another home"], indirect=True)  # copied from another machine
def test_all_of_it_is_listed_with_its_state(old_home):
    states = {view.id: view.status.state for view in JobStore(old_home).list()}
    assert states == {CLASSIFICATION: "finished", GENESIS: "interrupted", COMPARISON: "interrupted"}
    listed = ask("jobs", "list", "--json")
    assert {entry["id"] for entry in json.loads(listed)} == set(states)
    assert "classification" in ask("jobs", "show", CLASSIFICATION)


@pytest.mark.parametrize("old_home", ["/gone/another home"], indirect=True)  # copied from another machine
def test_weight_files_and_models_of_jobs_open(old_home):
    assert "ark" in ask("weights", "inspect", str(old_home / "weights/ark.safetensors"))
    output = old_home / "predictions"
    ask("predict", str(old_home / "data/pictures.csv"), "--model", CLASSIFICATION, "--output", str(output))
    table = read_table(output / "predictions.csv")
    assert {"Bright", "Mass"} <= set(table.columns) and len(table.rows) == 12


def test_dataset_specs_are_read(old_home):
    text = ask("data", "check", str(old_home / "data/findings.yaml"), str(old_home / "data/shades.yaml"))
    assert "findings" in text and "shades" in text


def test_a_result_folder_is_served(old_home):
    from fastapi.testclient import TestClient

    from medssl.server.app import create_app

    (result,) = (path.name for path in (old_home / "results").iterdir())
    client = TestClient(create_app(old_home, "token"), base_url="http://127.0.0.1")
    answer = client.get(f"/results/{result}", headers={"Authorization": "Bearer token"})
    assert answer.status_code == 200 and answer.json()["state"] == "finished" and answer.json()["table"]


@pytest.mark.slow
def test_a_killed_pretraining_goes_on_to_the_same_losses(old_home):
    events = resumed(old_home, GENESIS)
    assert [event["step"] for event in events if event["type"] == "resumed"] == [10]
    assert losses(old_home / "jobs" / GENESIS / "results/losses.csv") == pytest.approx(
        losses(FIXTURE / "expected/genesis-losses.csv"), rel=0.05
    )


def losses(path: Path) -> dict[tuple[str, str], float]:
    """(step, name) -> value."""
    return {(row["step"], row["name"]): float(row["value"]) for row in read_table(path).rows}


@pytest.mark.slow
@pytest.mark.parametrize("old_home", ["/gone/another home"], indirect=True)  # copied from another machine
def test_an_unfinished_comparison_goes_on_and_repeats_nothing(old_home):
    folder = old_home / "jobs" / COMPARISON
    kept = (folder / "runs/plain/1/0/results/predictions.csv").read_bytes()
    began = (folder / "runs/plain/1/0/events.jsonl").read_bytes()
    resumed(old_home, COMPARISON)
    assert (folder / "runs/plain/1/0/results/predictions.csv").read_bytes() == kept
    assert (folder / "runs/plain/1/0/events.jsonl").read_bytes().startswith(began[:200])
    assert '"resumed"' in (folder / "runs/balanced/1/0/events.jsonl").read_text(encoding="utf-8"), "from its checkpoint"
    found, expected = (
        read_table(path).rows for path in (folder / "results/runs.csv", FIXTURE / "expected/compare-runs.csv")
    )
    assert [[row[key] for key in ("arm", "size", "seed", "state")] for row in found] == [
        [row[key] for key in ("arm", "size", "seed", "state")] for row in expected
    ]
    assert np.allclose(*([float(row["test_brier"]) for row in rows] for rows in (found, expected)), atol=0.02)
