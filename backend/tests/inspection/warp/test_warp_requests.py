"""Requests that bend a radiograph onto another: files, facts, notes, refusals, and the command line."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from asking import ask
from PIL import Image
from radiograph_fakes import CELL, SIDE, RadiographContext, grid_of, radiograph, references, shifted
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.images.formats.reading import read_volume

POINTS = [
    {"x": x, "y": y, "target_x": x + 2 * CELL, "target_y": y + CELL} for x in (20, 60, 110) for y in (30, 70, 120)
]


def test_a_moved_radiograph_is_moved_back(tmp_path):
    image = radiograph()
    context = RadiographContext(tmp_path, [image, shifted(image, 2 * CELL, CELL)])
    ask("warp", {"images": references(2), "model": "m", "search_radius": 20.0}, context)
    found = context.found
    assert found.files == ["warped.nrrd", "displacement.nrrd", "pairs.csv", "montage.png"]
    assert all((context.folder / name).stat().st_size for name in found.files)
    info = found.info
    assert info["correlation"] > 0.95 > 0.3 > info["correlation_before"] and info["folded"] <= 0.001
    assert 12 <= info["used"] <= info["pairs"] == len(found.table) and info["residual"] < 1 and "folds" in info["text"]
    assert read_volume(context.folder / "warped.nrrd").shape == image.shape
    with (context.folder / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["used"] == "True" for row in rows) == info["used"] and {"residual", "confidence"} <= rows[0].keys()


class _WithBlindTwin(RadiographContext):
    """Whose untrained network sees other images altogether."""

    def embedding(self, ref, reference, fidelity, device, part="", dense=1):
        strange = reference.startswith("untrained:")
        return (
            grid_of(radiograph(7 + int(ref.path)))
            if strange
            else super().embedding(ref, reference, fidelity, device, part, dense)
        )


def test_the_untrained_network_is_held_beside(tmp_path):
    image = radiograph()
    for context, beaten in ((_WithBlindTwin, True), (RadiographContext, False)):
        asked = context(tmp_path / str(beaten), [image, shifted(image, 2 * CELL, CELL)])
        ask("warp", {"images": references(2), "model": "m", "search_radius": 20.0, "stiffness": 0.0}, asked)
        info = asked.found.info
        note = next(note for note in info["notes"] if "untrained" in note)
        assert ("does not beat" not in note) == beaten and info["untrained"].keys() == {"pairs", "used", "held_out"}
        assert beaten == (info["used"] > info["untrained"]["used"])


def test_known_points_need_no_model(tmp_path):
    image = radiograph()
    context = RadiographContext(tmp_path, [image, shifted(image, 2 * CELL, CELL)])
    ask("warp", {"images": references(2), "points": POINTS, "stiffness": 0.0}, context)
    info = context.found.info
    assert (
        info["used"] == info["pairs"] == 9 and info["stiffness"] == 0 and info["residual"] == pytest.approx(0, abs=1e-6)
    )
    bent = read_volume(context.folder / "warped.nrrd").array.squeeze()
    inside = (slice(2 * CELL, None), slice(CELL, None))
    assert np.abs(bent[inside] - shifted(image, 2 * CELL, CELL).array[inside]).max() < 0.5


def test_points_that_cross_are_noted(tmp_path):
    context = RadiographContext(tmp_path, [radiograph(), radiograph()])
    crossed = [dict(row) for row in POINTS]
    for name in ("target_x", "target_y"):
        crossed[0][name], crossed[4][name] = POINTS[4][name], POINTS[0][name]
    ask("warp", {"images": references(2), "points": crossed, "stiffness": 0.0}, context)
    assert context.found.info["folded"] > 0.01 and any("folds" in note for note in context.found.info["notes"])


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"images": references(3)}, "too-few-images", "3 images"),
        ({"model": ""}, "model-missing", "model"),
        ({"model": "", "points": POINTS[:2]}, "points-on-a-line", "2 point pairs"),
        ({}, "points-disagree", "agree on one map"),
    ],
)
def test_refusals(tmp_path, change, code, names):
    context = RadiographContext(tmp_path, [radiograph(n) for n in range(3)])
    with refused(code, names):
        ask("warp", {"images": references(2), "model": "m", "least_confidence": 0.3, **change}, context)


def test_the_command_takes_a_table_of_points(tmp_path):
    image = radiograph()
    for name, one in (("a", image), ("b", shifted(image, 2 * CELL, CELL))):
        Image.fromarray(one.array.T.astype(np.uint8)).save(tmp_path / f"{name}.png")
    with (tmp_path / "points.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(POINTS[0]))
        writer.writeheader()
        writer.writerows(POINTS)
    arguments = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--points", str(tmp_path / "points.csv")]
    done = CliRunner().invoke(
        app, ["warp", *arguments, "--output", str(tmp_path / "out"), "--home", str(tmp_path / "home")]
    )
    assert done.exit_code == 0, done.output
    assert "9 of 9 point pairs used" in done.output and (tmp_path / "out/displacement.nrrd").is_file()
    assert read_volume(tmp_path / "out/warped.nrrd").shape[:2] == (SIDE, SIDE)
