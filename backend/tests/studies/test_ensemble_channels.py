"""An ensemble of a model of several channels, from a folder of pairs to the label map of a case with its further channel."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk
from fakes import FakeRun
from refusals import refused
from task_sets import LOOP, task_spec, write_volumes

from medssl.core.errors import CancelledError
from medssl.core.files import read_json
from medssl.core.plan import read_plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.catalog.catalog import read_catalog
from medssl.images.formats.reading import read_volume
from medssl.inference.models import WarmModels
from medssl.inference.volumes.segmenter import segment_image
from medssl.reports.figures import case_pictures, plots
from medssl.studies.ensemble.check import check_ensemble
from medssl.studies.ensemble.folds import data_of, draw_folds
from medssl.studies.ensemble.run import ensemble
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.run import apply
from medssl.tasks.transfer_config import SelectionConfig

MODEL = "results/model.safetensors"
ASTRAY = 3  # the case whose CT shows another place


def write_pairs(folder: Path) -> DataSpec:
    """A folder per patient with an MR, its label map and a CT of the same grid; that of one case is moved."""
    write_volumes(folder / "volumes")
    for number in range(8):
        home = folder / "scans" / f"p{number}"
        home.mkdir(parents=True)
        for name, source in (("mr", "image"), ("mr-label", "mask")):
            shutil.copyfile(folder / "volumes" / f"{source}{number}.nrrd", home / f"{name}.nrrd")
        ct = sitk.ReadImage(str(home / "mr.nrrd")) * 4 - 1000
        ct.SetOrigin((0.0, 0.0, 10.0 if number == ASTRAY else 0.0))
        sitk.WriteImage(ct, str(home / "ct.nrrd"))
    return DataSpec(
        path=str(folder / "scans"), pattern="*/mr.nrrd", channels=("*/ct.nrrd",), modality="MR,CT", test_fraction=0.25,
        channel_names="T1,CT", masks="{folder}/{stem}-label.nrrd", folds=2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, FakeRun]:
    """Two folds of six patients; cancelled in the second, and gone on with. Pictures are blank: others look at them."""
    folder = tmp_path_factory.mktemp("channels")
    training = {**LOOP, "steps": 2, "batch_size": 1}
    spec = task_spec("segmentation", write_pairs(folder), training=training)
    spec = check_ensemble(replace(spec, kind="ensemble"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, case_pictures):
            patch.setattr(module, "to_png", lambda figure, **how: b"")
        run = FakeRun(folder / "job", folder / "home")
        run.cancel_requested = lambda: bool(run.of("fold"))
        with pytest.raises(CancelledError):
            ensemble(spec, run)
        run = FakeRun(folder / "job", folder / "home", resume=True)
        ensemble(spec, run)
    return folder, run


def test_every_fold_sees_all_channels_and_a_resumed_one_too(finished):
    _, run = finished
    assert [event["fold"] for event in run.of("fold")] == [2], "the first was finished before"
    for fold in (1, 2):
        with (run.folder / "results" / f"fold-{fold}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(row["image_1"] == row["image"].replace("mr.nrrd", "ct.nrrd") for row in rows)
        assert {(row["modality"], row["modality_1"]) for row in rows} == {("MR", "CT")}
        spec = read_json(run.folder / "folds" / str(fold) / "spec.json")["data"]
        assert (spec["channels"], spec["channel_names"], spec["modality"]) == ([], "T1,CT", "MR,CT")


def test_it_is_one_model_of_several_channels(finished):
    _, run = finished
    plan = read_plan(run.folder / MODEL)
    assert [(one.name, one.modality, one.normalisation["kind"]) for one in plan.channels] == [
        ("T1", "MR", "mr-percentile"), ("CT", "CT", "ct"),
    ]  # fmt: skip
    assert plan.network["inputs"] == 2 and [one["network"]["inputs"] for one in plan.network["members"]] == [2, 2]
    assert run.of("evaluation")[0]["test"]["dice"] is not None
    assert "CT lies poorly on the first image in 1 of 8 cases: " in (run.folder / "results" / "report.html").read_text()


def test_it_segments_a_case_with_its_further_channel_alone(finished, tmp_path):
    folder, run = finished
    net = WarmModels(folder / "home").get(str(run.folder / MODEL), "", "cpu")
    mr, ct = (
        read_volume(folder / "scans" / "p0" / f"{name}.nrrd", kind) for name, kind in (("mr", "MR"), ("ct", "CT"))
    )
    assert segment_image(replace(mr, further=(ct,)), net).labels.shape == mr.shape
    with refused("channels-incomplete", "CT"):
        segment_image(mr, net)
    applied = FakeRun(tmp_path / "job", folder / "home")
    data = replace(write_pairs(tmp_path), masks="", folds=0)
    apply(JobSpec("apply", "apply", as_dict(build(ApplyConfig, {})), data, start_from=str(run.folder / MODEL)), applied)
    with (applied.folder / "results" / "index.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"] * 8


def test_the_folds_of_dataset_specs_are_tables(tmp_path):
    write_volumes(tmp_path / "images")
    rows = [f"image{n}.nrrd,p{n},{n % 2}" for n in range(8)]
    (tmp_path / "images" / "table.csv").write_text("\n".join(["image,patient,Odd", *rows]) + "\n")
    one = {
        "name": "boxes", "kind": "binary", "root": str(tmp_path / "images"), "tables": ["table.csv"], "images": "{image}",
        "labels": ["Odd"], "modality": "MR",
    }  # fmt: skip
    (tmp_path / "masks").mkdir()
    for number in range(8):
        shutil.copyfile(tmp_path / "images" / f"mask{number}.nrrd", tmp_path / "masks" / f"image{number}.nrrd")
    data = DataSpec(sets=(one,), masks="{folder}/../masks/{stem}.nrrd", test_fraction=0.25, folds=3)
    drawn = draw_folds(data, SelectionConfig(), tmp_path, tmp_path, 0)
    assert (drawn.images, drawn.test) == ((2, 2, 2), 2)
    asked = {entry.image: entry for entry in read_catalog(data, tmp_path)}
    for fold in range(3):
        found = read_catalog(data_of(data, fold, tmp_path), tmp_path)
        assert len(found) == 8 and sum(entry.split == "validation" for entry in found) == 2
        for entry in found:
            same = asked[entry.image]
            assert (entry.patient, entry.labels, entry.modality) == (same.patient, same.labels, "MR")
            assert entry.mask and same.mask and entry.mask.samefile(same.mask)
