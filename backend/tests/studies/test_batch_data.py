"""A batch that runs again takes over what is finished only where the data are what they were."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import write_dataset_specs
from test_batch import item, listed, ran, run_batch

from medssl.core.protocol import DataSpec, VolumeRef
from medssl.jobs.store import JobStore
from medssl.studies.batch.data_digest import FILE, data_digest

HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path, monkeypatch) -> JobStore:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent / "training")]))
    (tmp_path / "home").mkdir()
    return JobStore(tmp_path / "home")


@pytest.fixture
def table(tmp_path) -> Path:
    """A catalogue of two patients with two channels each, the first of which have label maps."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"{who}.png,{who},{who}-mask.png,{who}-ct.png" for who in "ab"]
    for row in rows:
        for name in row.split(",")[0::2] + row.split(",")[3:]:
            (folder / name).write_bytes(b"x")
    (folder / "table.csv").write_text("\n".join(["image,patient,mask,image_1", *rows]) + "\n")
    return folder / "table.csv"


def one_item(table: Path, **data) -> dict:
    return {"items": [item("first", table.parent) | {"data": {"path": str(table), **data}}], "devices": ["cpu"]}


def touch(path: Path) -> None:
    """Another time of change, with the same content."""
    os.utime(path, ns=(10**18, path.stat().st_mtime_ns + 10**9))


@pytest.mark.parametrize("changed", ["table.csv", "b-mask.png"])
def test_a_finished_job_counts_only_for_the_data_it_has_seen(store, table, changed):
    _, told = run_batch(store, one_item(table))
    first = told["first"]["job"]
    run, told = run_batch(store, one_item(table), "again")
    assert told["first"]["job"] == first and told["first"]["note"] == "" and not run.of("warning")
    touch(table.parent / changed)
    run, told = run_batch(store, one_item(table), "mended")
    assert ran(store) == ["first", "first"] and listed(store) == 2
    assert told["first"]["job"] != first and first in told["first"]["note"]
    assert told["first"]["note"] in (run.folder / "results" / "batch.md").read_text()
    (said,) = run.of("warning")
    assert said["code"] == "data-changed" and first in said["message"] and "first" in said["message"]
    _, last = run_batch(store, one_item(table), "once more")
    assert last["first"]["job"] == told["first"]["job"] and len(ran(store)) == 2


def test_jobs_of_earlier_versions_are_taken_over_and_known_from_then_on(store, table):
    _, told = run_batch(store, one_item(table))
    job = told["first"]["job"]
    (store.folder(job) / FILE).unlink()
    touch(table)
    _, told = run_batch(store, one_item(table), "again")
    assert told["first"]["job"] == job and told["first"]["note"] == ""
    touch(table)
    _, told = run_batch(store, one_item(table), "mended")
    assert told["first"]["job"] != job and job in told["first"]["note"]


def test_a_job_of_a_catalogue_that_could_not_be_read_goes_on_with_the_mended_one(store, table):
    text = table.read_text()
    table.write_text(text.replace("image,", "picture,"))
    _, told = run_batch(store, one_item(table, modality="CT"))
    table.write_text(text)
    _, again = run_batch(store, one_item(table, modality="CT"), "again")
    assert again["first"]["job"] == told["first"]["job"] and (store.folder(told["first"]["job"]) / FILE).is_file()


def test_a_digest_tells_every_file_apart(tmp_path, table):
    data = DataSpec(path=str(table))
    seen = {data_digest(data, tmp_path)}
    assert seen == {data_digest(replace(data, modality="MR"), tmp_path)}, "what is asked of them is compared elsewhere"
    for number, name in enumerate(("table.csv", "a.png", "a-mask.png", "b-ct.png"), 2):
        touch(table.parent / name)
        seen.add(data_digest(data, tmp_path))
        assert len(seen) == number
    (table.parent / "a.png").unlink()
    assert len(seen | {data_digest(data, tmp_path)}) == 6 and data_digest(data, tmp_path) == data_digest(data, tmp_path)
    assert data_digest(DataSpec(path=str(tmp_path / "nothing")), tmp_path) == ""


def test_the_tables_of_dataset_specs_and_their_lists_count(tmp_path):
    folder = tmp_path / "set"
    split = {"training": "train.txt", "test": "test.txt"}
    folder.mkdir()
    (folder / "train.txt").write_text("".join(f"patient{n}.png\n" for n in range(3)))
    (folder / "test.txt").write_text("patient3.png\n")
    data = DataSpec(sets=(write_dataset_specs(folder, 4, split=split),))
    seen = {data_digest(data, tmp_path)}
    for name in ("table.csv", "test.txt", "patient0.png"):
        touch(folder / name)
        seen.add(data_digest(data, tmp_path))
    assert len(seen) == 4 and "" not in seen


def test_uploads_are_what_their_names_say(tmp_path):
    name = "0" * 64
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / f"{name}.nrrd").write_bytes(b"x")
    data = DataSpec(volumes=(VolumeRef(sha256=name),))
    before = data_digest(data, tmp_path)
    touch(tmp_path / "volumes" / f"{name}.nrrd")
    assert data_digest(data, tmp_path) == before != ""
