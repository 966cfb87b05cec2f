"""A ranking request: who is a candidate, who counts as labelled, what is kept, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from asking import ask
from case_fakes import KeepingContext
from refusals import refused
from segment_fakes import Levels

from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs.split_record import write_split
from medssl.jobs.store import JobStore
from medssl.networks.weights.weight_files import build_network

BLUR = {"a": 1, "b": 6, "c": 3}  # slices of doubt above the box
ROWS = (("a", "", ""), ("b", "", ""), ("c", "", ""), ("taught", "labels", "train"), ("held", "labels", "val"))


def scan(blur: int, seed: int = 0, shape=(20, 16, 24)) -> Volume:
    array = np.full(shape, -1000, np.int16) + np.random.default_rng(seed).integers(0, 9, shape).astype(np.int16)
    array[4:14, 3:11, 4:12] = 1000
    array[4:14, 3:11, 12 : 12 + blur] = -200  # on the edge between two levels: in doubt
    return Volume(array, (1, 1, 1), (0, 0, 0), np.eye(3), modality="CT")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    write_volume(scan(0).with_array((scan(0).array > 0).astype(np.uint8)), folder / "labels.nrrd")
    for seed, (name, _, _) in enumerate(ROWS):
        write_volume(scan(BLUR.get(name, 0), seed), folder / f"{name}.nrrd")
    return write(folder / "images.csv", ROWS)


def write(path: Path, rows) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "mask", "split"])
        writer.writerows(
            [f"{name}.nrrd", name, f"{mask}.nrrd" if mask else "", split or "train"] for name, mask, split in rows
        )
    return path


def request(table: Path, model: str = "m", **more) -> dict:
    return {"data": {"path": str(table)}, "model": model, **more}


def names(found) -> list[str]:
    return [row["name"] for row in found.table]


def test_the_widest_doubt_comes_first_and_says_why(table, tmp_path):
    context = KeepingContext(tmp_path / "c", Levels())
    found = ask("next_case", request(table, uncertainty=1.0), context)
    assert names(found) == ["b", "c", "a"] and [row["number"] for row in found.table] == [1, 2, 0]
    widths = [row["uncertainty"] for row in found.table]
    assert widths == sorted(widths, reverse=True) and widths[0] > 2 * widths[1] > 0
    assert found.table[0]["nearest"] in ("taught", "a", "c") and "mm" in found.table[0]["why"]
    assert (found.info["by"], found.info["candidates"], found.info["labelled"]) == ("prediction", 3, 1)
    with (context.folder / "table.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["b", "c", "a"]
    assert context.fractions == sorted(context.fractions)


@pytest.mark.parametrize(("mirrored", "copies"), [({}, 1), ({"mirrored": False}, 1), ({"mirrored": True}, 8)])
def test_mirrored_copies_are_asked_of_models_that_learnt_from_such(mirrored, copies, table, tmp_path):
    seen = []

    class Counting(Levels):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    plain = {"mirror": False}
    ask("next_case", request(table, **plain), KeepingContext(tmp_path / "plain", Counting(**mirrored)))
    once = sum(seen)
    seen.clear()
    ask("next_case", request(table), KeepingContext(tmp_path / "c", Counting(**mirrored)))
    assert once > 0 and (sum(seen) == once if copies == 1 else sum(seen) > 4 * once)


def test_a_second_question_looks_at_nothing_again(table, tmp_path):
    context, net = KeepingContext(tmp_path / "c", Levels()), None
    ask("next_case", request(table), context)
    net, calls = context.model("m", "", "cpu"), context.model("m", "", "cpu").calls
    found = ask("next_case", request(table, count=1), context)
    assert net.calls == calls and len(found.table) == 1
    write_volume(scan(2, 9), table.with_name("a.nrrd"))
    ask("next_case", request(table), context)
    assert net.calls > calls, "a file that changed is looked at again"


def test_without_a_model_images_differ_by_statistics(table, tmp_path):
    context = KeepingContext(tmp_path / "c", Levels())
    write_volume(scan(0, 1).with_array((scan(0, 1).array // 3).astype(np.int16)), table.with_name("a.nrrd"))
    found = ask("next_case", request(table, ""), context)
    assert names(found)[0] == "a" and found.info["by"] == "statistics" and found.table[0]["uncertainty"] is None
    assert context.model("m", "", "cpu").calls == 0


def test_a_pretrained_encoder_ranks_by_its_embedding_and_keeps_an_index(table, tmp_path):
    plan = Plan(
        "genesis",
        {"base_width": 4},
        "paper",
        {"kind": "ct", "low": -1000.0, "high": 1000.0},
        (16, 16, 16),
        "CT",
        sha256="a1",
    )
    net = build_network(plan).eval()
    net.plan = plan
    context = KeepingContext(tmp_path / "c", net)
    found = ask("next_case", request(table), context)
    assert (
        found.info["by"] == "embedding"
        and len(found.table) == 3
        and list((context.home / "indexes").glob("*/index.sqlite"))
    )


def test_labelled_images_of_another_set_are_no_candidates(table, tmp_path):
    other = write(table.with_name("other.csv"), [("c", "", "")])
    context = KeepingContext(tmp_path / "c", Levels())
    found = ask("next_case", request(table, labelled=[{"path": str(other)}]), context)
    assert sorted(names(found)) == ["a", "b"] and found.info["labelled"] == 2


def test_scans_that_were_added_to_the_folder_of_the_training_are_candidates(table, tmp_path):
    """It learnt from cases that have a label map; what was laid beside them since has taught nothing."""
    context = KeepingContext(tmp_path / "c", Levels())
    store = JobStore(context.home)
    job = store.create(JobSpec("finetune", "segmentation", {}, DataSpec(path=str(table))))
    model = store.folder(job) / "results" / "model.safetensors"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"weights")
    rows = [
        {"image": str(table.with_name(f"{name}.nrrd")), "name": name, "patient": name, "split": split}
        for name, split in (("taught", "training"), ("held", "validation"))
    ]
    write_split(store.folder(job), [{"mask": "", "mask_sha256": "", **row} for row in rows])
    found = ask("next_case", request(table, str(model)), context)
    assert sorted(names(found)) == ["a", "b", "c"] and found.info["labelled"] == 1


def test_what_cannot_be_used_is_left_out_and_said(table, tmp_path):
    table.with_name("a.nrrd").write_bytes(b"no image")
    found = ask("next_case", request(table), KeepingContext(tmp_path / "c", Levels()))
    assert (
        names(found)
        and "a" not in names(found)
        and found.info["skipped"] == 1
        and "a is left out" in found.info["notes"][0]
    )


def test_refusals(table, tmp_path):
    context = KeepingContext(tmp_path / "c", Levels())
    with refused("no-candidate", "1 images"):
        ask("next_case", request(write(table.with_name("full.csv"), [("taught", "labels", "train")])), context)
    for name in BLUR:
        table.with_name(f"{name}.nrrd").write_bytes(b"no image")
    with refused("no-usable-image"):
        ask("next_case", request(table), context)
    context._net.plan = Plan("monai-segmenter", {}, "paper", {}, (16, 16, 8), "CT")
    with refused("model-unsuitable"):
        ask("next_case", request(table), context)
