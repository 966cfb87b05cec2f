"""Trivial rivals of segmenters on volumes made so that it is known which of them wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from fakes import FakeRun
from task_sets import run, task_spec, write_table

from medssl.core.files import read_json
from medssl.core.protocol import DataSpec
from medssl.core.tables import read_table
from medssl.evaluation.metrics.segmentation_metrics import case_metrics
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import read_classes
from medssl.tasks.labelled_data import LabelledSplits, read_parts
from medssl.tasks.rivals import thumbnails
from medssl.tasks.rivals.crop_inset import CropInset
from medssl.tasks.rivals.label_look import overlaps
from medssl.tasks.rivals.mean_shape import between
from medssl.tasks.rivals.segmenters import RivalSegmentation, RivalSegmenters
from medssl.tasks.rivals.threshold import largest_part
from medssl.tasks.transfer_config import SelectionConfig

PARTS = ("train", "train", "train", "train", "train", "val", "test", "test")
SPACING = (1.0, 1.5, 2.0)
RULE = NormalisationConfig(kind="mr-fixed", fixed_low=0.0, fixed_high=200.0)


def write_volumes(folder: Path, maps: list[np.ndarray], contrast: float, clutter: bool = False) -> Path:
    """MR-like noise of which what is labelled is brighter by `contrast`; with clutter, small bright specks far away too."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n, (labels, split) in enumerate(zip(maps, PARTS)):
        image = np.random.default_rng(n).normal(60, 5, labels.shape) + contrast * (labels > 0)
        if clutter:
            image[1:3, 1:3, ::2] += contrast
        for name, array in (("image", image.astype(np.int16)), ("mask", labels.astype(np.uint8))):
            picture = sitk.GetImageFromArray(array.T)
            picture.SetSpacing(SPACING)
            sitk.WriteImage(picture, str(folder / f"{name}{n}.nrrd"))
        rows.append({"image": f"image{n}.nrrd", "patient": f"p{n}", "split": split, "modality": "MR",
                     "mask": f"mask{n}.nrrd"})  # fmt: skip
    return write_table(folder / "volumes.csv", rows)


def boxes(starts: list[tuple[int, int, int]], shape: tuple[int, int, int] = (24, 20, 16)) -> list[np.ndarray]:
    maps = []
    for i, j, k in starts:
        labels = np.zeros(shape, np.uint8)
        labels[i : i + 8, j : j + 7, k : k + 6] = 1
        maps.append(labels)
    return maps


def anywhere() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return boxes([tuple(rng.integers(3, 10, 3)) for _ in PARTS])


def fitted(tmp_path: Path, table: Path) -> tuple[RivalSegmenters, RivalSegmentation, LabelledSplits]:
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    parts = read_parts(DataSpec(path=str(table)), job, SelectionConfig(), 0)
    rivals = RivalSegmentation(read_classes("1=Target"), RULE, job)
    return rivals.fit(parts), rivals, parts


def scores(found: RivalSegmenters, rivals: RivalSegmentation, parts: LabelledSplits) -> dict[str, float]:
    (rows,) = rivals.measure([found], parts.test, "MR", 1.0, surfaces=False)
    return {name: float(np.mean([r["dice"] for r in cases if r["class"] == "mean"])) for name, cases in rows.items()}


def test_what_is_brighter_is_found_by_grey_values_and_not_by_its_place(tmp_path):
    found, rivals, parts = fitted(tmp_path, write_volumes(tmp_path / "set", anywhere(), contrast=80))
    dice = scores(found, rivals, parts)
    assert dice["threshold"] > 0.98 and dice["mean shape"] < 0.8 and found.crop_inset is None
    assert found.place_sentence(3) == ""


def test_only_the_largest_part_is_kept_where_that_helps_on_validation(tmp_path):
    found, rivals, parts = fitted(tmp_path, write_volumes(tmp_path / "set", anywhere(), contrast=80, clutter=True))
    assert found.threshold.largest == (1,) and scores(found, rivals, parts)["threshold"] > 0.98
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[3:5, 3:5] = True
    assert largest_part(mask).sum() == 4 and not largest_part(np.zeros((4, 4), bool)).any()


