"""`medssl evaluate DATA --model M`: the images that are asked for now, with what the data say of them now."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ark_nets import save_ark
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.unet_classifier import UNetClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights

SPLITS = ("train", "train", "train", "test", "test", "test", "test")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def evaluated(*arguments: object):
    asked = ["evaluate", *map(str, arguments), "--replicates", "100", "--device", "cpu"]
    result = CliRunner().invoke(app, asked)
    if isinstance(result.exception, Exception):
        raise result.exception
    return json.loads(Path("evaluation/evaluation.json").read_text())


def groups(evaluation) -> set[str]:
    return {row["group"] for row in evaluation["groups"]}


def table(rows: list[tuple[object, ...]]) -> Path:
    Path("set.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    return Path("set.csv")


def classifier(labels: str) -> str:
    torch.manual_seed(0)
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0, classes=1)
    task = {"name": "classification", "kind": "binary", "classes": ["sick"], "test_time": "none", "labels": labels}
    plan = Plan("swin-classifier", net.arguments, "paper", {"kind": "cxr"}, net.input_size, "CXR", task)
    save_weights(Path("net.safetensors"), net.state_dict(), plan)
    return "net.safetensors"


def radiographs(turned: bool = False, column: str = "sick") -> Path:
    rng, rows = np.random.default_rng(0), [("image", "patient", column, "split", "sex")]
    for n, split in enumerate(SPLITS):
        if not turned:  # whose images stay as they were
            write_volume(Volume(rng.integers(0, 256, (130, 140)).astype(np.uint8)), Path(f"{n}.nrrd"))
        rows.append((f"{n}.nrrd", f"p{n}", (n % 2) ^ turned, split, "MF"[turned]))
    return table(rows)


@pytest.mark.parametrize("model", ["", "sick", "Ark"])
def test_images_and_labels_of_earlier_runs_do_not_count(model: str, tmp_path: Path):
    ark, column = model == "Ark", "Bright" if model == "Ark" else "sick"
    asked = [save_ark(tmp_path / "ark.safetensors"), "--finding", "Bright"] if ark else [classifier(model)]
    data = radiographs(column=column)
    assert evaluated(data, "--model", *asked, "--split", "training")["images"] == 3
    first = evaluated(data, "--model", *asked, "--split", "test", "--group", "sex")
    assert first["images"] == 4 and groups(first) == {"M"}
    again = evaluated(radiographs(turned=True, column=column), "--model", *asked, "--split", "test", "--group", "sex")
    auc, turned = (found["metrics"][column]["auc"]["value"] for found in (first, again))
    assert turned == pytest.approx(1 - auc) and again["images"] == 4, "as the table says now"
    assert groups(again) == {"F"}


def test_columns_that_only_some_splits_know_do_not_part_them():
    radiographs()
    rows = [line.split(",") for line in Path("set.csv").read_text().splitlines()]
    ages = ["age", "", "", "", "40", "50", "60", "70"]  # unknown in all of training
    data = table([(*row, age) for row, age in zip(rows, ages)])
    model = classifier("")
    assert evaluated(data, "--model", model, "--split", "training")["images"] == 3
    found = evaluated(data, "--model", model, "--split", "test", "--group", "age:0,55")
    assert {row["images"] for row in found["groups"]} == {2} and len(groups(found)) == 2


def test_each_candidate_of_a_scan_has_its_own_label():
    torch.manual_seed(0)
    net = UNetClassifier(4, 1, 1, 8)
    task = {
        "name": "classification", "kind": "binary", "classes": ["Nodule"], "labels": "Nodule", "region": "point", "test_time": "none",
    }  # fmt: skip
    geometry = Geometry("RAS", (1.0, 1.0, 1.0))
    plan = Plan(
        "unet-classifier",
        net.arguments,
        "paper",
        {"kind": "mr-percentile"},
        (16, 16, 16),
        "MR",
        task,
        geometry=geometry,
    )
    save_weights(Path("net.safetensors"), net.state_dict(), plan)
    rng, rows = np.random.default_rng(0), [("image", "patient", "Nodule", "x", "y", "z", "coordinates")]
    for n in range(2):
        write_volume(Volume(rng.integers(0, 500, (24, 24, 24)).astype(np.int16), modality="MR"), Path(f"{n}.nrrd"))
        rows += [(f"{n}.nrrd", f"p{n}", 1, 8, 8, 8, "voxel"), (f"{n}.nrrd", f"p{n}", 0, 15, 15, 15, "voxel")]
    found = evaluated(table(rows), "--model", "net.safetensors")
    assert found["images"] == 4 and found["counts"]["Nodule"]["positives"] == 2


def segmentations(masks: tuple[bool, ...], parts: tuple[str, ...] = ("", "", "")) -> Path:
    torch.manual_seed(0)
    net = UNetSegmenter(4, 1, 2)
    task = {"name": "segmentation", "form": "3d", "segments": [{"value": 4, "name": "Tail"}]}
    plan = Plan("unet-segmenter", net.arguments, "paper", {"kind": "ct"}, (16, 16, 8), "CT", task)
    save_weights(Path("net.safetensors"), net.state_dict(), plan)
    rng, rows = np.random.default_rng(0), [("image", "patient", "mask", "dicom_part")]
    mask = np.zeros((14, 16, 8), np.uint8)
    mask[:7] = 4
    for n, (has, part) in enumerate(zip(masks, parts)):
        write_volume(Volume(rng.integers(-1000, 1000, mask.shape).astype(np.int16)), Path(f"ct {n}.nrrd"))
        write_volume(Volume(mask), Path(f"mask {n}.nrrd"))
        rows.append((f"ct {n}.nrrd", f"p{n}", f"mask {n}.nrrd" if has else "", part))
    return table(rows)


def test_images_without_a_label_map_are_named():
    found = evaluated(segmentations((True, False, True)), "--model", "net.safetensors")
    (note,) = [note for note in found["notes"] if "left out" in note]
    assert found["images"] == 2 and note.startswith("1 image without") and note.endswith("ct 1")


def test_parts_of_files_are_measured_like_others():
    found = evaluated(segmentations((True, True, True), ("", "phase 1", "phase 2")), "--model", "net.safetensors")
    assert found["images"] == 3 and not any("left out" in note for note in found["notes"])


def test_images_in_a_view_are_named():
    from dataclasses import replace

    from medssl.cli.evaluation.evaluate_applied import pairs_of
    from medssl.core.protocol import DataSpec
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.datasets.entry import shown

    entries = list(read_catalog(DataSpec(path=str(segmentations((True, True, True)))), Path("home")))
    entries[1] = replace(entries[1], view="frontal")
    rows = [{"image": shown(entry), "output": f"{entry.name}.nii.gz"} for entry in entries]
    pairs, notes = pairs_of(rows, entries, Path("applied"))
    assert [pair.patient for pair in pairs] == ["p0", "p2"] and "1 image in a view" in notes[0] and "ct 1" in notes[0]
    with refused("no-label-maps", names="1 image"):
        pairs_of(rows[1:2], entries[1:2], Path("applied"))
