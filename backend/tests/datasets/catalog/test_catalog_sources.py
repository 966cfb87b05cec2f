from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicom_files import write_dicom, write_series
from PIL import Image
from refusals import refused

from medssl.core.errors import NotFoundError
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.cache.filling import fill
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.entry import attributes
from medssl.images.formats.reading import write_volume

P7 = "P7"  # the PatientID that `write_dicom` gives


@pytest.fixture
def folder(tmp_path, ct):
    root = tmp_path / "Bilder für alle"
    for name in ("p1/ct.nii.gz", "p1/mask.nii.gz", "p2/day 1/ct.nii.gz", "p3.nrrd"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_volume(ct, root / name)
    write_series(root / "p4" / "series", ct.array[:7, :5, :5], [1, 2, 3, 4, 5])
    (root / ".hidden").mkdir()
    write_volume(ct, root / ".hidden" / "x.nrrd")
    (root / "notes.txt").write_text("x")
    return root


def read(tmp_path, **spec):
    return read_catalog(DataSpec(**spec), tmp_path / "home")


def test_folder_takes_every_image(folder, tmp_path):
    catalog = read(tmp_path, path=str(folder), modality="CT", patient_ids="plain")
    assert [(e.name, e.patient) for e in catalog] == [
        ("p1/ct", "p1"), ("p2/day 1/ct", "p2"), ("p3", "p3"), ("p4/series", P7),
    ]  # fmt: skip
    assert catalog.patients == ("P7", "p1", "p2", "p3")
    assert all(e.modality == "CT" for e in catalog)


def test_label_maps_are_left_out_unless_asked_for(folder, tmp_path):
    assert "p1/mask" not in [e.name for e in read(tmp_path, path=str(folder))]
    assert [e.name for e in read(tmp_path, path=str(folder), pattern="*/mask*")] == ["p1/mask"]


def test_a_folder_called_images_is_no_patient(tmp_path):
    for name in ("images/a.png", "images/b.png", "labels/a.png", "p7/images/c.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"only listed")
    assert [e.patient for e in read(tmp_path, path=str(tmp_path / "set"))] == ["a", "b", "p7"]


def test_single_files_of_one_name_are_patients_apart(folder, tmp_path):
    refs = tuple(VolumeRef(path=str(folder / name)) for name in ("p1/ct.nii.gz", "p2/day 1/ct.nii.gz"))
    assert len(read(tmp_path, volumes=refs).patients) == 2


def test_pattern(folder, tmp_path):
    assert [e.name for e in read(tmp_path, path=str(folder), pattern="*/ct.nii.gz")] == ["p1/ct"]
    assert [e.patient for e in read(tmp_path, path=str(folder), pattern="*/series", patient_ids="plain")] == [P7]
    with refused("no-images", names="'*.mha'"):
        read(tmp_path, path=str(folder), pattern="*.mha")
    with refused("not-a-pattern", names="'/etc/*'"):
        read(tmp_path, path=str(folder), pattern="/etc/*")


def test_the_folder_itself_may_be_a_series(folder, tmp_path):
    (entry,) = read(tmp_path, path=str(folder / "p4" / "series"), patient_ids="plain")
    assert (entry.image, entry.patient, entry.name) == (folder / "p4" / "series", P7, "series")
    assert len(entry.files) == 5


def test_dicom_radiographs_are_an_image_each(tmp_path):
    root = tmp_path / "x"
    root.mkdir()
    for name in ("a.dcm", "b.dcm"):
        write_dicom(root / name, np.zeros((4, 4), np.uint16), modality="DX")
    Image.new("L", (4, 4)).save(root / "c.png")
    found = read(tmp_path, path=str(root), patient_ids="plain")
    assert sorted((e.name, e.patient) for e in found) == [("a", P7), ("b", P7), ("c", "c")]


def test_empty_and_missing_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with refused("no-images", names="empty"):
        read(tmp_path, path=str(tmp_path / "empty"))
    with refused("file-not-found", names="absent"):
        read(tmp_path, path=str(tmp_path / "absent"))


def table(folder, text, encoding="utf-8"):
    path = folder / "list.csv"
    path.write_text(text, encoding=encoding)
    return str(path)


def test_csv_columns(folder, tmp_path):
    text = "image,patient,split,nodule,age,sex\np1/ct.nii.gz,A,train,1,63,F\np3.nrrd,B,val,0,,M\n"
    catalog = read(tmp_path, path=table(folder, text, "utf-8-sig"))
    first, second = catalog
    assert (first.image, first.patient, first.split, first.name) == (folder / "p1/ct.nii.gz", "A", "training", "ct")
    assert first.labels == {"nodule": 1, "age": 63} and first.attributes == {"sex": "F"}
    assert second.split == "validation" and np.isnan(second.labels["age"])


def test_csv_may_leave_out_the_folder_images(folder, tmp_path, ct):
    (folder / "images").mkdir()
    for name in ("p3.nrrd", "p5.nrrd"):
        write_volume(ct, folder / "images" / name)
    catalog = read(tmp_path, path=table(folder, "image,patient\np3.nrrd,A\np5.nrrd,B\n"))
    assert [entry.image for entry in catalog] == [folder / "p3.nrrd", folder / "images" / "p5.nrrd"]


@pytest.mark.parametrize(
    ("text", "code", "names"),
    [
        ("image\np3.nrrd\n", "column-missing", "'patient'"),
        ("image,patient\ngone.nrrd,A\nabsent.nrrd,B\n", "file-not-found", "line 2: gone.nrrd"),
        ("image,patient,mask\np3.nrrd,A,\np5.nrrd,B,absent.nrrd\n", "file-not-found", "line 3: absent.nrrd"),
        ("image,patient\np3.nrrd,\n", "patient-missing", "line 2"),
        ("image,patient\np3.nrrd,A,3\n", "wrong-number-of-fields", "line 2"),
        ("image,patient\np3.nrrd\n", "wrong-number-of-fields", "line 2"),
        ("image,patient\np3.nrrd,A\np3.nrrd,B\n", "image-repeated", ["line 3", "line 2"]),
        ("image,patient,split\np3.nrrd,A,later\n", "split-unknown", "line 2: split 'later'"),
        ("image,patient,Inverted\np3.nrrd,A,maybe\n", "inverted-not-boolean", "line 2: inverted 'maybe'"),
        ("image,patient,Edema,Edema\np3.nrrd,A,1,0\n", "column-repeated", "'Edema'"),
        ("image,patient\n", "no-images", ""),
        ("", "column-missing", ""),
    ],
)
def test_csv_errors_name_the_line(folder, tmp_path, text, code, names):
    with refused(code, names) as caught:
        read(tmp_path, path=table(folder, text))
    assert caught.value.remedy


@pytest.mark.parametrize("column", ["image", "mask"])
def test_one_missing_file_of_a_table_is_left_to_the_reading_which_goes_on(folder, tmp_path, ct, column):
    names = {"image": ["p3.nrrd", "p5.nrrd"], "mask": ["m3.nrrd", "m5.nrrd"]}
    for name in names["mask"]:
        write_volume(replace(ct, array=(ct.array > 0).astype(np.uint8)), folder / name)
    names[column][1] = "gone\\absent.nrrd"
    rows = [",".join([names["image"][n], f"P{n}", names["mask"][n]]) for n in range(2)]
    catalog = read(tmp_path, path=table(folder, "\n".join(["image,patient,mask", *rows])))
    sound, broken = catalog
    assert getattr(sound, column).exists() and getattr(broken, column) == folder / "gone" / "absent.nrrd"
    filled = fill(VolumeCache(tmp_path / "cache"), catalog, lambda _: None, masks=column == "mask")
    assert [one.entry for one in filled.skipped] == [broken]


@pytest.mark.parametrize("word", ["NA", "N/A", "nan", "NULL", "None", "-", "?"])
def test_words_for_no_number_are_unknown_where_the_others_are_numbers(folder, tmp_path, word):
    text = f"image,patient,edema,sex\np3.nrrd,A,1,{word}\np5.nrrd,B,{word},{word}\n"
    first, second = read(tmp_path, path=table(folder, text))
    assert first.labels == {"edema": 1} and np.isnan(second.labels["edema"])
    assert first.attributes == {"sex": word}


def test_a_file_that_is_no_table(folder, tmp_path):
    (folder / "bad.csv").write_bytes(b"image,patient\n\x00\x01")
    with refused("not-a-csv-table", names="bad.csv"):
        read(tmp_path, path=str(folder / "bad.csv"))


def test_volumes_by_path_and_upload(folder, tmp_path, ct):
    sha = "ab" * 32
    upload = tmp_path / "home" / "volumes" / f"{sha}.nrrd"
    upload.parent.mkdir(parents=True)
    write_volume(ct, upload)
    refs = (VolumeRef(path=str(folder / "p3.nrrd")), VolumeRef(sha256=sha, name="CTChest", modality="CT", patient="Ä"))
    first, second = read(tmp_path, volumes=refs)
    assert (first.image, first.patient) == (folder / "p3.nrrd", "p3")
    assert (second.image, second.patient, second.modality, second.name) == (upload, "Ä", "CT", "CTChest")


def test_volumes_that_are_not_there(tmp_path):
    with pytest.raises(NotFoundError):
        read(tmp_path, volumes=(VolumeRef(sha256="cd" * 32),))
    with pytest.raises(NotFoundError):
        read(tmp_path, volumes=(VolumeRef(path=str(tmp_path / "x.nrrd")),))
    with refused("not-a-sha256", names="../../etc/passwd"):
        read(tmp_path, volumes=(VolumeRef(sha256="../../etc/passwd"),))


@pytest.mark.parametrize("again", ["../here/p3.nrrd", "./p3.nrrd", "{root}/p3.nrrd"])
def test_an_image_is_listed_once_however_it_is_spelt(tmp_path, ct, again):
    root = tmp_path / "here"
    root.mkdir()
    write_volume(ct, root / "p3.nrrd")
    (root / "t.csv").write_text(f"image,patient\np3.nrrd,A\n{again.format(root=root)},B\n")
    with refused("image-repeated", names=["line 3", "line 2"]):
        read(tmp_path, path=str(root / "t.csv"))


def test_numbers_of_many_digits_are_told_apart(tmp_path):
    dates = ("20200100", "20200101", "20200102")
    (tmp_path / "t.csv").write_text(
        "image,patient,date\n" + "".join(f"{n}.nrrd,{n},{date}\n" for n, date in enumerate(dates))
    )
    for n in range(3):
        (tmp_path / f"{n}.nrrd").touch()
    catalog = read(tmp_path, path=str(tmp_path / "t.csv"), exclude=("date=20200101",))
    assert [attributes(entry)["date"] for entry in catalog] == ["20200100", "20200102"] and not catalog.remarks()
    catalog = read(tmp_path, path=str(tmp_path / "t.csv"), exclude=("Date=2020",))
    (remark,) = catalog.remarks()
    assert len(catalog) == 3 and "leaves out nothing" in remark and "20200101" in remark
