"""Nodules planted in phantoms: drawn by seed, where they should lie, and the way from candidates to FROC in small."""

from __future__ import annotations

import argparse
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from medssl.core.tables import write_table
from medssl.examples.planted_nodules import EDGE, LungScan, Nodule, draw_candidates, draw_nodules, find_lungs, plant
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "experiments" / "planted_nodules.py"
SHAPE, SPACING = (96, 80, 56), np.array([2.5, 2.5, 3.0])


def chest(seed: int) -> Volume:
    """A body of soft tissue with two lungs, a few vessels through each, and noise."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    body = x**2 + y**2 < 0.85
    lungs = ((np.abs(x) - 0.42) ** 2 * 9 + y**2 * 3 + z**2 * 1.2 < 0.8) & body
    vessels = np.zeros(SHAPE, bool)
    for _ in range(30):
        a, b = rng.uniform(-0.8, 0.8, 2)
        vessels |= (x - a - 0.2 * z) ** 2 + (y - b) ** 2 < 0.0015
    hu = np.where(lungs, np.where(vessels, 30.0, -850.0), np.where(body, 40.0, -1000.0)) + rng.normal(0, 12, SHAPE)
    return Volume(hu.astype(np.int16), SPACING, np.array([-100.0, 20.0, -300.0]), modality="CT", name=f"chest{seed}")


@pytest.fixture(scope="module")
def scan() -> LungScan:
    return find_lungs(chest(0))


def test_draws_are_a_function_of_the_seed_and_lie_where_they_should(scan):
    one, same, other = (draw_nodules(scan, 6, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert len(one) == 6 and [n.centre.tolist() for n in one] == [n.centre.tolist() for n in same]
    assert one[0].centre.tolist() != other[0].centre.tolist()
    every = [n for seed in range(6) for n in draw_nodules(scan, 6, np.random.default_rng(seed))]
    assert {n.attached for n in every} == {True, False} and all(2.0 <= n.radius <= 6.0 for n in every)
    for nodule in every:
        index = np.linalg.solve(
            scan.volume.direction * scan.volume.spacing * scan.steps, nodule.centre - scan.volume.origin
        )
        depth = scan.depth[tuple(np.rint(index).astype(int))]
        assert (depth < nodule.radius + 1.5) if nodule.attached else (depth >= nodule.axes.max() + 1.5)
    for a, b in ((a, b) for a in one for b in one if a is not b):
        assert np.linalg.norm(a.centre - b.centre) >= a.radius + b.radius + 10


def test_planting_changes_the_nodules_place_alone_by_the_nodules_volume():
    lungs = Volume(
        np.full((40, 36, 20), -900, np.int16), np.array([0.7, 0.8, 2.5]), np.array([3.0, 4, 5]), modality="CT"
    )
    empty = LungScan(lungs, np.ones(3, int), lungs.array < 0, lungs.array > 0, np.full(lungs.shape, 99.0))
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    nodule = Nodule(lungs.origin + np.array([14.0, 15, 24]), np.array([4.0, 5, 6]), turn, 40.0, False)
    planted = plant(empty, [nodule], np.random.default_rng(0))
    gained = (planted.array.astype(float) + 900) / 940
    volume = gained.sum() * lungs.spacing.prod()
    assert volume == pytest.approx(4 / 3 * np.pi * 4 * 5 * 6, rel=3 * (EDGE / 5) ** 2 * np.pi**2 / 3 + 0.02)
    index = np.stack(np.meshgrid(*map(np.arange, lungs.shape), indexing="ij"), -1) * lungs.spacing - [14, 15, 24]
    rho = np.linalg.norm(index @ turn / nodule.axes, axis=-1)
    assert (planted.array[rho < 0.6] > 0).all() and (planted.array[rho > 2] == -900).all()


def test_true_candidates_hit_and_false_ones_do_not(scan):
    nodules = draw_nodules(scan, 6, np.random.default_rng(3))
    rows = draw_candidates(scan, nodules, np.random.default_rng(4), hits=2, on_vessels=8, elsewhere=5)
    places = np.array([[row[name] for name in "xyz"] for row in rows])
    far = np.array([[np.linalg.norm(place - n.centre) - n.radius for n in nodules] for place in places]).min(axis=1)
    labels = np.array([row["Nodule"] for row in rows])
    assert labels.tolist() == [1] * 12 + [0] * 13 and (far[labels == 1] < 0).all() and (far[labels == 0] > 5).all()


def test_the_whole_way_in_small(tmp_path: Path, capsys: pytest.CaptureFixture):
    """One of the script's folds: two scans are tested by networks that saw two others."""
    script = runpy.run_path(str(SCRIPT))
    asked = argparse.Namespace(
        output=tmp_path,
        nodules=3,
        copies=1,
        seed=0,
        folds=2,
        steps=2,
        pretrain=2,
        crop=16,
        cube=16,
        width=4,
        device="cpu",
    )
    scans = []
    for number in range(4):
        write_volume(chest(number), tmp_path / f"{number}.nrrd")
        scans.append(script["make_scan"](tmp_path / f"{number}.nrrd", number, asked))
    write_table([row for scan in scans[::2] for row in scan["nodules"]], tmp_path / "nodules.csv")
    script["measure"](script["run_fold"](scans, 0, asked), tmp_path)
    said = capsys.readouterr().out
    for arm in script["ARMS"]:
        found = json.loads((tmp_path / arm / "evaluation.json").read_text())
        assert f"{arm}: {found['verdict']}" in said and (tmp_path / arm / "report.html").is_file()
        assert [row["scan"] for row in found["rows"]] == ["scan-0-0.nrrd", "scan-2-0.nrrd"]
        assert found["nodules"] == found["found"] == 6 and found["repeated"] == 6 and found["false_positives"] > 40
