"""Tables of candidates and nodules to FROC with intervals, by function and by `medssl froc`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.evaluation.candidates import read_candidates, read_nodules
from medssl.evaluation.detection import evaluate_detection
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume

SCANS, NODULES = 12, 2


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def tables(folder: Path, skill: float = 2.0, seed: int = 0, frame: str = "RAS") -> tuple[Path, Path]:
    """Two nodules in each of twelve scans but the last two; a hit of each, and twelve false candidates a scan."""
    rng = np.random.default_rng(seed)
    turn = np.array([-1, -1, 1]) if frame == "LPS" else np.ones(3)
    candidates, nodules = [], []
    for scan in range(SCANS):
        about = {"image": f"scan{scan}", "patient": f"p{scan // 2}", "coordinates": frame}
        places = rng.uniform(-100, 100, (NODULES, 3)) if scan < SCANS - 2 else np.empty((0, 3))
        if not len(places):
            nodules.append({**about, "x": "", "y": "", "z": "", "diameter": ""})
        for place in places:
            nodules.append({**about, **dict(zip("xyz", (place * turn).tolist())), "diameter": 8})
            candidates.append(
                {
                    **about,
                    **dict(zip("xyz", ((place + np.array([1, 2, 2])) * turn).tolist())),
                    "probability": rng.normal(skill),
                }
            )
        for place in rng.uniform(200, 400, (12, 3)):
            candidates.append({**about, **dict(zip("xyz", (place * turn).tolist())), "probability": rng.normal(0.0)})
    return table(folder / f"candidates-{frame}.csv", candidates), table(folder / f"nodules-{frame}.csv", nodules)


def measured(folder: Path, **how: Any) -> dict[str, Any]:
    candidates, nodules = tables(folder, **how)
    return evaluate_detection(read_candidates(candidates), read_nodules(nodules), replicates=300)


def test_scans_patients_and_intervals(tmp_path: Path):
    found = measured(tmp_path)
    assert (found["scans"], found["patients"], found["nodules"], found["found"]) == (12, 6, 20, 20)
    assert found["false_positives"] == 144 and found["rows"][-1]["false_positives"] == 12
    for row in found["sensitivity"].values():
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
    cpm = found["sensitivity"]["cpm"]
    assert cpm["value"] == pytest.approx(
        np.mean([found["sensitivity"][f"{rate:g}"]["value"] for rate in (0.125, 0.25, 0.5, 1, 2, 4, 8)])
    )
    assert cpm["low"] > found["chance"] == pytest.approx(np.mean([0.125, 0.25, 0.5, 1, 2, 4, 8]) / 12)
    assert "better than" in found["verdict"]
    assert measured(tmp_path, frame="LPS")["sensitivity"] == found["sensitivity"]


def test_scores_that_say_nothing_are_called_so(tmp_path: Path):
    found = [measured(tmp_path, skill=0.0, seed=seed) for seed in range(12)]
    assert np.mean([one["sensitivity"]["cpm"]["value"] for one in found]) == pytest.approx(found[0]["chance"], abs=0.05)
    assert sum("not told apart" in one["verdict"] for one in found) >= 10


def test_few_scans_have_no_intervals(tmp_path: Path):
    candidates = table(tmp_path / "c.csv", [{"image": "a", "x": 0, "y": 0, "z": 0, "probability": 1}])
    nodules = table(tmp_path / "n.csv", [{"image": "a", "x": 0, "y": 0, "z": 0, "diameter_mm": 5, "irrelevant": ""}])
    found = evaluate_detection(read_candidates(candidates), read_nodules(nodules))
    assert found["sensitivity"]["cpm"] == {"value": 1.0, "low": None, "high": None} and "too few" in found["verdict"]


def test_all_found_without_a_false_positive_is_not_called_too_few_scans(tmp_path: Path):
    where = [{"image": f"s{n}", "x": 0, "y": 0, "z": 0} for n in range(20)]
    candidates = table(tmp_path / "c.csv", [{**row, "probability": 1} for row in where])
    nodules = table(tmp_path / "n.csv", [{**row, "diameter_mm": 5, "irrelevant": ""} for row in where])
    found = evaluate_detection(read_candidates(candidates), read_nodules(nodules), replicates=100)
    assert found["sensitivity"]["cpm"] == {"value": 1.0, "low": None, "high": None}
    assert "the same whichever patients are drawn" in found["verdict"] and "too few" not in found["verdict"]


def test_tables_of_luna16_are_read_as_they_are(tmp_path: Path):
    header = {"seriesuid": "1.2.3", "coordX": -10.5, "coordY": 20, "coordZ": -300}
    candidates = table(tmp_path / "c.csv", [{**header, "probability": 0.75}])
    nodules = table(tmp_path / "n.csv", [{**header, "diameter_mm": 6}])
    read = read_candidates(candidates)
    assert read.places.tolist() == [[-10.5, 20.0, -300.0]] and read.values.tolist() == [0.75]  # LPS
    assert read_nodules(nodules).values.tolist() == [3.0] and read_nodules(nodules, 7.0).values.tolist() == [7.0]


def test_predictions_of_candidates_and_voxels_of_files(tmp_path: Path):
    turned = Volume(
        np.zeros((8, 8, 8), np.int16), np.array([1.0, 1, 2]), np.array([5.0, 6, 7]), np.diag([-1.0, -1, 1]), "CT"
    )
    write_volume(turned, tmp_path / "a.nrrd")
    rows = [{"image": f"{tmp_path / 'a.nrrd'} (1 2 3 voxel)", "patient": "p", "Nodule": 0.5, "label_Nodule": 1}]
    predictions = table(tmp_path / "predictions.csv", rows)
    read = read_candidates(predictions)
    assert read.places.tolist() == [[4.0, 4.0, 13.0]] and read.patients == {str((tmp_path / "a.nrrd").resolve()): "p"}
    nodules = table(tmp_path / "n.csv", [{"image": "a.nrrd", "x": -4, "y": -4, "z": 13, "diameter": 1}])
    assert evaluate_detection(read, read_nodules(nodules))["found"] == 1
    elsewhere = table(tmp_path / "m.csv", [{"image": "other/a.nii.gz", "x": -4, "y": -4, "z": 13, "diameter": 1}])
    assert evaluate_detection(read, read_nodules(elsewhere))["found"] == 1  # by the file's name


def test_what_cannot_be_measured_is_refused(tmp_path: Path):
    row = {"image": "a", "x": 0, "y": 0, "z": 0}

    def candidates(**over: Any) -> Path:
        return table(tmp_path / "c.csv", [{**row, "probability": 1, **over}])

    def nodules(**over: Any) -> Path:
        return table(tmp_path / "n.csv", [{**row, "diameter": 5, **over}])

    with refused("number-unreadable", names="line 2"):
        read_candidates(candidates(y="left"))
    with refused("column-missing", names="'Score'"):
        read_candidates(candidates(), "Score")
    with refused("score-unclear"):
        read_candidates(table(tmp_path / "d.csv", [{**row, "first": 1, "second": 2}]))
    with refused("column-missing", names="z"):
        read_candidates(table(tmp_path / "e.csv", [{"image": "a", "x": 0, "y": 0, "probability": 1}]))
    with refused("column-missing", names="diameter"):
        read_nodules(candidates())
    with refused("diameter-missing", names="'0'"):
        read_nodules(nodules(diameter=0))
    with refused("label-not-binary", names="'maybe'"):
        read_nodules(nodules(irrelevant="maybe"))
    with refused("frame-unknown", names="'MNI'"):
        read_nodules(nodules(coordinates="MNI"))
    with refused("scans-not-shared"):
        evaluate_detection(read_candidates(candidates()), read_nodules(nodules(image="b")))
    with refused("no-nodules"):
        evaluate_detection(read_candidates(candidates()), read_nodules(nodules(irrelevant=1)))


def test_the_command_writes_a_page_and_says_the_verdict(tmp_path: Path):
    candidates, nodules = tables(tmp_path)
    arguments = [
        "froc",
        str(candidates),
        "--nodules",
        str(nodules),
        "--replicates",
        "200",
        "--output",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["verdict"] in " ".join(result.output.split()) and "20 nodules in 12 scans" in result.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert found["verdict"] in page and "data:image/png" in page
    with (tmp_path / "out" / "froc.csv").open() as file:
        assert [row["false_positives_per_scan"] for row in csv.DictReader(file)] == list(found["sensitivity"])
