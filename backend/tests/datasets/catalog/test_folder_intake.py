"""Folders as they come from a PACS, a CD or a BIDS set: series, patients, what is left out, what is broken."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from dicom_files import write_dicom, write_series
from PIL import Image

from medssl.core.protocol import DataSpec
from medssl.datasets.cache.filling import fill
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.patients import (
    PATIENTS_UNKNOWN,
    patient_name,
    patient_notes,
    sources,
    stated_id,
    subject_of,
)
from medssl.datasets.splits.split import split_by_patient
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume

Z = [1.0, 2.0, 3.0, 4.0]
LONG = "1.2.826.0.1.3680043.8.498"


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(-900, 900, (12, 10, 4)).astype(np.int16)


def read(tmp_path, root, **spec):
    return read_catalog(DataSpec(path=str(root), **{"patient_ids": "plain", **spec}), tmp_path / "home")


def scan(folder, array, patient="", uid="", first=0, **tags):
    """A series of one patient; `uid` where several folders hold one."""
    more = {"SeriesInstanceUID": uid} if uid else {}
    positions = [z + first for z in Z[: array.shape[2]]]
    return write_series(folder, array, positions, PatientID=patient, **more, **tags)


@pytest.mark.parametrize("count", [2, 3])
def test_patients_come_from_the_id_and_never_lie_on_two_sides(tmp_path, count):
    root = tmp_path / "x"
    root.mkdir()
    for n in range(6):
        image = np.full((40, 40), 100 * n, np.uint16)
        image[:20] = 7
        write_dicom(root / f"img{n}.dcm", image, modality="DX", PatientID=f"MRN{n % count}")
    catalog = read(tmp_path, root)
    assert catalog.patients == tuple(f"MRN{n}" for n in range(count)) and sources(catalog) == {"PatientID": 6}
    split = split_by_patient(catalog, 0.5, 0, 0)
    assert not set(split.training.patients) & set(split.validation.patients)
    hashed = read(tmp_path, root, patient_ids="hashed")
    assert len(hashed.patients) == count and not any("MRN" in patient for patient in hashed.patients)
    assert hashed.patients == read(tmp_path, root, patient_ids="hashed").patients


def test_names_of_patients_are_of_one_home(tmp_path):
    one, again, other = (patient_name("4711", tmp_path / name) for name in ("a", "a", "b"))
    assert one == again != other and "4711" not in one and patient_name("4712", tmp_path / "a") != one
    assert patient_name("4711", tmp_path / "a", "plain") == "4711"
    assert os.name == "nt" or (tmp_path / "a" / "patient-key").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("text", ["", " ", "anon", "ANON", "Anonymous", "anonymized", "ANONYMIZED^", "0000", "99999", "XXXX", "Unknown", "de-identified", "REMOVED"])  # fmt: skip
def test_what_anonymisers_write_is_no_id(text):
    assert stated_id(text) == ""


@pytest.mark.parametrize(
    "text", ["1", "7", "P0", "anon12", "ANON-0001", "0042", "111", "2222", "Test7", "sub-01", "123-456"]
)
def test_and_what_is_one(text):
    assert stated_id(text) == text


def test_a_study_tree_of_anonymised_series_has_a_patient_per_folder(tmp_path, array):
    root = tmp_path / "study"
    for n in range(3):
        scan(root / f"p{n}" / "CT", array, "anon")
    localiser = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesInstanceUID": "1.2.3"}
    scan(root / "p1" / "scout", array[..., :1], "anon", **localiser)
    write_dicom(root / "p2" / "report.dcm", array[..., 0].astype(np.uint16), Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")  # fmt: skip
    catalog = read(tmp_path, root)
    assert catalog.patients == ("p0", "p1", "p2") and sources(catalog) == {"folder": 3}
    assert dict(catalog.left_out) == {"localiser": 1, "structured report": 1}
    assert any("localiser" in remark for remark in catalog.remarks())


def test_one_series_in_several_folders_and_several_in_one(tmp_path, array):
    root = tmp_path / "cd"
    scan(root / "A" / "S1", array[..., :2], "A1", uid="1.2.1")
    scan(root / "A" / "S2", array[..., 2:], "A1", uid="1.2.1", first=2)
    scan(root / "B", array, "B1", uid="1.2.2", SeriesDescription="lung")
    for n, path in enumerate(sorted(scan(tmp_path / "more", array, "B1", uid="1.2.3", SeriesDescription="bone").iterdir())):  # fmt: skip
        shutil.copy(path, root / "B" / f"more{n}.dcm")
    catalog = read(tmp_path, root)
    assert [len(entry.files) for entry in catalog] == [4, 4, 4] and catalog.patients == ("A1", "B1")
    assert len({entry.name for entry in catalog}) == 3
    found = fill(VolumeCache(tmp_path / "cache"), catalog, lambda text: None)
    assert [image.shape for image in found.images] == [(12, 10, 4)] * 3 and not found.skipped
    assert len({image.path for image in found.images}) == 3, "the key of the cache covers the files"
    moved = next(iter(catalog)).files[-1]
    os.utime(moved, (1, 1))
    again = fill(VolumeCache(tmp_path / "cache"), catalog, lambda text: None)
    assert again.images[0].path != found.images[0].path


def test_files_without_an_id_belong_to_the_one_patient_of_their_folder(tmp_path, array, ct):
    root = tmp_path / "x"
    scan(root / "mueller" / "ct", array, "M1")
    write_volume(ct, root / "mueller" / "old.nrrd")
    scan(root / "two" / "a", array, "T1")
    scan(root / "two" / "b", array, "T2")
    write_volume(ct, root / "loose.nrrd")
    catalog = read(tmp_path, root)
    assert {entry.name: entry.patient for entry in catalog} == {
        "mueller/ct": "M1", "mueller/old": "M1", "two/a": "T1", "two/b": "T2", "loose": "loose",
    }  # fmt: skip
    assert any("two" in note and "2 patients" in note for note in catalog.notes)
    assert "1 of 5" in patient_notes(catalog)[0] and "loose" in patient_notes(catalog)[0]


def test_one_id_in_several_folders_is_one_patient_and_said(tmp_path, array):
    for n in range(2):
        scan(tmp_path / "x" / f"study{n}", array, "M1")
    catalog = read(tmp_path, tmp_path / "x")
    assert catalog.patients == ("M1",) and "study0, study1" in catalog.notes[0]


def test_unknown_patients_are_said(tmp_path):
    (tmp_path / "x" / "images").mkdir(parents=True)
    for name in "abc":
        Image.new("L", (4, 4)).save(tmp_path / "x" / "images" / f"{name}.png")
    assert read(tmp_path, tmp_path / "x").remarks() == [PATIENTS_UNKNOWN]
    (tmp_path / "x" / "t.csv").write_text("image,patient\na.png,a\nb.png,b\n")
    assert read(tmp_path, tmp_path / "x" / "t.csv").remarks() == []


def test_a_bids_set(tmp_path, ct):
    root = tmp_path / "bids"
    names = [f"sub-{s}/ses-{n}/anat/sub-{s}_ses-{n}_T1w.nii.gz" for s in ("01", "02") for n in (1, 2)]
    maps = ["sub-01/ses-1/anat/sub-01_ses-1_dseg.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_space-T1w_mask.nii.gz"]
    derived = ["derivatives/fmriprep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "sourcedata/sub-01/raw.nii.gz"]
    for name in (*names, *maps, *derived):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_volume(Volume(ct.array[:4, :4, :4]), root / name)
    (root / "dataset_description.json").write_text("{}")
    catalog = read(tmp_path, root)
    assert [str(entry.image.relative_to(root)) for entry in catalog] == names
    assert catalog.patients == ("sub-01", "sub-02") and sources(catalog) == {"BIDS": 4}
    assert catalog.left_out["label map"] == 2 and catalog.left_out["BIDS derivative or source"] == 2
    assert read(tmp_path, root / "sub-01").patients == ("sub-01",)


@pytest.mark.parametrize(("name", "subject"), [("sub-01/x.nii", "sub-01"), ("x/sub-A1_T1w.nii.gz", "sub-A1"), ("sub-/x.nii", ""), ("subject-1/x.nii", ""), ("sub-01.nii", "")])  # fmt: skip
def test_subjects_of_bids_names(tmp_path, name, subject):
    assert subject_of(tmp_path / name) == subject


@pytest.mark.skipif(os.name == "nt", reason="links and bytes of names as POSIX has them")
def test_what_is_broken_is_listed_and_does_not_stop(tmp_path, ct):
    root = tmp_path / "x"
    write_volume(ct, _made(root / "p1" / "ct.nii.gz"))
    write_volume(ct, root / "p1" / "two\nlines.nii.gz")
    (root / "p1" / "gone.nii.gz").symlink_to(root / "nowhere.nii.gz")
    (root / "p1" / "circle").symlink_to(root)
    (root / "p2").mkdir()
    (root / "p2" / "text.dcm").write_text("no DICOM")
    (root / "p2" / "half.dcm").write_bytes(b"\0" * 128 + b"DICM\x02\0\0\0UL\x04\0")
    (root / "p2" / "notes.txt").write_text("x")
    odd = os.fsencode(root / "p2") + b"/caf\xe9.nii.gz"
    with open(odd, "wb") as file:
        file.write(b"x")
    catalog = read(tmp_path, root)
    assert [entry.name for entry in catalog] == ["p1/ct", "p1/two\nlines"]
    named = {path.name for path, _ in catalog.bad}
    assert {"gone.nii.gz", "text.dcm"} <= named and any("caf" in name for name in named)
    assert catalog.left_out["file of another kind"] == 1 and all(reason for _, reason in catalog.bad)
    "\n".join(catalog.remarks()).encode()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_named(tmp_path, ct):
    write_volume(ct, _made(tmp_path / "x" / "p1" / "ct.nii.gz"))
    write_volume(ct, _made(tmp_path / "x" / "p2" / "ct.nii.gz"))
    (tmp_path / "x" / "p2").chmod(0)
    try:
        catalog = read(tmp_path, tmp_path / "x")
    finally:
        (tmp_path / "x" / "p2").chmod(0o700)
    assert [entry.patient for entry in catalog] == ["p1"] and catalog.bad[0][0].name == "p2"


def test_linked_folders_are_read_once(tmp_path, ct):
    write_volume(ct, _made(tmp_path / "store" / "ct.nii.gz"))
    (tmp_path / "x").mkdir()
    for name in ("p1", "p2"):
        (tmp_path / "x" / name).symlink_to(tmp_path / "store")
    assert [entry.name for entry in read(tmp_path, tmp_path / "x")] == ["p1/ct"]


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("anonymous", ["", "ANON"])
def test_series_of_one_study_without_an_id_are_of_one_patient(tmp_path, array, flat, anonymous):
    root = tmp_path / "x"
    for n, study in enumerate((*[f"{LONG}.1"] * 2, *[f"{LONG}.2"] * 2)):
        folder = root / "export" if flat else root / f"SE{n}"
        scan(
            folder / f"s{n}" if flat else folder, array + n, anonymous, StudyInstanceUID=study, PatientName="Anonymous"
        )
    if flat:  # all slices in one folder
        for n, file in enumerate(sorted(root.rglob("*.dcm"))):
            file.rename(root / f"{n}.dcm")
    catalog = read(tmp_path, root)
    assert len(catalog) == 4 and len(catalog.patients) == 2
    assert sources(catalog) == {"study or PatientName": 4} and any("study" in note for note in catalog.remarks())
    split = split_by_patient(catalog, 0.5, 0, 1)
    assert not set(split.training.patients) & set(split.validation.patients)


@pytest.mark.parametrize("names", [("Doe^Jane", "DOE^JANE"), ("Müller^Ute^^Dr", "Müller^Ute^^Dr")])
def test_a_name_joins_studies_without_an_id_and_is_never_shown(tmp_path, array, names):
    root = tmp_path / "x"
    for n, name in enumerate((*names, "Roe^Rick")):
        scan(
            root / f"CASE{n}", array + n, StudyInstanceUID=f"1.{n}", PatientName=name, SpecificCharacterSet="ISO_IR 192"
        )
    catalog = read(tmp_path, root)
    assert [entry.patient for entry in catalog] == ["CASE0", "CASE0", "CASE2"]
    assert not any("doe" in said.lower() for said in (*catalog.remarks(), *map(str, catalog)))


def test_an_id_passes_to_the_images_of_its_study_and_ids_are_never_joined(tmp_path, array):
    root = tmp_path / "x"
    for n, patient in enumerate(("A", "", "B", "C")):
        scan(root / f"CASE{n}", array + n, patient, StudyInstanceUID=f"{LONG}.{n // 2}", PatientName="Doe^Jane")
    assert [entry.patient for entry in read(tmp_path, root)] == ["A", "A", "B", "C"]


@pytest.mark.parametrize("above", ["visit{}", "Visit_0{}", "ses-{}", "timepoint {}", "site{}", "fold_{}"])
@pytest.mark.parametrize("inside", ["pat{}.nrrd", "pat{}/ct.nrrd"])
def test_folders_of_visits_and_sites_are_no_patients(tmp_path, array, above, inside):
    root = tmp_path / "x"
    for n in range(6):
        path = root / above.format(n % 2) / inside.format(n // 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(Volume(array + n), path)
    catalog = read(tmp_path, root)
    assert catalog.patients == ("pat0", "pat1", "pat2")
    split = split_by_patient(catalog, 0.3, 0, 1)
    assert not set(split.training.patients) & set(split.validation.patients)


@pytest.mark.parametrize(
    "tags", [{"StudyInstanceUID": "1.2.3"}, {"PatientName": "Test^Case"}, {"PatientName": "Anonymous^Patient"}]
)
def test_what_a_tool_writes_for_everybody_joins_nobody(tmp_path, array, tags):
    for n in range(3):
        scan(tmp_path / "x" / f"p{n}", array + n, "anon", **tags)
    assert read(tmp_path, tmp_path / "x").patients == ("p0", "p1", "p2")


@pytest.mark.parametrize("folders", [("NORMAL", "PNEUMONIA"), ("T0", "T1")])
def test_folders_that_hold_many_images_may_be_no_patients(tmp_path, folders):
    for name in folders:
        (tmp_path / "set" / name).mkdir(parents=True)
        for n in range(6):
            (tmp_path / "set" / name / f"s{n}.png").write_bytes(b"only listed")
    (remark,) = read(tmp_path, tmp_path / "set").remarks()
    assert f"({', '.join(folders)})" in remark and "6 images each" in remark
