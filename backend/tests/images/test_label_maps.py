from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from labelled import labels_of, volume, write_pair
from PIL import Image
from PIL.Image import Resampling
from refusals import refused

from medssl.datasets.cache.label_positions import MOST, draw_place, find_places
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.segmentation_crops import SegmentationDataset
from medssl.datasets.crops.slices import SliceDataset
from medssl.images.formats.reading import write_volume
from medssl.images.geometry import Turn, turned
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.label_maps import read_label_map
from medssl.images.segment_classes import read_classes
from medssl.images.volume import Volume


@pytest.fixture
def image() -> Volume:
    return volume()


def written(tmp_path, labels: Volume, name="labels.nrrd"):
    write_volume(labels, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_label_map_on_its_image(tmp_path, image, suffix):
    path = written(tmp_path, image.with_array(labels_of(image)), f"labels{suffix}")
    read = read_label_map(path, image)
    assert read.array.dtype == np.uint8 and np.array_equal(read.array, labels_of(image))
    assert read.modality == "LABEL"


def test_values_above_a_byte_and_whole_floats(tmp_path, image):
    labels = labels_of(image).astype(np.float32) * 300
    read = read_label_map(written(tmp_path, image.with_array(labels)), image)
    assert read.array.dtype == np.int16 and np.array_equal(read.array, labels)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("spacing", {"spacing": (0.7, 0.8, 2.502)}),
        ("origin", {"origin": (-10, 20, 30.1)}),
        ("direction", {"direction": np.eye(3)}),
    ],
)
def test_other_geometry_is_refused_by_name(tmp_path, image, what, change):
    path = written(tmp_path, replace(image.with_array(labels_of(image)), **change))
    with refused("grid-mismatch", names=f"with the {what}") as caught:
        read_label_map(path, image)
    assert "Resample" in caught.value.remedy


def test_other_size_is_refused(tmp_path, image):
    path = written(tmp_path, image.with_array(labels_of(image)).crop(((0, 40), (0, 36), (0, 27))))
    with refused("grid-mismatch", names=["size 40 x 36 x 27", "40 x 36 x 28"]):
        read_label_map(path, image)


def test_geometry_rounded_by_a_file_format_is_accepted(tmp_path, image):
    moved = replace(image.with_array(labels_of(image)), origin=image.origin + 0.002, spacing=image.spacing * 1.0001)
    assert read_label_map(written(tmp_path, moved), image).spacing.tolist() == image.spacing.tolist()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda a: a * np.float32(0.5), "not-a-label-map"),
        (lambda a: -a.astype(np.int16), "label-value-out-of-range"),
        (lambda a: a.astype(np.int32) * 10000, "label-value-out-of-range"),
    ],
)
def test_what_is_no_label_map(tmp_path, image, change, code):
    path = written(tmp_path, image.with_array(change(labels_of(image))))
    with refused(code):
        read_label_map(path, image)


def test_pictures(tmp_path):
    like = Volume(np.zeros((30, 20), np.uint8))
    drawn = np.zeros((20, 30), np.uint8)
    drawn[3:9, 4:7] = 2
    picture = Image.fromarray(drawn)
    palette = picture.convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.point(lambda v: 255 * (v > 0)).convert("1").save(tmp_path / "binary.png")
    for name, found in (("grey.png", picture), ("palette.png", palette)):
        found.save(tmp_path / name)
        assert np.array_equal(read_label_map(tmp_path / name, like).array, drawn.T), name
    assert np.unique(read_label_map(tmp_path / "binary.png", like).array).tolist() == [0, 255]
    picture.resize((15, 10), Resampling.NEAREST).save(tmp_path / "half.png")
    with refused("grid-mismatch", names="size 15 x 10"):
        read_label_map(tmp_path / "half.png", like)
    picture.save(tmp_path / "blurred.jpg")
    with refused("label-map-jpeg"):
        read_label_map(tmp_path / "blurred.jpg", like)


def test_cached_label_map_knows_its_values_and_is_padded_with_background(tmp_path, image):
    cache = VolumeCache(tmp_path / "cache")
    full = np.full(image.shape, 3, np.uint8)
    entry = write_pair(tmp_path, "a", image, full)
    picture = cache.add(entry)
    mask = cache.add_mask(entry, picture)
    assert (mask.values, mask.modality, mask.shape, mask.name) == ((3,), "LABEL", picture.shape, "a")
    crop = mask.crop((30, 30, 20), (16, 16, 16))
    assert (crop[:10, :6, :8] == 3).all() and crop.sum() == 3 * 10 * 6 * 8


def test_a_corrected_label_map_is_read_anew(tmp_path, image):
    cache = VolumeCache(tmp_path / "cache")
    entry = write_pair(tmp_path, "a", image, labels_of(image))
    before = cache.add_mask(entry, cache.add(entry))
    corrected = write_pair(tmp_path, "a", image, labels_of(image) // 5 * 7)
    after = cache.add_mask(corrected, cache.add(corrected))
    assert before.values == (0, 2, 5) and after.values == (0, 7)
    stamp = after.path.stat().st_mtime_ns
    assert cache.add_mask(corrected, cache.add(corrected)).path.stat().st_mtime_ns == stamp


def test_a_label_map_without_labels_is_one_of_an_image_that_shows_nothing(tmp_path, image):
    cache = VolumeCache(tmp_path / "cache")
    entry = write_pair(tmp_path, "a", image, np.zeros(image.shape, np.uint8))
    picture = cache.add(entry)
    mask = cache.add_mask(entry, picture)
    assert mask.values == (0,) and mask.places().shape == (0, 4)
    pair, rule = ((picture,), (mask,), read_classes("2=Spot")), NormalisationConfig()
    assert not SegmentationDataset(*pair, (8, 8, 8), rule, 1.0, seed=0)[3]["mask"].any()
    assert not SliceDataset(*pair, (8, 8), rule, 1.0, seed=0)[3]["mask"].any()


def test_no_label_map_and_views_are_refused(tmp_path, image):
    cache = VolumeCache(tmp_path / "cache")
    entry = write_pair(tmp_path, "a", image, labels_of(image))
    with refused("label-map-missing", names="image a"):
        cache.add_mask(replace(entry, mask=None), cache.add(entry))
    sliced = replace(entry, view="k:3")
    with refused("label-map-of-a-view", names="view 'k:3'"):
        cache.add_mask(sliced, cache.add(sliced))


def test_places_lie_in_their_class_and_classes_are_drawn_alike():
    labels = np.zeros((50, 40, 30), np.int16)
    labels[10:40, 10:30, 5:25], labels[45, 3, 7] = 4, 300
    places = find_places(labels)
    assert (labels[tuple(places[:, 1:].T)] == places[:, 0]).all()
    assert np.unique(places[:, 0], return_counts=True)[1].tolist() == [MOST, 1]
    rng = np.random.default_rng(0)
    drawn = [labels[draw_place(places, rng)] for _ in range(400)]
    assert 150 < drawn.count(300) < 250


def test_a_single_slice_is_turned_where_that_lays_it_on_the_image(tmp_path, image):
    flat = image.crop(((0, 40), (0, 36), (22, 23)))
    truth = labels_of(image)[..., 22:23]
    assert truth.any() and not np.array_equal(truth, truth[::-1])
    other = turned(flat.with_array(truth), Turn((0, 1, 2), (True, False, False)))
    assert np.array_equal(read_label_map(written(tmp_path, other), flat).array[..., None], truth)
    unplaced = Volume(truth)  # says nothing of the image's place: only its size counts
    assert np.array_equal(read_label_map(written(tmp_path, unplaced), flat).array[..., None], truth)
