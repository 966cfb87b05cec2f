"""Segments and structures in files: layers, parts of a grid, overlaps, names, DICOM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled import volume
from refusals import refused
from segment_files import write_ct, write_layers, write_seg, write_structures

from medssl.images.formats.intake.memory import SETTING
from medssl.images.formats.reading import write_volume
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.images.formats.segments.names import common_segments, segments_in
from medssl.images.geometry import Turn, turned
from medssl.images.label_maps import read_label_map
from medssl.images.segment_classes import find_classes
from medssl.images.volume import Volume

ORDERS = [((1, 2, 0), (True, False, True)), ((2, 1, 0), (False, False, False)), ((0, 1, 2), (True, True, False))]


@pytest.fixture
def image() -> Volume:
    return volume((24, 20, 12))


def box(image: Volume, *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(image.shape, np.uint8)
    mask[tuple(slice(*r) for r in ranges)] = 1
    return mask


@pytest.fixture
def organs(image) -> dict[str, np.ndarray]:
    """Two organs, a lesion inside the first, an empty one."""
    return {
        "Liver": box(image, (2, 14), (3, 15), (2, 9)), "Spleen": box(image, (16, 22), (4, 9), (1, 5)),
        "Lesion": box(image, (5, 9), (6, 9), (4, 6)), "Nothing": np.zeros(image.shape, np.uint8),
    }  # fmt: skip


def later_wins(organs: dict[str, np.ndarray], values=(1, 2, 3, 4)) -> np.ndarray:
    labels = np.zeros(next(iter(organs.values())).shape, int)
    for value, mask in zip(values, organs.values()):
        labels[mask > 0] = value
    return labels


def in_layers(path: Path, image: Volume, organs, values, layers) -> Path:
    """Each organ with its value in its layer."""
    stack = [np.zeros(image.shape, np.uint8) for _ in range(max(layers) + 1)]
    for mask, value, layer in zip(organs.values(), values, layers):
        stack[layer][mask > 0] = value
    fields = [
        {"ID": f"S{n}", "Name": name, "LabelValue": str(value), "Layer": str(layer), "Color": "0.5 0 1"}
        for n, (name, value, layer) in enumerate(zip(organs, values, layers))
    ]
    return write_layers(path, image, stack, fields)


@pytest.mark.parametrize(
    ("values", "layers", "found"),
    [
        ((1, 2, 3, 4), (0, 0, 1, 0), (1, 2, 3, 4)),
        ((1, 1, 1, 1), (0, 1, 2, 3), (1, 2, 3, 4)),
        ((7, 30, 7, 9), (0, 0, 1, 1), (1, 2, 3, 4)),
        ((200, 30, 7, 9), (0, 1, 2, 0), (200, 30, 7, 9)),
    ],
)
def test_layers_become_one_label_map_in_which_the_later_segment_wins(tmp_path, image, organs, values, layers, found):
    path = in_layers(tmp_path / "a.seg.nrrd", image, organs, values, layers)
    read = read_label_map(path, image)
    assert np.array_equal(read.array, later_wins(organs, found))
    assert any("overlap" in note and "24 of Liver by Lesion" in note for note in read.notes)
    assert any("numbered" in note for note in read.notes) == (values != found)
    assert [(s.value, s.name, s.colour) for s in segments_in(path)] == [
        (v, n, "#8000ff") for v, n in zip(found, organs)
    ]


def test_older_files_have_a_layer_for_each_segment_and_no_values(tmp_path, image, organs):
    fields = [{"ID": name, "Name": name} for name in organs]
    read = read_label_map(write_layers(tmp_path / "a.nrrd", image, list(organs.values()), fields), image)
    assert np.array_equal(read.array, later_wins(organs))


def test_a_layer_that_is_not_there_is_refused(tmp_path, image, organs):
    fields = [{"Name": "a", "LabelValue": "1", "Layer": "0"}, {"Name": "b", "LabelValue": "1", "Layer": "5"}]
    with refused("image-unreadable", names="layer 5"):
        read_label_map(write_layers(tmp_path / "a.seg.nrrd", image, list(organs.values())[:2], fields), image)


def test_one_layer_keeps_its_values_and_what_we_write_is_read(tmp_path, image, organs):
    labels = image.with_array(later_wins(organs, (4, 9, 2, 1)).astype(np.uint8))
    segments = [{"value": v, "name": n, "colour": "#102030"} for v, n in zip((4, 9, 2), organs)]
    write_segmentation(labels, segments, tmp_path / "a.seg.nrrd")
    assert np.array_equal(read_label_map(tmp_path / "a.seg.nrrd", image).array, labels.array)
    assert segments_in(tmp_path / "a.seg.nrrd")[1].name == "Spleen"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("layered", [False, True])
def test_a_part_of_the_grid_is_put_in_its_place(tmp_path, image, organs, seed, layered):
    """Slicer writes the smallest box that holds the segments; other tools write a larger one, in another order of axes."""
    rng = np.random.default_rng(seed)
    labels = later_wins(organs)
    first, last = [(int(n.min()), int(n.max()) + 1) for n in np.nonzero(labels)], image.shape
    roi = [(int(rng.integers(0, a + 1)), int(rng.integers(b, n + 1))) for (a, b), n in zip(first, last)]
    part = image.with_array(labels.astype(np.uint8)).crop(roi)
    order, flipped = ORDERS[seed % len(ORDERS)]
    part = turned(part, Turn(order, flipped)) if seed else part
    cut = {n + 1: part.array == n + 1 for n in range(4)}
    layers = [sum(n * m for n, m in cut.items()).astype(np.uint8)]
    layers = [mask.astype(np.uint8) for mask in cut.values()] if layered else layers
    fields = [
        {"Name": name, "LabelValue": "1" if layered else str(n + 1), "Layer": str(n if layered else 0)}
        for n, name in enumerate(organs)
    ]
    rounded = replace(part, origin=np.round(part.origin, 3))
    read = read_label_map(write_layers(tmp_path / "a.seg.nrrd", rounded, layers, fields), image)
    assert np.array_equal(read.array, labels)


def test_a_larger_grid_is_cut_but_labels_outside_are_refused(tmp_path, image, organs):
    labels = later_wins(organs).astype(np.uint8)
    wide = image.with_array(labels)
    padded = replace(
        wide, array=np.pad(labels, 3), origin=image.origin - image.direction @ (3 * image.spacing)
    )  # fmt: skip
    fields = [{"Name": n, "LabelValue": str(v + 1), "Layer": "0"} for v, n in enumerate(organs)]
    path = write_layers(tmp_path / "a.seg.nrrd", padded, [padded.array], fields)
    assert np.array_equal(read_label_map(path, image).array, labels)
    padded.array[0, 0, 0] = 1
    with refused("labels-outside", names="1 of them"):
        read_label_map(write_layers(tmp_path / "b.seg.nrrd", padded, [padded.array], fields), image)


@pytest.mark.parametrize("change", [{"origin": (0.3, 0, 0)}, {"spacing": (1.1, 1, 1)}, {"spacing": (1, 1, 2)}])
def test_segments_between_the_voxels_of_the_image_are_refused(tmp_path, image, organs, change):
    moved = replace(
        image,
        origin=image.origin + np.array(change.get("origin", (0, 0, 0))),
        spacing=image.spacing * np.array(change.get("spacing", (1, 1, 1))),
    )
    fields = [{"Name": n, "LabelValue": str(v + 1), "Layer": "0"} for v, n in enumerate(organs)]
    path = write_layers(tmp_path / "a.seg.nrrd", moved, [later_wins(organs).astype(np.uint8)], fields)
    with refused("grid-mismatch", names="a.seg.nrrd"):
        read_label_map(path, image)


@pytest.mark.parametrize("order", [None, *ORDERS])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_dicom_segments_of_every_type_on_an_image_in_any_order(tmp_path, image, organs, kind, order):
    slices = write_ct(tmp_path / "ct", image)
    masks = np.stack(list(organs.values()), axis=-1).astype(float)
    if kind == "FRACTIONAL":
        masks = masks * 0.8 + 0.2 * np.random.default_rng(0).random(masks.shape)
    stored = later_wins(organs) if kind == "LABELMAP" else masks
    path = write_seg(tmp_path / "seg.dcm", slices, stored, list(organs), kind)
    like = image if order is None else turned(image, Turn(*order))
    truth = turned(image.with_array(later_wins(organs)), Turn(*order)).array if order else later_wins(organs)
    read = read_label_map(path, like)
    assert np.array_equal(read.array, truth)
    assert any("overlap" in note for note in read.notes) == (kind != "LABELMAP")
    assert [(s.value, s.name) for s in segments_in(path)] == list(enumerate(organs, start=1))


def test_a_folder_with_one_segmentation_is_that_segmentation(tmp_path, image, organs):
    (tmp_path / "seg").mkdir()
    masks = np.stack(list(organs.values()), axis=-1)
    write_seg(tmp_path / "seg" / "1", write_ct(tmp_path / "ct", image), masks, list(organs))
    assert np.array_equal(read_label_map(tmp_path / "seg", image).array, later_wins(organs))


def contours_of(image: Volume, slices, points: np.ndarray) -> list[np.ndarray]:
    """Polygons (n, 2) in voxels of i and j, on slices k, in the world."""
    found = []
    for k in slices:
        grid = np.column_stack([points, np.full(len(points), k)])
        found.append(image.origin + grid * image.spacing @ image.direction.T)
    return found


def square(low: float, high: float) -> np.ndarray:
    return np.array([(low, low), (high, low), (high, high), (low, high)])


@pytest.mark.parametrize("order", [None, *ORDERS])
def test_contours_are_filled_where_voxel_centres_lie_inside(tmp_path, image, order):
    """Squares, a hole, and a later structure over the first; the image in any order of axes."""
    ring = [*contours_of(image, range(2, 7), square(3.5, 12.5)), *contours_of(image, range(3, 5), square(6.5, 8.5))]
    path = write_structures(
        tmp_path / "rt.dcm", {"Ring": ring, "Core": contours_of(image, [3], square(10.5, 14.5)), "None": []}
    )
    truth = np.zeros(image.shape, int)
    truth[4:13, 4:13, 2:7] = 1
    truth[7:9, 7:9, 3:5] = 0
    truth[11:15, 11:15, 3] = 2
    like = turned(image, Turn(*order)) if order else image
    truth = turned(image.with_array(truth), Turn(*order)).array if order else truth
    read = read_label_map(path, like)
    assert np.array_equal(read.array, truth)
    assert any("4 of Ring by Core" in note for note in read.notes)
    assert [(s.value, s.name) for s in segments_in(path)] == [(1, "Ring"), (2, "Core"), (3, "None")]


def test_contours_on_every_second_slice_reach_the_nearest_and_are_noted(tmp_path, image):
    path = write_structures(tmp_path / "rt.dcm", {"A": contours_of(image, (2, 4, 6), square(3.5, 9.5))})
    read = read_label_map(path, image)
    filled = np.flatnonzero(read.array.any(axis=(0, 1)))
    assert filled.tolist() == [1, 2, 3, 4, 5, 6, 7] and any("2 slices apart" in note for note in read.notes)


def test_a_circle_has_its_area(tmp_path, image):
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.column_stack([11.3 + 7 * np.cos(angles), 9.6 + 7 * np.sin(angles)])
    read = read_label_map(write_structures(tmp_path / "rt.dcm", {"A": contours_of(image, [5], circle)}), image)
    assert read.array.sum() == pytest.approx(np.pi * 49, rel=0.03)


def test_numbers_of_structures_are_kept_but_for_a_zero(tmp_path, image):
    made = {name: contours_of(image, [n], square(1.5, 4.5)) for n, name in enumerate("ab")}
    assert np.unique(read_label_map(write_structures(tmp_path / "1.dcm", made, (12, 5)), image).array).tolist() == [
        0,
        5,
        12,
    ]
    read = read_label_map(write_structures(tmp_path / "2.dcm", made, (0, 5)), image)
    assert np.unique(read.array).tolist() == [0, 1, 2] and any("1 = a, 2 = b" in note for note in read.notes)


def test_contours_across_the_slices_and_of_another_image_are_refused(tmp_path, image):
    (flat,) = contours_of(image, [4], square(3.5, 9.5))
    tilted = flat + image.direction[:, 2] * np.array([[0], [4], [4], [0]])
    with refused("contours-oblique", names="rt.dcm"):
        read_label_map(write_structures(tmp_path / "rt.dcm", {"A": [tilted]}), image)
    with refused("grid-mismatch", names="far.dcm"):
        read_label_map(write_structures(tmp_path / "far.dcm", {"A": [flat + 500]}), image)
    with refused("contours-without-image"):
        read_label_map(tmp_path / "rt.dcm", Volume(np.zeros((4, 4))))


def test_names_of_files_become_those_of_classes_and_must_agree(tmp_path, image, organs):
    one = in_layers(tmp_path / "1.seg.nrrd", image, organs, (1, 2, 3, 4), (0, 0, 1, 0))
    other = in_layers(tmp_path / "2.seg.nrrd", image, dict(list(organs.items())[:2]), (1, 2), (0, 0))
    write_volume(image.with_array(organs["Liver"]), tmp_path / "3.nii.gz")
    named = common_segments([one, other, tmp_path / "3.nii.gz"])
    classes = find_classes([(0, 1, 2), (1, 9)], named)
    assert classes.names == ("Liver", "Spleen", "Segment_9") and classes.as_list()[0]["colour"] == "#8000ff"
    swapped = in_layers(tmp_path / "4.seg.nrrd", image, dict(list(organs.items())[1::-1]), (1, 2), (0, 0))
    with refused("label-names-differ", names=["value 1", "Liver", "Spleen", "4.seg.nrrd"]):
        common_segments([one, swapped])


def test_segments_that_need_more_than_memory_are_refused_by_name(tmp_path, monkeypatch):
    large, names = volume((96, 80, 40)), [f"organ {n}" for n in range(6)]
    masks = np.ones((*large.shape, len(names)), np.uint8)
    path = write_seg(tmp_path / "seg.dcm", write_ct(tmp_path / "ct", large), masks, names)
    assert path.stat().st_size < masks.nbytes / 4
    monkeypatch.setenv(SETTING, str(masks.nbytes / 2 / 2**30))
    with refused("more-than-memory", names=["seg.dcm", SETTING]):
        read_label_map(path, large)