def test_what_always_lies_in_one_place_is_found_without_any_grey_value(tmp_path):
    maps = boxes([(8 + n % 2, 6, 5) for n in range(len(PARTS))])
    found, rivals, parts = fitted(tmp_path, write_volumes(tmp_path / "set", maps, contrast=0))
    dice = scores(found, rivals, parts)
    assert dice["mean shape"] > 0.85 and dice["threshold"] < 0.5


def test_a_crop_around_the_target_has_its_inset_as_a_rival(tmp_path):
    """The margin is 5 mm on every side, whatever the target's size; one crop ends where the scan did."""
    maps = []
    for n in range(len(PARTS)):
        size = np.array([8 + n, 6 + n % 3, 5 + n % 4])
        low = np.array([5, 3, 1 if n == 2 else 2])
        labels = np.zeros(tuple(size + low + [5, 3, 2]), np.uint8)
        labels[tuple(slice(a, a + s) for a, s in zip(low, size))] = 1
        maps.append(labels)
    found, rivals, parts = fitted(tmp_path, write_volumes(tmp_path / "set", maps, contrast=0))
    assert found.crop_inset is not None and not found.crop_inset.rounded
    assert found.crop_inset.margins == pytest.approx(np.array([[5, 5], [4.5, 4.5], [4, 4]]))
    assert scores(found, rivals, parts)["crop inset"] == 1.0
    assert found.place_sentence(3).endswith("with a margin of 4.5 mm: finding the place was not tested")


def test_the_inset_of_a_small_image_is_not_empty_and_its_ellipsoid_touches_the_sides():
    margins = np.full((3, 2), 5.0)
    assert CropInset(margins, 2).segment((4, 20, 20), np.ones(3)).max() == 2
    box, ball = (CropInset(margins, 1, rounded).segment((30, 30, 30), np.ones(3)) for rounded in (False, True))
    assert box.sum() == 20**3 and ball.sum() == pytest.approx(np.pi / 6 * 20**3, rel=0.02)
    assert ball[5].any() and not ball[4].any()


def test_slabs_change_nothing_and_overlaps_are_those_of_the_evaluation(tmp_path, monkeypatch):
    table = write_volumes(tmp_path / "set", anywhere(), contrast=40)
    whole, rivals, parts = fitted(tmp_path, table)
    greys = rivals._greys(parts.test.images[0], RULE)
    monkeypatch.setattr(thumbnails, "AT_ONCE", 24 * 20 * 3)
    again, others, _ = fitted(tmp_path / "again", table)
    assert (again.threshold.classes == whole.threshold.classes).all()
    assert (again.mean_shape.shares == whole.mean_shape.shares).all()
    assert (again.mean_shape.segment((24, 20, 16)) == whole.mean_shape.segment((24, 20, 16))).all()
    assert (others._greys(parts.test.images[0], RULE) == greys).all()
    truth = rivals._truth(parts.test, 0)
    numbers = whole.threshold.segment(greys)
    exact = case_metrics(numbers, truth, SPACING, ["Target"])[0]["dice"]
    assert overlaps(numbers, truth, 1)[0] == pytest.approx(exact)
    assert np.isnan(overlaps(np.zeros(4, np.uint8), np.zeros(4, np.uint8), 1)[0])


def test_interpolation_from_cells_keeps_what_is_constant():
    for length, cells in ((10, 4), (3, 5), (7, 1)):
        assert between(length, cells).sum(axis=1) == pytest.approx(np.ones(length))
    assert between(8, 4) @ np.arange(4.0) == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


def test_a_fine_tuned_segmenter_is_held_against_them(tmp_path):
    table = write_volumes(tmp_path / "set", anywhere(), contrast=80)
    _, job = run(task_spec("segmentation", table, classes="1=Target"), tmp_path)
    (verdict,) = job.of("verdict")
    assert read_json(job.folder / "results/evaluation.json")["verdict"]["text"] == verdict["text"]
    assert [row["rival"] for row in read_table(job.folder / "results/rivals.csv").rows] == ["threshold", "mean shape"]
    assert "2 patients, too few for an interval" in verdict["text"]
