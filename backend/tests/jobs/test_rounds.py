"""The chain of fine-tunings as its job folders show it."""

from __future__ import annotations

import dataclasses

import pytest
from refusals import refused

from medssl.core.files import write_json
from medssl.core.protocol import FINISHED, DataSpec, JobSpec, JobStatus, to_json
from medssl.jobs.record import EventLog
from medssl.jobs.rounds import job_of_model, kept_patients, rounds_of, rounds_sentence
from medssl.jobs.split_record import COLUMNS, read_split, write_split
from medssl.jobs.store import JobStore

DATA = DataSpec(path="/data/scans.csv")


@pytest.fixture
def store(home) -> JobStore:
    return JobStore(home)


def finished(
    store: JobStore, job: str, start_from: str = "", dice: float = 0.5, training: int = 3, truth=(("v", "1"),), **spec
) -> str:
    """A job folder as a finished fine-tuning leaves it: 11 steps a second apart."""
    asked = JobSpec("finetune", "segmentation", {"training": {"steps": 11}}, DATA, start_from=start_from)
    store.create(dataclasses.replace(asked, **spec), job)
    folder = store.jobs / job
    clock = iter(range(100, 200))
    log = EventLog(folder / "events.jsonl", lambda: next(clock))
    log.append("started", {"training": training})
    for step in range(1, 12):
        log.append("loss", {"step": step, "loss": 1.0})
    log.append("evaluation", {"validation": {"dice": dice}, "test": {}})
    log.close()
    (folder / "results" / "model.safetensors").touch()
    rows = [{"image": f"/{who}.nrrd", "patient": who, "split": "validation", "mask_sha256": sha} for who, sha in truth]
    write_split(folder, [*rows, {"image": "/t.nrrd", "patient": "t", "split": "training"}])
    write_json(folder / "status.json", to_json(JobStatus(FINISHED, started=10.0, ended=70.0)))
    return str(folder / "results" / "model.safetensors")


def test_the_chain_begins_with_the_first_fine_tuning(store):
    pretrained = finished(store, "ssl", kind="pretrain", method="genesis")
    first = finished(store, "one", pretrained, 0.6)
    second = finished(store, "two", first, 0.7, training=5)
    finished(store, "three", second, 0.65, training=6)
    rounds = rounds_of(store, "three")
    assert [(one.number, one.job, one.training, one.score) for one in rounds] == [
        (1, "one", 3, 0.6), (2, "two", 5, 0.7), (3, "three", 6, 0.65)
    ]  # fmt: skip
    assert all(one.comparable and one.metric == "dice" and one.minutes == 1.0 for one in rounds)
    assert rounds[0].steps_per_s == pytest.approx(1.0) and rounds[0].validation == ("v",)
    assert "rose by 0.050 from round 1 to round 3 (3 to 6 labelled images)" in rounds_sentence(rounds)
    assert len(rounds_of(store, "one")) == 1 and "One round" in rounds_sentence(rounds[:1])


@pytest.mark.parametrize("truth", [(("w", "1"),), (("v", "1"), ("w", "2")), (("v", "2"),)])
def test_other_cases_or_other_label_maps_do_not_compare(store, truth):
    first = finished(store, "one")
    finished(store, "two", first, truth=truth)
    rounds = rounds_of(store, "two")
    assert [one.comparable for one in rounds] == [True, False] and "do not compare" in rounds_sentence(rounds)


def test_a_digest_that_nobody_recorded_contradicts_nothing(store):
    first = finished(store, "one", truth=(("v", ""),))
    finished(store, "two", first)
    assert all(one.comparable for one in rounds_of(store, "two"))


def test_a_removed_job_and_another_task_end_the_chain(store):
    first = finished(store, "one")
    second = finished(store, "two", first)
    store.remove("one")
    assert [one.job for one in rounds_of(store, "two")] == ["two"]
    finished(store, "other", second, method="classification")
    assert [one.job for one in rounds_of(store, "other")] == ["other"]
    finished(store, "ssl", kind="pretrain", method="genesis")
    with refused("job-without-rounds", "ssl"):
        rounds_of(store, "ssl")


def test_a_running_round_has_no_score_yet(store):
    first = finished(store, "one")
    store.create(JobSpec("finetune", "segmentation", {}, DATA, start_from=first), "two")
    last = rounds_of(store, "two")[-1]
    assert (last.score, last.minutes, last.steps_per_s, last.steps) == (None, None, None, 0)


def test_whose_model_it_is(store, home):
    path = finished(store, "one", name="liver")
    assert [job_of_model(home, one) for one in ("one", "liver", path, "/elsewhere/results/model.safetensors", "")] == [
        "one", "one", "one", "", ""
    ]  # fmt: skip
    assert kept_patients(store, "one") == {"v": "validation"}


def test_tables_of_earlier_versions_say_who_was_held_out(tmp_path):
    (tmp_path / "results").mkdir()
    for name, who in (("validation_cases.csv", "v"), ("cases.csv", "t")):
        (tmp_path / "results" / name).write_text(
            f"image,patient,class,dice\n/{who}.nrrd,{who},a,1\n/{who}.nrrd,{who},mean,1\n"
        )
    assert [(row["patient"], row["split"]) for row in read_split(tmp_path)] == [("v", "validation"), ("t", "test")]
    assert tuple(read_split(tmp_path)[0]) == COLUMNS and read_split(tmp_path / "none") == []
