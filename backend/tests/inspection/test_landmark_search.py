"""Landmark retrieval: errors by hand, pairs of different patients, landmarks from outlines of the lungs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from medssl.datasets.entry import Entry
from medssl.inspection.anatomy.landmark_search import Frame, Query, errors_of, make_queries, same_coordinates
from medssl.inspection.anatomy.landmarks import model_names
from medssl.inspection.anatomy.lung_landmarks import landmarks_of_masks


def test_errors_in_mm_and_percent_by_hand():
    queries = [Query(0, 1, "apex")]
    known = {0: {"apex": (10.0, 20.0)}, 1: {"apex": (30.0, 60.0)}}
    frames = {
        0: Frame((100, 100), (1.0, 1.0), (10, 10), (0, 0, 100, 100)),
        1: Frame((200, 400), (0.5, 0.25), (20, 40), (0, 0, 200, 400)),
    }
    places = np.array([[36.0, 76.0]])
    found = errors_of(places, queries, known, frames, "mm")
    assert (found.error[0], found.cells[0], found.limit[0]) == pytest.approx((5.0, 0.5, 0.3 * 200 * 0.5))
    found = errors_of(places, queries, known, frames, "percent")
    assert (found.error[0], found.limit[0]) == pytest.approx((np.hypot(6, 16) / 2, 30))
    assert same_coordinates(queries, known, frames)[0] == pytest.approx([20.5, 81.5])


def test_pairs_are_of_different_patients():
    known = {n: {"apex": (1.0, 1.0)} for n in range(4)} | {4: {"other": (1.0, 1.0)}}
    queries = make_queries(known, ["a", "a", "b", "c", "d"])
    assert {(q.source, q.target) for q in queries} == {
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 0),
        (3, 0),
        (2, 1),
        (3, 1),
        (2, 3),
        (3, 2),
    }
    chosen = make_queries(known, ["a", "a", "b", "c", "d"], pairs=4, seed=2)
    assert len(chosen) == 4 and set(chosen) < set(queries)


def test_models_are_named_shortly_where_that_is_clear():
    assert model_names(["/a/x.safetensors", "job-1", "y.pt"]) == ["x", "job-1", "y"]
    assert model_names(["/a/x.pt", "/b/x.pt"]) == ["a", "b"]
    runs = [f"/runs/anatomy-{seed}/results/model.safetensors" for seed in range(3)]
    assert model_names([*runs, "job-1"]) == ["anatomy-0", "anatomy-1", "anatomy-2", "job-1"]
    mixed = ["/a/x.pt", "/b/a/x.pt", "/c/x.pt"]
    assert model_names(mixed) == mixed  # no single part tells all of them apart


def test_masks_become_landmarks(tmp_path):
    entries = [Entry(tmp_path / f"{n}.png", f"p{n}", name=str(n)) for n in range(6)]
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 10:25] = mask[12:42, 50:70] = 255
    Image.fromarray(mask).save(folder / "0.png")
    Image.fromarray(np.zeros_like(mask) + (mask > 300)).save(folder / "1.png")
    rows, notes = landmarks_of_masks(entries, folder)
    assert {row["image"] for row in rows} == {str(entries[0].image)} and len(rows) == 6
    assert len(notes) == 5 and any("0 lungs" in note for note in notes)
    with refused("lung-masks-missing", names="masks"):
        landmarks_of_masks([replace(entries[2])], folder)
