"""Comparisons with real images and runs made by a formula: rivals, budgets, and cases that some run lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeRun
from PIL import Image
from refusals import refused
from study_fakes import FAKE, study_spec, write_catalog

from medssl.core.files import read_json
from medssl.core.tables import read_table
from medssl.studies.comparison.budget import shortened
from medssl.studies.comparison.check import check_study
from medssl.studies.comparison.run import compare, report


def write_images(folder: Path, strength: float, patients: int = 50) -> Path:
    """The catalogue of the fake task with pictures that are brighter above where there is pneumonia."""
    table = write_catalog(folder, patients)
    for n, row in enumerate(read_table(table).rows):
        pixels = np.random.default_rng(n).normal(110, 25, (70, 66))
        pixels[:35] += strength * int(row["Pneumonia"])
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / row["image"])
        Image.fromarray(np.where(np.arange(66) > 30, 255, 0).astype(np.uint8)[None].repeat(70, 0)).save(
            folder / f"mask{n}.png"
        )
    return table


def compared(tmp_path: Path, data: Path, name: str = "job", **study) -> tuple[FakeRun, dict]:
    run = FakeRun(tmp_path / "home" / "jobs" / name, tmp_path / "home")
    compare(study_spec(data, **study), run, FAKE)
    return run, read_json(run.folder / "results" / "comparison.json")


def first_line(run: FakeRun) -> str:
    page = (run.folder / "results" / "report.html").read_text(encoding="utf-8")
    body = page[page.index("</h1>") + 5 :]
    assert body.startswith('<p class="verdict')
    return body[body.index(">") + 1 : body.index("</p>")]


@pytest.fixture(scope="module")
def bright(tmp_path_factory) -> tuple[FakeRun, dict]:
    folder = tmp_path_factory.mktemp("bright")
    data = write_images(folder / "data", 70)
    return compared(folder, data, task="classification", fractions=[0.5, 1.0], patients=None, seeds=2)


def test_arms_that_a_thumbnail_beats_are_called_so_in_the_first_line(bright):
    run, found = bright
    said = found["verdict"]["text"]
    assert first_line(run) == said and found["verdict"]["good"] is False
    assert "no arm is shown to be better than every trivial rival" in said and "thumbnail, has AUC 1.000" in said
    assert (run.folder / "results/table.md").read_text(encoding="utf-8").startswith(said)
    assert run.of("verdict")[0]["text"] == said
    rows = {(row["size"], row["arm"], row["rival"]) for row in found["rivals"]}
    assert len(rows) == 2 * 2 * 4 and {row["test"] for row in found["rivals"]} == {"crossed bootstrap"}
    page = (run.folder / "results/report.html").read_text(encoding="utf-8")
    assert "Dashed: trivial rivals" in page and "thumbnail (rival)" in page
    assert (run.folder / "results/rivals.csv").is_file()


def test_runs_leave_the_rivals_to_their_comparison(bright):
    run, _ = bright
    specs = [json.loads(path.read_text()) for path in run.folder.glob("runs/*/*/*/spec.json")]
    assert len(specs) == 8 and not any(spec["rivals"] for spec in specs)


def test_rivals_are_measured_once_and_again_where_they_are_gone(bright):
    run, found = bright
    file = run.folder / "rivals" / "thumbnail (rival)" / "1" / "0" / "results" / "predictions.csv"
    made = file.stat().st_mtime_ns
    again = FakeRun(run.folder, run.home)
    spec = study_spec(Path(found["weights"]["genesis"]["path"]).parent / "catalog.csv",
                      task="classification", fractions=[0.5, 1.0], patients=None, seeds=2)  # fmt: skip
    compare(spec, again, FAKE)
    assert file.stat().st_mtime_ns == made and not again.of("run")
    (run.folder / "rivals" / "rivals.json").unlink()  # as in a comparison begun before there were any
    compare(spec, again, FAKE)
    assert (
        file.stat().st_mtime_ns > made
        and read_json(run.folder / "results/comparison.json")["rivals"] == found["rivals"]
    )


def test_arms_that_beat_all_are_called_so(tmp_path):
    data = write_images(tmp_path / "data", 0, patients=120)
    run, found = compared(tmp_path, data, task="classification", patients=[20], seeds=3)
    assert found["verdict"]["good"] is True and first_line(run) == found["verdict"]["text"]
    assert "every arm is better than every trivial rival" in first_line(run)


def test_segmenters_have_rivals_of_their_own_and_a_crop_is_named(tmp_path):
    data = write_images(tmp_path / "data", 0)
    lines = data.read_text().splitlines()
    rows = [f"{line},{'mask' if n == 0 else f'mask{n - 1}.png'}" for n, line in enumerate(lines)]
    data.write_text("\n".join(rows) + "\n")
    run, found = compared(tmp_path, data, patients=[5], seeds=2)
    assert {row["rival"] for row in found["rivals"]} == {"threshold", "mean shape", "crop inset"}
    by_rival = {row["rival"]: row["value"] for row in found["rivals"]}
    assert by_rival["mean shape"] > 0.95 > by_rival["threshold"]  # the right half, in every picture
    assert found["verdict"]["good"] is False and "finding the place was not tested" in found["verdict"]["text"]
    assert first_line(run) == found["verdict"]["text"]


def test_a_comparison_whose_images_cannot_be_read_again_goes_on_without_and_says_so(tmp_path):
    run, found = compared(tmp_path, write_catalog(tmp_path / "data"), patients=[5], seeds=2)
    assert found["rivals"] == [] and found["verdict"] is None
    assert [event["code"] for event in run.of("warning")] == ["rivals-missing"]
    assert "No arm was held against trivial rivals" in (run.folder / "results/report.html").read_text(encoding="utf-8")


def test_a_case_that_one_run_lacks_is_left_out_of_all_and_named(tmp_path):
    run, before = compared(tmp_path, write_catalog(tmp_path / "data"), patients=[5], seeds=2)
    file = run.folder / "runs/genesis/5/1/results/cases.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    gone = lines[1].split(",")[0]
    file.write_text("".join(line for line in lines if not line.startswith(gone)), encoding="utf-8")
    report(run.folder)
    after = read_json(run.folder / "results/comparison.json")
    assert before["left_out"] == [] and after["left_out"] == [gone]
    for name in ("genesis", "scratch"):
        rows = [r for r in read_table(run.folder / f"runs/{name}/5/0/results/cases.csv").rows if r["class"] == "mean"]
        dice = np.mean([float(row["dice"]) for row in rows if row["image"] != gone])
        (shown,) = [r["test_dice"] for r in after["runs"] if (r["arm"], r["seed"]) == (name, 0)]
        assert shown == pytest.approx(dice)
    page = (run.folder / "results/report.html").read_text(encoding="utf-8")
    assert (
        f"1 test image is left out of every comparison and of the means, since not every run has a value of it: {Path(gone).name}"
        in page
    )


def test_runs_from_before_the_data_moved_are_compared_with_those_after(tmp_path):
    run, before = compared(tmp_path, write_catalog(tmp_path / "data"), patients=[5], seeds=2)
    file = run.folder / "runs/genesis/5/1/results/cases.csv"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(str(tmp_path / "data"), "/elsewhere"), encoding="utf-8")
    report(run.folder)
    after = read_json(run.folder / "results/comparison.json")
    assert after["differences"] == before["differences"] and after["left_out"] == []


def test_a_mean_distance_stands_beside_the_number_of_missed_objects(tmp_path):
    run, _ = compared(tmp_path, write_catalog(tmp_path / "data"), patients=[5], seeds=1, metric="hd95")
    file = run.folder / "runs/genesis/5/0/results/cases.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("missed")
    cells = lines[1].split(",")
    cells[place] = "1"
    file.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8")
    report(run.folder)
    page = (run.folder / "results/report.html").read_text(encoding="utf-8")
    assert "scratch (5 patients) 0 of 28; genesis (5 patients) 1 of 28" in page


def test_equal_passes_give_smaller_training_sets_fewer_steps(tmp_path):
    data = write_catalog(tmp_path / "data")
    run, _ = compared(tmp_path, data, patients=[5, 10], seeds=1, budget="passes", config={"training": {"steps": 90}})
    steps = {path.parts[-3]: json.loads(path.read_text())["config"]["training"]
             for path in run.folder.glob("runs/scratch/*/0/spec.json")}  # fmt: skip
    assert steps["10"]["steps"] == 90 and steps["5"]["steps"] == 45
    assert steps["5"]["validate_every"] * 2 == steps["10"]["validate_every"]
    assert "equal passes" in (run.folder / "results/report.html").read_text(encoding="utf-8")
    equal, _ = compared(tmp_path, data, "equal", patients=[5, 10], seeds=1)
    assert {
        json.loads(path.read_text())["config"]["training"]["steps"]
        for path in equal.folder.glob("runs/*/*/0/spec.json")
    } == {150}


def test_a_share_of_the_steps_scales_all_that_is_counted_in_them():
    training = {"steps": 100, "warmup_steps": 10, "rate_every": 1, "rate_ahead": 0, "decay_every": 50, "validate_every": 20,
                "checkpoint_every": 20, "learning_rate": 0.1}  # fmt: skip
    config = {"training": training, "transfer": {"freeze_steps": 30, "freeze": "backbone"}}
    half = shortened(config, 0.5)
    assert half["training"] == {**training, "steps": 50, "warmup_steps": 5, "decay_every": 25, "validate_every": 10,
                                "checkpoint_every": 10}  # fmt: skip
    assert half["transfer"]["freeze_steps"] == 15 and shortened(config, 1.0) is config


def test_budgets_that_mean_nothing_are_refused():
    tree = {"task": "segmentation", "arms": [{"name": "scratch"}, {"name": "b"}]}
    assert check_study(tree)["budget"] == "steps"
    with refused("setting-not-a-choice", names="'epochs'"):
        check_study({**tree, "budget": "epochs"})
    probes = {"task": "probing", "config": {"labels": "Mass"}, "budget": "passes",
              "arms": [{"name": n, "weights": "untrained:laptop"} for n in "ab"]}  # fmt: skip
    with refused("budget-without-training", names="passes"):
        check_study(probes)
