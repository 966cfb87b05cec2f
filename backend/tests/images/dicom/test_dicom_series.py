"""A folder as it comes from a PACS or a CD, sorted into series."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom, write_enhanced, write_series
from refusals import refused

from medssl.images.formats.dicom_series import find_series
from medssl.images.formats.reading import read_volume

STORAGE = "1.2.840.10008.5.1.4.1.1."
HEIGHTS = [0.0, 2.5, 5.0, 7.5, 10.0, 12.5]
NO_IMAGES = {
    "localiser": dict(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImagePositionPatient=[0, 0, 0]),
    "secondary capture": dict(SOPClassUID=f"{STORAGE}7"),
    "structured report": dict(SOPClassUID=f"{STORAGE}88.33", Modality="SR"),
    "RTSTRUCT": dict(SOPClassUID=f"{STORAGE}481.3", Modality="RTSTRUCT"),
    "RTPLAN": dict(SOPClassUID=f"{STORAGE}481.5", Modality="RTPLAN"),
    "RTDOSE": dict(SOPClassUID=f"{STORAGE}481.2", Modality="RTDOSE"),
    "DICOMDIR": dict(SOPClassUID="1.2.840.10008.1.3.10"),
    "presentation state": dict(SOPClassUID=f"{STORAGE}11.1", Modality="PR"),
    "key object selection": dict(SOPClassUID=f"{STORAGE}88.59", Modality="KO"),
    "DICOM SEG": dict(SOPClassUID=f"{STORAGE}66.4", Modality="SEG"),
}


@pytest.fixture
def hu(rng) -> np.ndarray:
    return rng.integers(-1000, 1000, (7, 5, 6)).astype(np.int16)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_left_out_and_counted(tmp_path, hu, kind):
    folder = write_series(tmp_path / "s", hu, HEIGHTS)
    for n in range(2):
        write_dicom(folder / f"odd{n}", hu[..., 0], **{"SeriesInstanceUID": "1.9", **NO_IMAGES[kind]})
    found = find_series(files(folder))
    assert [len(series.files) for series in found.series] == [6] and found.bad == ()
    assert found.left_out == {kind: 2}
    volume = read_volume(folder)
    assert np.array_equal(volume.array, hu)
    assert any(f"2 x {kind}" in note for note in volume.notes)


@pytest.mark.parametrize("words", ["Localizer", "AX LOCALISER", "3-plane loc", "Scout 512", "Topogram 0.6", "Surview"])
def test_scouts_are_known_by_their_description_too(tmp_path, hu, words):
    write_series(tmp_path / "scout", hu, HEIGHTS, SeriesDescription=words)
    write_series(tmp_path / "ct", hu, HEIGHTS, SeriesDescription="Thorax 1.0 B70f, no allocation")
    found = find_series(files(tmp_path))
    assert [series.description for series in found.series] == ["Thorax 1.0 B70f, no allocation"]
    assert found.left_out == {"localiser": 6}


def test_only_what_is_no_image(tmp_path, hu):
    folder = tmp_path / "s"
    folder.mkdir()
    path = write_dicom(folder / "a", hu[..., 0], **NO_IMAGES["RTSTRUCT"])
    for place in (folder, path):
        with refused("no-dicom", names="RTSTRUCT"):
            read_volume(place)


def test_one_series_in_several_folders_is_one_volume(tmp_path, hu):
    write_series(tmp_path / "a", hu, HEIGHTS, SeriesInstanceUID="1.5")
    (tmp_path / "b" / "c" / "d").mkdir(parents=True)
    for n, path in enumerate(files(tmp_path / "a")):
        if n % 2:
            shutil.move(path, tmp_path / "b" / "c" / "d" / f"IM{n}")
    found = find_series(files(tmp_path))
    assert [len(series.files) for series in found.series] == [6]
    assert np.array_equal(read_volume(tmp_path).array, hu)
    assert np.array_equal(read_volume(tmp_path / "a", files=found.series[0].files).array, hu)


def test_series_of_a_tree_with_patients_and_descriptions(tmp_path, hu):
    for n in range(3):
        write_series(tmp_path / f"{n}" / "x", hu, HEIGHTS, PatientID=f"patient {n}", SeriesDescription=f"d{n}", StudyInstanceUID=f"1.{n}")  # fmt: skip
    series = find_series(files(tmp_path)).series
    assert [(s.patient, s.description, s.study, s.modality, s.part) for s in series] == [
        (f"patient {n}", f"d{n}", f"1.{n}", "CT", "") for n in range(3)
    ]


def test_one_uid_of_two_patients_stays_apart(tmp_path, hu):
    for n in range(2):
        write_series(tmp_path / f"{n}", hu, HEIGHTS, PatientID=f"patient {n}", SeriesInstanceUID="1.2")
    assert [series.patient for series in find_series(files(tmp_path)).series] == ["patient 0", "patient 1"]


def test_series_of_one_description_in_one_folder_are_told_apart_by_a_file(tmp_path, hu):
    for n in range(2):
        write_series(tmp_path / f"{n}", hu + n, HEIGHTS, SeriesDescription="T1")
        for file in (tmp_path / f"{n}").iterdir():
            file.rename(tmp_path / f"{n}-{file.name}")
    first = [f"with {tmp_path.name}/{series.files[0].name}" for series in find_series(files(tmp_path)).series]
    with refused("series-mixed", names=first):
        read_volume(tmp_path)


@pytest.mark.parametrize("empty", [{0}, {1, 2}, {5}])
def test_slices_whose_patient_id_was_emptied_stay_in_their_series(tmp_path, hu, empty):
    for n, z in enumerate(HEIGHTS):
        patient = "" if n in empty else "A"
        write_series(tmp_path / f"{n}", hu[..., n : n + 1], [z], PatientID=patient, SeriesInstanceUID="1.2")
    (series,) = find_series(files(tmp_path)).series
    assert series.patient == "A" and len(series.files) == len(HEIGHTS)


def test_copies_are_left_out_but_not_other_pixels_under_the_same_uid(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, HEIGHTS)
    shutil.copytree(folder, folder / "again")
    found = find_series(files(folder))
    assert [len(series.files) for series in found.series] == [6]
    assert found.left_out == {"copy of another file": 6}
    other = write_series(tmp_path / "o", hu, HEIGHTS, SOPInstanceUID="1.2.3")  # as sloppy writers do
    assert [len(series.files) for series in find_series(files(other)).series] == [6]


@pytest.mark.parametrize("modality", ["CR", "DX", "RF", "OT", "MG", "XA", ""])
def test_each_radiograph_is_a_series_of_one_file(tmp_path, modality):
    for n in range(3):
        write_dicom(
            tmp_path / f"{n}", np.full((8, 8), n, np.uint16), modality="DX", Modality=modality, InstanceNumber=n
        )
    series = find_series(files(tmp_path)).series
    assert [len(one.files) for one in series] == [1, 1, 1]
    assert len({one.part for one in series}) == 3
    assert read_volume(series[1].files[0], files=series[1].files).array.max() == 1


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("AcquisitionNumber", [1, 2, 3]),
        ("TemporalPositionIdentifier", [1, 2]),
        ("EchoTime", [2.1, 4.4]),
        ("DiffusionBValue", [0.0, 500.0, 1000.0]),
        ("AcquisitionTime", ["101500.0", "101620.5"]),
        ("ContentTime", ["101500", "101620"]),
        ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]),
        ("TriggerTime", [0.0, 40.0, 80.0]),
        ("ConvolutionKernel", ["B30f", "B70f"]),
    ],
)
def test_phases_are_split_by_what_tells_them_apart(tmp_path, hu, tag, values):
    for n, value in enumerate(values):
        write_series(tmp_path / f"{n}", hu + n, HEIGHTS, SeriesInstanceUID="1.5", **{tag: value})
    series = find_series(files(tmp_path)).series
    assert len(series) == len(values)
    for n, one in enumerate(sorted(series, key=lambda one: str(one.files[0].parent))):
        assert one.part.startswith(tag) and one.uid == "1.5"
        assert np.array_equal(read_volume(tmp_path, files=one.files).array, hu + n)
    with refused("series-mixed", names=[tag, f"mixes {len(values)} series", "(6 images)"]):
        read_volume(tmp_path)


def test_two_tags_together(tmp_path, hu):
    """Two echoes of two repetitions: neither tag alone tells them apart."""
    for echo in (1.5, 3.0):
        for time in (1, 2):
            write_series(tmp_path / f"{echo}-{time}", hu, HEIGHTS, SeriesInstanceUID="1.5", EchoTime=echo, TemporalPositionIdentifier=time)  # fmt: skip
    parts = [series.part for series in find_series(files(tmp_path)).series]
    assert len(set(parts)) == 4 and all("EchoTime" in part and "TemporalPositionIdentifier" in part for part in parts)


def test_times_of_each_slice_split_by_turn(tmp_path, hu):
    """Every image has a time of its own: the first image of each place is the first phase."""
    for phase in range(2):
        folder = tmp_path / f"{phase}"
        folder.mkdir()
        for k, z in enumerate(HEIGHTS):
            write_dicom(folder / f"{k}", (hu[..., k] + 2000 + phase).astype(np.uint16), SeriesInstanceUID="1.5",
                ImagePositionPatient=[0, 0, z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1],
                AcquisitionTime=f"10{phase}{k}00", ContentTime=f"10{phase}{k}01", InstanceNumber=1 + k + 6 * phase)  # fmt: skip
    series = find_series(files(tmp_path)).series
    assert [one.part for one in series] == ["image 1 of 2 at each place", "image 2 of 2 at each place"]
    for phase, one in enumerate(series):
        assert np.array_equal(read_volume(tmp_path, files=one.files).array, hu + 2000 + phase)


def test_steps_of_the_table_stay_together(tmp_path, hu):
    """Acquisition numbers and times that differ from slice to slice are no phases where no place repeats."""
    folder = tmp_path / "s"
    folder.mkdir()
    for k, z in enumerate(HEIGHTS):
        write_dicom(folder / f"{k}", (hu[..., k] + 1024).astype(np.uint16), ImagePositionPatient=[0, 0, z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[1, 1], AcquisitionNumber=k, AcquisitionTime=f"1010{k:02}", RescaleIntercept=-1024, RescaleSlope=1)  # fmt: skip
    assert np.array_equal(read_volume(folder).array, hu)


def test_bad_files_are_named_and_do_not_stop_the_rest(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, HEIGHTS)
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "noise.dcm").write_bytes(bytes(range(256)))
    (folder / "cut.dcm").write_bytes((files(folder)[0]).read_bytes()[:300])
    write_dicom(
        folder / "colour.dcm", hu[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", SeriesInstanceUID="1.7"
    )
    write_dicom(folder / "odd.dcm", hu[..., 0], SeriesInstanceUID="1.8", ImagePositionPatient=[1, 2])
    found = find_series([*files(folder), folder / "not there.dcm"])
    assert [len(series.files) for series in found.series] == [6]
    reasons = {path.name: reason for path, reason in found.bad}
    assert "RGB" in reasons["colour.dcm"] and "ImagePositionPatient" in reasons["odd.dcm"]
    assert {"empty.dcm", "noise.dcm", "not there.dcm"} <= set(reasons)


def test_phases_and_stacks_of_one_enhanced_file(tmp_path, hu):
    frames = [{"position": [0, 0, z], "time": time, "stack": "1"} for time in (1, 2) for z in HEIGHTS[:3]]
    path = write_enhanced(tmp_path / "e.dcm", (hu + 2000).astype(np.uint16), frames)
    series = find_series([path]).series
    assert [one.part for one in series] == ["TemporalPositionIndex 1", "TemporalPositionIndex 2"]
    assert all(one.files == (path,) for one in series)
    with refused("series-mixed", names="TemporalPositionIndex 2"):
        read_volume(path)
    assert np.array_equal(read_volume(path, part="TemporalPositionIndex 2").array, hu[..., 3:] + 2000)
    frames = [{"position": [0, 0, z], "stack": str(1 + n // 3)} for n, z in enumerate([*HEIGHTS[:3], 50.0, 52.5, 55.0])]
    path = write_enhanced(tmp_path / "stacks.dcm", (hu + 2000).astype(np.uint16), frames)
    assert [one.part for one in find_series([path]).series] == ["StackID 1", "StackID 2"]


def test_a_mosaic_is_refused(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu, HEIGHTS, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert len(find_series(files(folder)).bad) == 6
    with refused("mosaic", names="mosaic"):
        read_volume(files(folder)[0])
