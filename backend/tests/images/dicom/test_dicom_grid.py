"""Where the slices of a DICOM series lie: rounding, gaps, tilt, tags that are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import write_dicom, write_enhanced, write_series
from refusals import refused

from medssl.images.formats.reading import read_volume

AXIAL = [1, 0, 0, 0, 1, 0]


@pytest.fixture
def hu(rng) -> np.ndarray:
    return rng.integers(-1000, 1000, (7, 5, 40)).astype(np.int16)


def write_places(folder: Path, hu: np.ndarray, positions, orientation=AXIAL, **tags) -> Path:
    """Slice k at positions[k] (x, y, z), which may be texts as they stand in the file."""
    folder.mkdir()
    for k, position in enumerate(positions):
        place = dict(
            ImagePositionPatient=list(position), ImageOrientationPatient=list(orientation), PixelSpacing=[0.5, 0.75]
        )
        write_dicom(folder / f"{(k * 7) % 41:02}", (hu[..., k] + 1024).astype(np.uint16), RescaleSlope=1, RescaleIntercept=-1024, **{**place, **tags})  # fmt: skip
    return folder


@pytest.mark.parametrize("as_text", [True, False])  # numbers get a ".0" when they are written
@pytest.mark.parametrize(("spacing", "decimals"), [(0.7, 1), (1.25, 1), (0.625, 2), (2.5, 0), (3.3, 0), (0.33333, 3)])
def test_positions_rounded_in_the_file(tmp_path, hu, spacing, decimals, as_text):
    start = -123.456
    heights = [f"{start + spacing * k:.{decimals}f}" for k in range(40)]
    places = [(0, 0, height if as_text else float(height)) for height in heights]
    volume = read_volume(write_places(tmp_path / "s", hu, places))
    assert np.array_equal(volume.array, hu)
    assert volume.spacing[2] == pytest.approx(spacing, abs=10.0**-decimals / 39)


@pytest.mark.parametrize("spacing", [0.6, 1, 1.5, 2, 5])
@pytest.mark.parametrize("missing", [[3], [20], [10, 11], [5, 30]])
def test_missing_slices_are_refused_with_their_place_or_interpolated(tmp_path, hu, spacing, missing):
    kept = [k for k in range(40) if k not in missing]
    folder = write_places(tmp_path / "s", hu[..., kept], [(0, 0, spacing * k) for k in kept])
    before = [k - 1 for k in missing if k - 1 not in missing]
    with refused("slice-spacing-irregular", names=[f"{spacing * k:g} and" for k in before]):
        read_volume(folder)
    volume = read_volume(folder, gaps="resample")
    assert volume.shape == hu.shape and volume.spacing[2] == pytest.approx(spacing)
    assert np.array_equal(volume.array[..., kept], hu[..., kept])
    if len(missing) == 1:
        mean = (hu[..., missing[0] - 1].astype(float) + hu[..., missing[0] + 1]) / 2
        assert np.abs(volume.array[..., missing[0]] - mean).max() <= 0.5
    assert any(
        f"{len(missing)} missing slices" in note and f"{spacing * missing[0]:g}" in note for note in volume.notes
    )


def test_uneven_slices_are_refused_or_resampled(tmp_path, hu):
    heights = [*np.arange(20) * 2.0, *(38.0 + 5.0 * np.arange(1, 21))]
    ramp = np.broadcast_to(np.asarray(heights), hu.shape)  # the height itself: linear interpolation keeps it
    folder = write_places(tmp_path / "s", ramp.astype(np.int16), [(0, 0, z) for z in heights])
    with refused("slice-spacing-irregular"):
        read_volume(folder)
    volume = read_volume(folder, gaps="resample")
    expected = volume.origin[2] + volume.spacing[2] * np.arange(volume.shape[2])
    np.testing.assert_allclose(volume.array[0, 0], expected, atol=0.51)
    assert expected[-1] == pytest.approx(heights[-1])


@pytest.mark.parametrize("degrees", [-20, -6, 4, 15])
@pytest.mark.parametrize("axis", ["i", "j"])
def test_a_tilted_gantry_is_straightened(tmp_path, degrees, axis):
    """A ball, scanned by slices that slide along i or j, is a ball again at its place in the world."""
    i, j, k = np.mgrid[:40, :36, :24].astype(float)
    slide = np.tan(np.radians(degrees)) * 2.0  # mm for each slice of 2 mm
    shift = np.asarray([slide, 0, 0] if axis == "i" else [0, slide, 0])
    world = np.stack([i * 1.0, j * 1.0, k * 2.0]) + shift[:, None, None, None] * k
    centre = np.asarray([20.0, 18.0, 24.0]) + shift * 12
    ball = np.clip(12 - np.linalg.norm(world - centre[:, None, None, None], axis=0), -1, 1) * 500
    folder = tmp_path / "s"
    folder.mkdir()
    for n in range(24):
        write_dicom(folder / f"{n}", (ball[..., n] + 1024).astype(np.uint16), RescaleSlope=1, RescaleIntercept=-1024, PixelSpacing=[1, 1],
            ImagePositionPatient=[*(shift[:2] * n), 2.0 * n], ImageOrientationPatient=AXIAL)  # fmt: skip
    volume = read_volume(folder)
    assert any(f"tilted by {abs(degrees):.1f} degrees" in note for note in volume.notes)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij"))
    places = volume.origin[:, None, None, None] + np.tensordot(volume.direction * volume.spacing, grid, axes=1)
    expected = np.clip(12 - np.linalg.norm(places - centre[:, None, None, None], axis=0), -1, 1) * 500
    near = expected > -499  # the ball and its edge, whose step of 1000 the interpolation softens
    assert near.sum() > 3000 and np.abs(volume.array[near] - expected[near]).max() < 260
    assert np.abs(volume.array[near] - expected[near]).mean() < 10
    assert volume.array.min() >= -1024


def test_slices_moved_at_random_are_refused(tmp_path, hu, rng):
    places = [(*rng.uniform(-5, 5, 2), 2.0 * k) for k in range(40)]
    with refused("slice-positions-irregular"):
        read_volume(write_places(tmp_path / "s", hu, places))


def test_two_slices_far_beside_each_other_are_no_tilt(tmp_path, hu):
    with refused("slice-positions-irregular"):
        read_volume(write_places(tmp_path / "s", hu, [(0, 0, 0), (30, 0, 5)]))


def test_a_tilt_with_a_missing_slice(tmp_path, hu):
    """A volume that is constant along i, tilted along i: nothing but the fill may change."""
    plain = np.repeat(hu[:1], 7, axis=0)
    kept = [k for k in range(20) if k != 8]
    folder = write_places(tmp_path / "s", plain[..., kept], [(0.25 * k, 0, 2.0 * k) for k in kept])
    volume = read_volume(folder, gaps="resample")
    assert volume.shape == (14, 5, 20) and len(volume.notes) == 2
    for k in kept:
        first = int(np.ceil(0.25 * k / 0.75))  # pixels of 0.75 mm along i
        assert (volume.array[first : first + 6, :, k] == plain[0, :, k]).all()


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("where", ["everywhere", "in one"])
def test_absent_and_empty_tags_are_named(tmp_path, hu, tag, value, where):
    folder = write_places(tmp_path / "s", hu[..., :6], [(0, 0, 2.0 * k) for k in range(6)])
    for path in sorted(folder.iterdir())[: None if where == "everywhere" else 1]:
        image = pydicom.dcmread(path)
        if value is None:
            del image[tag]
        else:
            setattr(image, tag, value)
        image.save_as(path)
    with refused("tag-missing", names=tag):
        read_volume(folder)


@pytest.mark.parametrize(
    "tag", ["Rows", "Columns", "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation", "PixelData"]
)
def test_absent_tags_of_pixels_are_named(tmp_path, hu, tag):
    path = write_places(tmp_path / "s", hu[..., :1], [(0, 0, 0)]) / "00"
    image = pydicom.dcmread(path)
    del image[tag]
    image.save_as(path)
    with refused("tag-missing", names=tag):
        read_volume(path)


def test_axes_beside_a_right_angle_are_turned_with_a_note(tmp_path, hu):
    folder = write_places(tmp_path / "s", hu[..., :3], [(0, 0, k) for k in range(3)], [1, 0, 0, 0.02, 0.9998, 0])
    volume = read_volume(folder)
    np.testing.assert_allclose(volume.direction.T @ volume.direction, np.eye(3), atol=1e-12)
    assert any("ImageOrientationPatient" in note for note in volume.notes)


def test_rows_absent_in_one_slice(tmp_path, hu):
    folder = write_places(tmp_path / "s", hu[..., :6], [(0, 0, 2.0 * k) for k in range(6)])
    path = sorted(folder.iterdir())[0]
    image = pydicom.dcmread(path)
    del image.Rows
    image.save_as(path)
    assert any("Rows" in note for note in read_volume(folder).notes)  # an end slice, which no gap tells


def test_axes_that_are_none(tmp_path, hu):
    folder = write_places(tmp_path / "s", hu[..., :3], [(0, 0, k) for k in range(3)], [1, 0, 0, 1, 0, 0])
    with refused("orientation-invalid", names="ImageOrientationPatient"):
        read_volume(folder)


def _turn(rng) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q if np.linalg.det(q) > 0 else -q


@pytest.mark.parametrize("seed", range(8))
def test_any_orientation_reads_as_gdcm_reads_it(tmp_path, hu, seed):
    rng = np.random.default_rng(seed)
    turn, start = _turn(rng), rng.uniform(-200, 200, 3)
    if seed < 3:  # the plain ones: axial, coronal, sagittal
        turn = np.roll(np.eye(3), seed, axis=1)
    places = [np.round(start + turn[:, 2] * 2.5 * k, 4) for k in range(40)]
    axes = np.round(np.concatenate([turn[:, 0], turn[:, 1]]), 6)
    folder = write_places(tmp_path / "s", hu, places, axes)
    volume = read_volume(folder)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(names)
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image).T)
    np.testing.assert_allclose(volume.spacing, image.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(volume.direction.ravel(), image.GetDirection(), atol=1e-4)


def test_rescale_of_each_slice(tmp_path, hu):
    """PET: every slice has a slope of its own."""
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(5):
        write_dicom(folder / f"{k}", (hu[..., k] + 1024).astype(np.uint16), Modality="PT", RescaleSlope=0.5 + k, RescaleIntercept=0,
            ImagePositionPatient=[0, 0, k], ImageOrientationPatient=AXIAL, PixelSpacing=[1, 1])  # fmt: skip
    volume = read_volume(folder)
    np.testing.assert_allclose(volume.array, (hu[..., :5] + 1024.0) * (0.5 + np.arange(5)), rtol=1e-6)


@pytest.mark.parametrize(("tags", "noted"), [({}, False), ({"RescaleIntercept": 0}, True), ({"RescaleIntercept": None, "RescaleSlope": None}, True),
    ({"RescaleIntercept": 0, "Modality": "MR"}, False)])  # fmt: skip
def test_a_ct_that_is_hardly_in_hounsfield_units_is_noted(tmp_path, hu, tags, noted):
    volume = read_volume(write_series(tmp_path / "s", hu, [float(k) for k in range(hu.shape[2])], **tags))
    assert any("Hounsfield" in note for note in volume.notes) == noted


@pytest.mark.parametrize(("kind", "padding"), [(np.uint16, 63536), (np.int16, -2000), (np.uint16, 0)])
def test_padding_becomes_air(tmp_path, hu, kind, padding):
    stored = np.clip(hu[..., :4].astype(int) + 1024, 0, None).astype(kind)
    stored[:2] = np.asarray(padding, np.int64).astype(kind)
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(4):
        write_dicom(folder / f"{k}", stored[..., k], PixelPaddingValue=padding, RescaleSlope=1, RescaleIntercept=-1024, ImagePositionPatient=[0, 0, k],
            ImageOrientationPatient=AXIAL, PixelSpacing=[1, 1])  # fmt: skip
    volume = read_volume(folder)
    assert np.array_equal(volume.array[2:], hu[2:, :, :4])
    assert -1024 <= volume.array[:2].min() == volume.array[:2].max() <= volume.array[2:].min() + 24
    assert any("40 voxels of padding" in note for note in volume.notes)


def test_padding_of_mr_becomes_zero(tmp_path, hu):
    stored = np.abs(hu[..., :3])
    stored[0] = -32768
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(3):
        write_dicom(folder / f"{k}", stored[..., k], Modality="MR", PixelPaddingValue=-32768, ImagePositionPatient=[0, 0, k], ImageOrientationPatient=AXIAL, PixelSpacing=[1, 1])  # fmt: skip
    assert (read_volume(folder).array[0] == 0).all()


def test_enhanced_frames_in_any_order_with_values_of_their_own(tmp_path, hu, rng):
    order = rng.permutation(40)
    frames = [{"position": [-5, 3, 2.5 * k], "slope": 1 + k % 3, "intercept": -1024 + k} for k in order]
    stored = (hu[..., order] + 1024).astype(np.uint16)
    volume = read_volume(write_enhanced(tmp_path / "e.dcm", stored, frames))
    slope, intercept = 1 + np.arange(40) % 3, -1024 + np.arange(40)
    np.testing.assert_array_equal(volume.array, (hu + 1024) * slope + intercept)
    np.testing.assert_allclose(volume.spacing, (0.6, 0.9, 2.5))
    np.testing.assert_allclose(volume.origin, (-5, 3, 0))


def test_enhanced_file_reads_as_gdcm_reads_it(tmp_path, hu):
    turn = _turn(np.random.default_rng(3))
    axes = [float(a) for a in np.round(np.concatenate([turn[:, 0], turn[:, 1]]), 6)]
    frames = [
        {"position": [float(x) for x in np.round(turn[:, 2] * 2.5 * k, 4)], "orientation": axes} for k in range(40)
    ]
    path = write_enhanced(tmp_path / "e.dcm", hu, frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")
    volume = read_volume(path)
    assert np.array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.direction[:, 2], turn[:, 2], atol=1e-5)


def test_frames_without_places(tmp_path, hu):
    frames = [{"position": [0, 0, 2.5 * k]} for k in range(3)]
    path = write_enhanced(tmp_path / "e.dcm", hu[..., :4], frames, modality="MR")
    image = pydicom.dcmread(path)
    image.NumberOfFrames = 4
    image.save_as(path)
    with refused("image-unreadable", names="PerFrameFunctionalGroupsSequence places 3 of 4"):
        read_volume(path)


def test_gaps_is_a_word_that_is_known(tmp_path, hu):
    folder = write_series(tmp_path / "s", hu[..., :3], [0.0, 1.0, 2.0])
    with refused("volume", names="'ignore'"):
        read_volume(folder, gaps="ignore")
