"""`medssl data check` on a folder that mixes what hospitals have: one readable table, an exit status by rule, JSON."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from dicom_files import write_dicom, write_series
from PIL import Image
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.splits.split import SPLIT_SEED, split_for_task
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.tasks.classification import task as classification
from medssl.tasks.probing import task as probing
from medssl.tasks.segmentation import task as segmentation


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def mixed(tmp_path, rng):
    """CT and MR series, a scout, a report, NIfTI of several spacings and orientations, BIDS names, pictures, and broken files."""
    root = tmp_path / "mixed ä"
    array = rng.integers(-900, 900, (16, 14, 6)).astype(np.int16)
    heights = [2.0 * k for k in range(6)]
    write_series(root / "cd" / "A" / "ct", array, heights, PatientID="MRN1")
    write_series(root / "cd" / "B" / "ct", array, heights, PatientID="MRN1")
    write_series(root / "cd" / "C" / "s1", array[..., :3], heights[:3], PatientID="MRN2", SeriesInstanceUID="1.2.7")
    write_series(root / "cd" / "C" / "s2", array[..., 3:], heights[3:], PatientID="MRN2", SeriesInstanceUID="1.2.7")
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesInstanceUID": "1.2.8", "PatientID": "MRN1"}
    write_series(root / "cd" / "A" / "scout", array[..., :1], [0.0], **scout)
    write_dicom(root / "cd" / "A" / "sr.dcm", array[..., 0].astype(np.uint16), Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")  # fmt: skip
    holes = write_series(root / "cd" / "D", array, heights, PatientID="MRN3")
    for path in holes.iterdir():
        if path.stem.endswith("-3"):
            path.unlink()
    turned = np.diag([-1.0, -1.0, 1.0])
    for name, spacing, direction in (
        ("e", (1, 1, 1), np.eye(3)),
        ("f", (1, 1, 5), turned),
        ("g", (0.5, 0.5, 1), np.eye(3)),
    ):
        (root / name).mkdir()
        write_volume(Volume(array, spacing, direction=direction), root / name / "ct.nii.gz")
    (root / "sub-01" / "anat").mkdir(parents=True)
    write_volume(Volume(array), root / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    write_volume(Volume((array > 0).astype(np.int16)), root / "sub-01" / "anat" / "sub-01_dseg.nii.gz")
    (root / "e" / "cut.nii.gz").write_bytes((root / "e" / "ct.nii.gz").read_bytes()[:400])
    (root / "e" / "empty.nrrd").write_bytes(b"")
    (root / "f" / "gone.nii.gz").symlink_to(root / "nowhere.nii.gz")
    (root / "f" / "letter.dcm").write_text("Dear colleague")
    Image.fromarray(rng.integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(root / "f" / "photo.png")
    (root / "readme.txt").write_text("x")
    return root


BAD = {"D", "cut.nii.gz", "empty.nrrd", "gone.nii.gz", "letter.dcm", "photo.png"}


def test_one_table_an_exit_status_and_json(mixed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    found = run("data", "check", str(mixed), "--json")
    assert found.exit_code == 1 and "Traceback" not in found.output
    info = json.loads(found.stdout)
    assert {os.path.basename(one["file"]) for one in info["bad"]} == BAD and all(one["reason"] for one in info["bad"])
    assert all(". " in one["reason"] for one in info["bad"] if one["file"].endswith(("cut.nii.gz", "D")))  # a remedy
    assert info["refused"] == len(BAD)
    assert info["left_out"] == {
        "file of another kind": 1, "label map": 1, "localiser": 1, "structured report": 1,
    }  # fmt: skip
    assert info["dicom_series"] == 3 and info["volumes"] == 7 and info["patients"] == 6
    assert info["patients_by"] == {"PatientID": 3, "folder": 3, "BIDS": 1}
    assert info["orientations"] == {"LPS": 6, "RAS": 1} and "median" in info["spacing"]
    assert info["dimension"] == "3D" and info["training"] + info["validation"] + info["test"] == 7
    assert sum("orientations" in note or "Spacings" in note for note in info["notes"]) == 2
    assert not any("MRN" in json.dumps(row["patient"]) for row in info["table"])
    sides = {(row["patient"], row["split"]) for row in info["table"] if not row["problem"]}
    assert len(sides) == info["patients"], "no patient is on two sides"
    printed = run("data", "check", str(mixed))
    assert printed.exit_code == 1
    for words in (*BAD, "localiser", "structured report", "median", "6 x LPS, 1 x RAS"):
        assert words in printed.output


def test_the_status_is_0_where_all_can_be_used(mixed):
    assert run("data", "check", str(mixed / "cd" / "C")).exit_code == 0
    assert run("data", "check", str(mixed / "cd" / "A")).exit_code == 0, "what is left out by rule is no fault"


def test_patient_ids_are_shown_where_that_is_asked_for(mixed):
    shown = json.loads(run("data", "check", str(mixed / "cd"), "--plain-ids", "--json").stdout)
    assert {row["patient"] for row in shown["table"]} == {"MRN1", "MRN2", "MRN3"}


def test_each_candidate_of_a_scan_counts_with_its_own_label(tmp_path, rng):
    lines = ["image,patient,split,modality,x,y,z,coordinates,Nodule"]
    for n in range(8):
        write_volume(Volume(rng.integers(-900, 900, (9, 8, 7)).astype(np.int16)), tmp_path / f"{n}.nrrd")
        part = "train" if n < 4 else "val" if n < 6 else "test"
        lines += [f"{n}.nrrd,p{n},{part},CT,{at},4,3,voxel,{int(at == 2)}" for at in (2, 5, 6)]  # the last are negative
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = run("data", "check", str(tmp_path / "t.csv"), "--labels", "Nodule", "--json")
    info = json.loads(found.stdout)
    assert found.exit_code == 0 and info["refused"] == 0
    assert not any("No training is possible" in note for note in info["notes"])
    assert [row["split"] for row in info["table"]] == ["training"] * 12 + ["validation"] * 6 + ["test"] * 6


def test_labels_are_looked_into(tmp_path, rng):
    lines = ["Image;PATIENT;Edema;Pneumonia;split"]
    for n in range(8):
        Image.fromarray(rng.integers(0, 255, (20, 20)).astype(np.uint8)).save(tmp_path / f"{n}.png")
        part = "train" if n < 4 else "val" if n < 6 else "test"
        lines.append(f".\\{n}.png;p{n};{'' if part == 'test' else n % 2};{n % 2};{part}")
    (tmp_path / "t.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    found = run("data", "check", str(tmp_path / "t.csv"), "--labels", "Edema,Pneumonia", "--json")
    info = json.loads(found.stdout)
    assert found.exit_code == 0 and any("test image" in note and "Edema" in note for note in info["notes"])


def test_one_image_is_no_training_set(tmp_path, ct):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    found = run("data", "check", str(tmp_path / "a.png"), "--json")
    assert found.exit_code == 1 and json.loads(found.stdout)["refused"] >= 1


def test_a_table_that_calls_one_patient_two(mixed):
    (mixed / "t.csv").write_text("image,patient\ncd/A/ct,anna\ncd/B/ct,berta\ng/ct.nii.gz,clara\n")
    found = run("data", "check", str(mixed / "t.csv"), "--json")
    (note,) = [note for note in json.loads(found.stdout)["notes"] if "PatientID" in note]
    assert "anna and berta" in note and "MRN1" not in note


@pytest.mark.parametrize(("labels", "said"), [("Same", "one class only"), ("Absent", "Absent"), ("Holes", "no label")])
def test_labels_that_prevent_a_training_are_a_note_and_status_1(tmp_path, rng, labels, said):
    lines = ["image,patient,Same,Holes"]
    for n in range(8):
        Image.fromarray(rng.integers(0, 255, (20, 20)).astype(np.uint8)).save(tmp_path / f"{n}.png")
        lines.append(f"{n}.png,p{n},1,{'' if n == 3 else n % 2}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = run("data", "check", str(tmp_path / "t.csv"), "--labels", labels, "--json")
    info = json.loads(found.stdout)
    assert found.exit_code == 1 and info["refused"] == 1 and len(info["table"]) == 8
    assert any("No training is possible" in note and said in note for note in info["notes"])


def test_each_use_has_its_split_and_it_is_the_one_that_it_draws(tmp_path, rng):
    for n in range(10):
        write_volume(Volume(rng.integers(0, 99, (9, 8, 7)).astype(np.int16)), tmp_path / f"scan-{n}.nrrd")
    found = run("data", "check", str(tmp_path), "--test-fraction", "0.3", "--json")
    answer = json.loads(found.stdout)
    assert answer["splits"] == {
        "pretraining": {"training": 8, "validation": 2}, "fine-tuning": {"training": 5, "validation": 2, "test": 3},
    }  # fmt: skip
    data = DataSpec(path=str(tmp_path), test_fraction=0.3)
    drawn = split_for_task(read_catalog(data, tmp_path), data)
    assert {row["image"] for row in answer["table"] if row["split"] == "test"} == {e.name for e in drawn.test}
    assert all(SPLIT_SEED is task.SPLIT_SEED for task in (segmentation, classification, probing))
    folds = json.loads(run("data", "check", str(tmp_path), "--folds", "5", "--json").stdout)["splits"]
    assert list(folds) == ["pretraining", *(f"fine-tuning, fold {n}" for n in range(5))]
    shown = run("data", "check", str(tmp_path)).output
    assert "6 training, 2 validation, 2 test images" in shown and "8 training, 2 validation images" in shown


def test_a_set_too_small_for_a_test_can_still_pretrain(tmp_path, rng):
    for n in range(2):
        write_volume(Volume(rng.integers(0, 99, (9, 8, 7)).astype(np.int16)), tmp_path / f"scan-{n}.nrrd")
    found = run("data", "check", str(tmp_path))
    assert found.exit_code == 0 and "No fine-tuning is possible" in found.output
    assert run("data", "check", str(tmp_path), "--folds", "5").exit_code == 1
