"""Landmark requests: errors of models and of the baseline, groups, units, tables that break rules."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from asking import ask
from PIL import Image
from radiograph_fakes import CELL, SIDE, CellNetwork, RadiographContext, radiograph, shifted
from refusals import refused

from medssl.images.formats.reading import read_volume
from medssl.inference.patch_grid import embed_patches

POINTS = {"carina": (67.5, 59.5), "apex": (35.5, 43.5)}


class FileContext(RadiographContext):
    """Reads the catalogue's files; models by name."""

    def __init__(self, folder) -> None:
        super().__init__(folder, [])

    def model(self, reference, fidelity, device, part=""):
        return CellNetwork("genesis") if reference == "genesis" else self.net

    def embedding(self, ref, reference, fidelity, device, part="", dense=1):
        return embed_patches(read_volume(ref.path), self.net, dense)


@pytest.fixture
def data(tmp_path):
    """Six patients: one radiograph, moved by whole cells; landmarks move with it."""
    folder = tmp_path / "Aufnahmen ä"
    folder.mkdir()
    image, catalog, rows = radiograph(), [], []
    for n in range(6):
        x, y = CELL * (n % 3), CELL * (n // 3)
        Image.fromarray(shifted(image, x, y).array.T.astype(np.uint8)).save(folder / f"{n}.png")
        catalog.append({"image": f"{n}.png", "patient": f"p{n}", "sex": "FM"[n % 2], "pixel": "0.5"})
        rows += [{"image": f"{n}.png", "landmark": name, "x": px + x, "y": py + y} for name, (px, py) in POINTS.items()]
    for name, table in (("catalog.csv", catalog), ("landmarks.csv", rows)):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    return folder


def measured(tmp_path, data, exclude=(), **change):
    context = FileContext(tmp_path)
    request = {
        "data": {"path": str(data / "catalog.csv"), "exclude": list(exclude)}, "models": ["a.safetensors"], "landmarks": str(data / "landmarks.csv"),
        "dense": 1, "compare_untrained": False,
    }  # fmt: skip
    ask("landmarks", {**request, **change}, context)
    return context


def test_cells_that_moved_are_found_and_the_baseline_is_off_by_the_move(tmp_path, data):
    context = measured(tmp_path, data, groups=["sex"])
    rows = {(row["model"], row["landmark"], row["group"]): row for row in context.found.table}
    found, baseline = rows["a", "all", "all"], rows["same coordinates", "all", "all"]
    assert found["mean"] == pytest.approx(0, abs=0.1) and found["within_cell"] == 1
    assert (found["pairs"], found["patients"]) == (30, 6)
    shifts = [(CELL * (n % 3), CELL * (n // 3)) for n in range(6)]
    expected = [np.hypot(a[0] - b[0], a[1] - b[1]) * 100 / SIDE for a in shifts for b in shifts if a is not b]
    assert baseline["mean"] == pytest.approx(np.mean(expected), rel=1e-3)
    for measure in ("median", "within_cell", "mean", "mean_clipped"):
        assert baseline[f"{measure}_low"] <= baseline[measure] <= baseline[f"{measure}_high"], measure
    assert {key[2] for key in rows} == {"all", "sex=F", "sex=M", "sex=F to M", "sex=M to F"}
    assert rows["a", "carina", "all"]["pairs"] == 30 and rows["a", "all", "sex=F"]["pairs"] == 6
    against = {row["measure"]: row for row in context.found.info["differences"]}
    assert against["mean"]["high"] < 0 and against["within_cell"]["low"] > 0 and context.found.info["unit"] == "percent"
    (verdict,) = context.found.info["verdicts"]
    assert verdict["good"] and verdict["text"].startswith(
        "a is better by median, share within a cell and mean than same coordinates"
    )
    report = (context.folder / "report.html").read_text()
    assert report.index(verdict["text"]) < report.index("ordered pairs"), "the verdict comes first"
    with (context.folder / "pairs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 30
    assert all((context.folder / name).stat().st_size for name in context.found.files)


def test_points_instead_of_a_file_and_a_choice_of_pairs(tmp_path, data):
    points = [{"image": str(n), "landmark": "carina", "x": 60.0, "y": 60.0} for n in range(6)]
    context = measured(tmp_path, data, landmarks="", points=points, pairs=7)
    assert context.found.info["pairs"] == 7 and {row["landmark"] for row in context.found.table} == {"all", "carina"}


def test_the_untrained_twin_takes_part(tmp_path, data):
    names = {row["model"] for row in measured(tmp_path, data, compare_untrained=True).found.table}
    assert names == {"a", "untrained", "same coordinates"}


def test_a_search_radius_holds_every_model_near_the_same_place(tmp_path, data):
    context = measured(tmp_path, data, search_radius=4.0, compare_untrained=True)
    with (context.folder / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    unmoved = {
        (r["source"], r["target"], r["landmark"]): np.array([float(r["x"]), float(r["y"])])
        for r in pairs
        if r["model"] == "same coordinates"
    }
    for row in (row for row in pairs if row["model"] != "same coordinates"):
        away = np.array([float(row["x"]), float(row["y"])]) - unmoved[row["source"], row["target"], row["landmark"]]
        assert np.hypot(*away) <= 0.04 * SIDE + CELL / 2 * np.sqrt(2) + 0.1, "a place of the grid, moved by half a step"
    assert {row["model"] for row in pairs} == {"a", "untrained", "same coordinates"}
    assert "within 4 % of the width" in (context.folder / "report.html").read_text()


def test_refined_landmarks_lie_nearer_where_cells_are_out_of_step(tmp_path, data):
    image = radiograph(blur=2.5)
    moves = [(0, 0), (3, 5), (5, 2), (2, 3), (6, 6), (4, 1)]
    for n, move in enumerate(moves):
        Image.fromarray(shifted(image, *move).array.T.astype(np.uint8)).save(data / f"{n}.png")
    points = [
        {"image": str(n), "landmark": name, "x": x + move[0], "y": y + move[1]}
        for n, move in enumerate(moves)
        for name, (x, y) in POINTS.items()
    ]
    medians = {}
    for refine in (False, True):
        context = measured(tmp_path / str(refine), data, landmarks="", points=points, refine=refine, search_radius=12.0)
        medians[refine] = context.found.table[0]["median"] * SIDE / 100 / CELL
    assert medians[True] < 0.2 < medians[False]


@pytest.mark.parametrize(
    ("row", "code", "names"),
    [
        ("9.png,apex,1,1", "image-unknown", "'9.png'"),
        ("0.png,apex,5,5", "landmark-repeated", "apex of 0.png"),
        ("0.png,knob,x,5", "number-unreadable", ""),
        ("0.png,knob,nan,5", "number-unreadable", ""),
        ("0.png,knob,,5", "coordinate-missing", "knob"),
    ],
)
def test_tables_that_break_rules(tmp_path, data, row, code, names):
    with (data / "landmarks.csv").open("a") as file:
        file.write(row + "\n")
    with refused(code, names):
        measured(tmp_path, data)


def test_a_landmark_outside_its_image(tmp_path, data):
    points = [{"image": str(n), "landmark": "carina", "x": 60.0, "y": 200.0 if n == 3 else 60.0} for n in range(6)]
    with refused("point-outside", names="carina of 3 (60, 200)"):
        measured(tmp_path, data, landmarks="", points=points)


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"groups": ["weight"]}, "column-missing", ["'weight'", "sex"]),
        ({"unit": "mm"}, "pixel-size-missing", "pixel_mm"),
        ({"unit": "inch"}, "setting-not-a-choice", "inch"),
        ({"models": []}, "models-missing", "models"),
        ({"models": ["a", "a"]}, "model-repeated", "'a'"),
        ({"landmarks": ""}, "landmarks-twice", ""),
        ({"landmarks": "/nowhere.csv"}, "file-not-found", "nowhere"),
        ({"pairs": -1}, "setting-out-of-range", "pairs = -1"),
        ({"search_radius": -1.0}, "setting-out-of-range", "search_radius"),
        ({"models": ["genesis"], "compare_untrained": True}, "model-unsuitable", "genesis"),
    ],
)
def test_refusals(tmp_path, data, change, code, names):
    with refused(code, names):
        measured(tmp_path, data, **change)


def test_one_patient_is_no_pair(tmp_path, data):
    text = (data / "catalog.csv").read_text()
    for n in range(6):
        text = text.replace(f"p{n}", "p")
    (data / "catalog.csv").write_text(text)
    with refused("too-few-patients", names="6 images"):
        measured(tmp_path, data)


def test_mm_come_from_a_column_of_the_catalogue(tmp_path, data):
    text = (data / "catalog.csv").read_text()
    (data / "catalog.csv").write_text(text.replace("pixel", "pixel_mm"))
    found = measured(tmp_path, data).found
    assert found.info["unit"] == "mm"
    (row,) = (row for row in found.table if (row["model"], row["landmark"]) == ("same coordinates", "all"))
    assert 3 < row["mean"] < 8


def test_images_that_are_left_out_take_their_landmarks_along(tmp_path, data):
    context = measured(tmp_path, data, exclude=["sex=F"])
    assert context.found.info["images"] == 3 and any("left out" in note for note in context.found.info["notes"])
