"""A training set in any storage and spacing: the same crops, one spacing made once, a stated rule for anisotropic sets."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.core.geometry import CANONICAL, Geometry, parse_spacing
from medssl.core.schema import build
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.entry import Entry
from medssl.datasets.geometry import (
    in_spacing,
    median_spacing,
    mixed_orientations,
    mixed_spacings,
    reader_notes,
    remarks,
    training_geometry,
)
from medssl.images.formats.reading import write_volume
from medssl.images.geometry import reorient
from medssl.images.geometry_config import AS_STORED, STORED, GeometryConfig, TaskGeometryConfig, geometry_rule
from medssl.images.resampling import resample, resample_labels
from medssl.images.volume import Volume

ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("LR", "PA", "SI")) for letters in itertools.product(*order)
]


def anatomy(shape=(20, 18, 12), spacing=(0.8, 1.0, 2.5)) -> tuple[Volume, Volume]:
    rng = np.random.default_rng(0)
    array = rng.integers(-1000, 1000, shape).astype(np.int16)
    labels = np.zeros(shape, np.uint8)
    labels[3:11, 4:9, 2:8], labels[12:17, 10:16, 5:11] = 1, 4
    image = Volume(array, np.array(spacing), np.array([3.0, -4.0, 5.0]))
    return image, replace(image, array=labels)


def stored(folder: Path, orientation: str, **about) -> Entry:
    image, labels = (reorient(one, orientation) for one in anatomy(**about))
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(image, folder / f"{orientation}.nrrd")
    write_volume(labels, folder / f"{orientation}-labels.nrrd")
    return Entry(
        folder / f"{orientation}.nrrd", orientation, name=orientation, mask=folder / f"{orientation}-labels.nrrd"
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_cache_holds_the_same_whatever_the_storage(tmp_path, orientation):
    image, labels = anatomy()
    cache, entry = VolumeCache(tmp_path / "cache"), stored(tmp_path, orientation)
    found = cache.add(entry)
    mask = cache.add_mask(entry, found)
    whole = (0, 0, 0), image.shape
    np.testing.assert_array_equal(found.crop(*whole), image.array)
    np.testing.assert_array_equal(mask.crop(*whole), labels.array)
    np.testing.assert_array_equal(found.sparse_crop(*whole), image.array[::4, ::4])
    assert found.spacing == pytest.approx((0.8, 1.0, 2.5)) and found.orientation == orientation and found.tilt < 1e-6
    assert mask.values == (0, 1, 4)
    places = mask.places()
    assert (labels.array[tuple(places[:, 1:].T)] == places[:, 0]).all()


def test_jobs_of_earlier_versions_see_files_as_they_are_stored(tmp_path):
    entry = stored(tmp_path, "RAS")
    cache = VolumeCache(tmp_path / "cache", STORED)
    np.testing.assert_array_equal(cache.add(entry).crop((0, 0, 0), (20, 18, 12)), reorient(anatomy()[0], "RAS").array)
    assert cache.add(entry).path != VolumeCache(tmp_path / "cache").add(entry).path
    assert geometry_rule(GeometryConfig(spacing="1 1 1"), 1) == AS_STORED
    assert geometry_rule(TaskGeometryConfig(), 2) == TaskGeometryConfig()
    assert training_geometry([cache.add(entry)], AS_STORED) == Geometry()


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.7, 2.0, 3.0)])
def test_a_resampled_entry_is_the_whole_volume_resampled_and_made_once(tmp_path, spacing, interpolation, monkeypatch):
    image, labels = anatomy()
    cache, entry = VolumeCache(tmp_path / "cache"), stored(tmp_path, "SAR")
    native = cache.add(entry)
    mask = cache.add_mask(entry, native)
    geometry = Geometry(CANONICAL, spacing, interpolation)
    found, found_mask = (in_spacing([one], geometry, cache)[0] for one in (native, mask))
    wanted = resample(image, spacing, interpolation)
    assert found.shape == found_mask.shape == wanted.shape and found.spacing == pytest.approx(tuple(wanted.spacing))
    np.testing.assert_array_equal(found.crop((0, 0, 0), found.shape), wanted.array)
    np.testing.assert_array_equal(found_mask.crop((0, 0, 0), found.shape), resample_labels(labels.array, wanted.shape))
    assert set(found_mask.values) <= set(mask.values) and found.statistics is native.statistics
    part = tuple(n // 3 for n in found.shape)
    np.testing.assert_array_equal(
        found.crop((1, 2, 1), part), wanted.array[tuple(slice(a, a + n) for a, n in zip((1, 2, 1), part))]
    )
    before = sorted(path.name for path in cache.folder.iterdir())
    monkeypatch.setattr(cache, "_write_resampled", lambda *_: pytest.fail("made again"))
    assert cache.resampled(native, geometry).path == found.path
    assert sorted(path.name for path in cache.folder.iterdir()) == before


def test_what_has_the_spacing_already_is_no_further_entry(tmp_path):
    cache, entry = VolumeCache(tmp_path / "cache"), stored(tmp_path, "LPS")
    native = cache.add(entry)
    assert cache.resampled(native, Geometry(CANONICAL, (0.8, 1.0, 2.5))) is native
    assert cache.resampled(native, Geometry(CANONICAL)) is native


def test_slabs_of_a_single_patient_follow_the_resampling(tmp_path):
    cache, entry = VolumeCache(tmp_path / "cache"), stored(tmp_path, "LPS")
    train, last = (cache.add(replace(entry, slices=slices)) for slices in ((0, 6), (8, 12)))
    finer = Geometry(CANONICAL, (0.8, 1.0, 1.25))
    assert cache.resampled(train, finer).slices == (0, 12) and cache.resampled(last, finer).slices == (16, 24)


def made(spacing=(1.0, 1.0, 1.0), shape=(64, 64, 64), notes=(), name="v") -> CachedVolume:
    return CachedVolume(Path("none"), tuple(shape), tuple(spacing), "MR", None, name, notes=tuple(notes), tilt=3.0)


@pytest.mark.parametrize(
    ("spacings", "shape", "wanted"),
    [
        ([(1, 1, 1)] * 5, (64, 64, 64), (1, 1, 1)),
        ([(1, 1, 1), (1, 1, 1), (2, 2, 2)], (64, 64, 64), (1, 1, 1)),
        ([(0.5, 0.5, s) for s in (3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6)], (512, 512, 40), (0.5, 0.5, 5)),
        ([(0.5, 0.5, s) for s in (1, 2, 5, 5, 5, 5, 6)], (512, 512, 40), (0.5, 0.5, 1.6)),
        (
            [(0.5, 0.5, s) for s in (1, 2, 5, 5, 5, 5, 6)],
            (64, 64, 40),
            (0.5, 0.5, 5),
        ),  # not fewer voxels: no thick slices
        ([(4, 0.9, 0.9)] * 3 + [(0.2, 0.9, 0.9)], (20, 300, 300), (1.34, 0.9, 0.9)),
    ],
)
def test_the_spacing_of_a_set(spacings, shape, wanted):
    found = median_spacing(np.array(spacings, float), np.array([shape] * len(spacings)))
    assert found == pytest.approx(wanted)


def test_what_a_model_records_and_what_is_noted():
    images = [made(), made((1, 1, 1.2)), made((1, 1, 3))]
    geometry = training_geometry(images, TaskGeometryConfig())
    assert geometry == Geometry(CANONICAL, (1, 1, 1.2), "cubic", (1, 1, 1), (1, 1, 3), 3.0)
    assert training_geometry(images, GeometryConfig()).spacing == ()
    assert training_geometry(images, GeometryConfig("1 1 2", "linear")).spacing == (1, 1, 2)
    assert training_geometry([made(shape=(64, 64))], TaskGeometryConfig()) == Geometry()
    (note,) = mixed_spacings(images, geometry)
    assert "3 times" in note and "resampled to 1 x 1 x 1.2 mm" in note
    assert "not resampled" in mixed_spacings(images, Geometry(CANONICAL))[0]
    assert mixed_spacings([made(), made((1, 1, 1.4))], geometry) == []


def test_mixed_orientations_are_counted():
    images = [replace(made(), orientation=orientation) for orientation in ("RAS", "LPS", "RAS", "")]
    assert mixed_orientations(images, Geometry(CANONICAL)) == [
        "Volumes are stored in 2 orientations (2 RAS, 1 LPS): all are brought to LPS"
    ]
    assert "mixes anatomy up" in remarks(images, Geometry())[0]
    assert mixed_orientations(images[::2], Geometry(CANONICAL)) == []


def test_notes_of_readers_are_counted_by_kind():
    noisy = [made(notes=[f"{n} voxels were not numbers"], name=f"v{n}") for n in range(3)]
    assert reader_notes([*noisy, made(notes=["Window ignored"], name="w"), made()]) == [
        "3 images, such as v0: 0 voxels were not numbers", "w: Window ignored",
    ]  # fmt: skip


def test_settings_that_cannot_be():
    with refused("spacing-malformed", names=["'thin'"]):
        GeometryConfig("thin")
    for config in (GeometryConfig, TaskGeometryConfig):
        with refused("spacing-malformed", names=["'fit'"]):
            config("fit")  # offered where whole volumes are looked at
    with refused("spacing-without-orientation"):
        TaskGeometryConfig("median", orientation=STORED)


@pytest.mark.parametrize("written", ["1 1 3", "1,1,3", [1, 1, 3], (1.0, 1, 3)])
def test_a_spacing_may_be_written_as_people_do(written):
    assert parse_spacing(build(TaskGeometryConfig, {"spacing": written}).spacing) == (1, 1, 3)
    assert parse_spacing(build(TaskGeometryConfig, {"spacing": 1.5}).spacing) == (1.5,) * 3
    for wrong in (True, None, {"x": 1}, [], [1, "a"]):
        with refused("setting-type", names=["spacing"]):
            build(TaskGeometryConfig, {"spacing": wrong})
