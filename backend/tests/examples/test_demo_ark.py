"""The sets of Ark's demonstration, what it asks of a model, and its report; the model itself is a fake that knows the answers."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medssl.core.errors import WeightsError
from medssl.core.protocol import DataSpec, ResultStatus
from medssl.core.schema import build
from medssl.datasets.spec.check import check_datasets
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import TRAINING, VALIDATION
from medssl.evaluation.verdicts import Verdict
from medssl.examples import ark_demo
from medssl.examples.ark_demo import CLEAR, START, ask_model, begun_with, chosen_way, judge, read_unseen
from medssl.examples.ark_report import NEAREST, ClassAuc, Found, write_findings_report
from medssl.examples.ark_rivals import against_thumbnails, thumbnail_answers
from medssl.examples.simulated_findings import Disc, basal_opacity, place, round_opacity
from medssl.examples.simulated_sets import DRAWS, UNSEEN, make_sets, read_discs
from medssl.pretraining.ark.config import ArkConfig

POINTS = {"carina": (100.0, 60.0), "lung_border_right": (40.0, 60.0), "lung_border_left": (160.0, 60.0)}
PATIENTS = ("patient-1", "patient-2", UNSEEN, "patient-4")
POSES = 5  # the fewest that an interval rests on
SIDES = ("No opacity", "Opacity right", "Opacity left")
PICTURE = b"\x89PNG a picture"


def chest() -> np.ndarray:
    """Dark lungs in a brighter body, (rows, columns) uint8, no two neighbouring columns alike."""
    row, column = np.indices((180, 200))
    pixels = (140 + (row + 3 * column) % 20).astype(np.uint8)
    pixels[20:120, 40:90] = pixels[20:120, 110:160] = 40
    return pixels


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Beispiel")
    (folder / "images").mkdir()
    with (folder / "catalog.csv").open("w", newline="") as catalog, (folder / "landmarks.csv").open("w") as landmarks:
        rows, points = csv.writer(catalog), csv.writer(landmarks)
        rows.writerow(("image", "patient", "view"))
        points.writerow(("image", "landmark", "x", "y"))
        for patient in PATIENTS:
            for n in range(POSES + 1):
                view = "frontal" if n < POSES else "lateral"
                image = f"images/{patient}_{view}_{n:02d}_simulated.png"
                Image.fromarray(np.roll(chest(), n, axis=1)).save(folder / image)
                rows.writerow((image, patient, view))
                points.writerows((image, name, *point) for name, point in POINTS.items())
    return folder


@pytest.fixture(scope="module")
def sets(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return make_sets(sample, tmp_path_factory.mktemp("Mengen"))


def test_a_round_opacity_brightens_its_disc_and_nothing_else():
    pixels, disc = round_opacity(chest(), POINTS, "left", np.random.default_rng(0))
    grown = pixels.astype(int) - chest()
    row, column = np.indices(grown.shape)
    away = np.hypot(column - disc.x, row - disc.y)
    assert place(POINTS, "left", 0.4, 0)[0] < disc.x < place(POINTS, "left", 0.75, 0)[0]  # the patient's left
    assert grown[away < disc.radius / 2].min() > 40
    assert grown[away > disc.radius + 4].max() == 0


def test_fluid_lies_at_the_base_of_its_lung_and_is_as_dense_as_tissue():
    grown = basal_opacity(chest(), POINTS, "right", np.random.default_rng(0)).astype(int) - chest()
    assert grown[105:112, 60:75].mean() > 50
    assert grown[:60].max() == 0 and grown[:, 100:].max() == 0
    assert (chest() + grown).max() <= 160


def test_the_same_seed_draws_the_same_pixels_another_others(sample: Path, sets: list[dict], tmp_path: Path):
    again, other = make_sets(sample, tmp_path / "a"), make_sets(sample, tmp_path / "b", seed=1)
    same = [pixels_of(one) for one in (sets[1], again[1], other[1])]
    assert all(np.array_equal(*pair) for pair in zip(same[0], same[1]))
    assert not all(np.array_equal(*pair) for pair in zip(same[0], same[2]))


def test_dataset_specs_split_by_patient_and_mean_what_is_drawn(sets: list[dict[str, Any]]):
    opacities, sides, mirrored = (read_dataset(DatasetSpec.from_dict(one)) for one in sets)
    for one in (opacities, sides, mirrored):
        unseen = [one.patient_names[code] == UNSEEN for code in one.patients]
        assert (one.splits == np.where(unseen, VALIDATION, TRAINING)).all()
    assert [len(opacities), len(sides), len(mirrored)] == [len(PATIENTS) * POSES * n for n in (DRAWS, DRAWS, 2)]
    assert (opacities.kind, sides.kind, mirrored.kind) == ("multi-label", "multi-class", "binary")
    assert sides.classes == SIDES and sides.stated.sum(axis=0).tolist() == [len(PATIENTS) * POSES] * 3
    names = [image.endswith("_mirrored.png") for image in mirrored.images]
    assert mirrored.stated[:, 0].tolist() == names
    assert not any(one.report["errors"] for one in check_datasets([DatasetSpec.from_dict(one) for one in sets]))


def test_only_training_labels_are_uncertain_or_missing(sets: list[dict[str, Any]]):
    opacities = read_dataset(DatasetSpec.from_dict(sets[0]))
    seen = opacities.splits == TRAINING
    assert (opacities.stated[seen] == -1).any() and np.isnan(opacities.stated[seen]).any()
    assert np.isin(opacities.stated[~seen], (0, 1)).all()


def test_what_the_model_is_asked_becomes_rows_examples_and_shares(sets: list[dict[str, Any]], tmp_path: Path):
    found = Found(ResultStatus("r", "check", "finished"))
    ask_model(Knowing(sets), SimpleNamespace(id="job"), sets, tmp_path, found)
    assert [(row.head, row.finding) for row in found.rows][2:] == [
        ("sides", "No opacity"), ("sides", "Opacity right"), ("sides", "Opacity left"), ("mirrored", "Heart on the right"),
    ]  # fmt: skip
    assert all(row.teacher == 1.0 and row.student == 0.0 for row in found.rows)
    assert found.rows[2].positive == f"{POSES} of {3 * POSES}"
    assert found.examples[4][:2] == [f"sides\n{UNSEEN}_frontal_00_1", "Opacity right"]
    assert found.examples[4][2 + found.headings.index("sides: Opacity right")] == "0.90"
    assert found.same_class == pytest.approx(0.4)
    assert found.places.hits == (True,) * 2 * POSES and 0 < found.places.random < 0.2
    assert (
        found.rival.text.startswith("In images of the unseen patient the model")
        and "AUC 1.000 against" in found.rival.text
    )
    assert (tmp_path / "retrieve" / "montage.png").is_file() and (tmp_path / "saliency" / "montage.png").is_file()


def found_of(*rows: ClassAuc, better: bool | None = True) -> Found:
    return Found(
        ResultStatus("r", "check", "finished"), list(rows), rival=Verdict("It is better than a thumbnail.", better)
    )


def test_clearly_above_chance_is_good_and_the_rival_is_named_first():
    rows = [
        ClassAuc("a", "x", "", CLEAR + 0.05, 0.5),
        ClassAuc("a", "y", "", CLEAR + 0.05, 0.5),
        ClassAuc("b", "z", "", CLEAR - 0.05, 0.5),
    ]
    verdict, good = judge(found_of(*rows))  # each head counts once
    assert good and "AUC of 0.65" in verdict and "z (b), 0.60" in verdict
    assert verdict.startswith("It is better than a thumbnail."), "the rival comes first"
    one_guesses = [*rows[:2], rows[2]._replace(teacher=0.5), rows[0]._replace(head="c", teacher=1.0)]
    assert not judge(found_of(*one_guesses))[1]
    assert not judge(found_of(*(row._replace(teacher=0.6) for row in rows)))[1]


def test_a_thumbnail_sees_what_is_brighter_on_one_side(sets: list[dict[str, Any]]):
    answers = [thumbnail_answers(one) for one in sets]
    unseen = [read_unseen(one) for one in sets]
    assert [answer.shape for answer in answers] == [one.targets.shape for one in unseen]
    assert against_thumbnails(unseen, answers, answers).good is False, "nothing is better than itself"
    worse = [1 - answer for answer in answers]
    assert "is worse than" in against_thumbnails(unseen, worse, [one.targets for one in unseen]).text


def test_the_way_follows_what_is_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ark_demo, "packaged_weights", lambda name: Path("there"))
    preset, settings, start = chosen_way("laptop", {"training": {"seed": 3}})
    assert (preset, start) == ("imagenet_cnn", "there") and settings["training"]["seed"] == 3
    build(ArkConfig, settings, preset=preset)
    assert START in begun_with(start)

    def missing(name: str) -> Path:
        raise WeightsError(name, "is not installed", "Install it")

    monkeypatch.setattr(ark_demo, "packaged_weights", missing)
    preset, settings, start = chosen_way("laptop", {"training": {"seed": 3}})
    assert (
        (preset, start) == ("laptop", "")
        and settings["training"]["seed"] == 3
        and "learning_rate" in settings["training"]
    )
    build(ArkConfig, settings, preset=preset)
    assert "random weights" in begun_with(start)
    assert chosen_way("released", {}) == ("released", {}, "")


def test_the_report_says_that_all_is_simulated(sets: list[dict[str, Any]], tmp_path: Path):
    session = Knowing(sets)
    found = Found(session.check())
    session.save(found.check, tmp_path / "check")
    job = SimpleNamespace(
        id="job",
        spec=SimpleNamespace(
            data=DataSpec(sets=tuple(sets)),
            config={"backbone": "tiny", "fidelity": "paper", "order": "balanced", "teacher_update": "step"},
        ),
    )
    ask_model(session, job, sets, tmp_path, found)
    report = write_findings_report(tmp_path, job, EVENTS, found, ("It learns.", True), 12.0).read_text(encoding="utf-8")
    assert "Images and findings are simulated" in report and "validation loss chose the checkpoint" in report
    assert (
        f"{NEAREST} nearest" in report
        and "does NOT differ from random weights" in report
        and "experiments.md" in report
    )
    assert report.count("<img") == 6 and (tmp_path / "curves.png").stat().st_size > 10_000


EVENTS = [
    {"type": "started", "device": "cpu", "precision": "32", "config": {"training": {
        "steps": 2, "batch_size": 4, "learning_rate": 0.1, "seed": 0}}},
    {"type": "loss", "step": 1, "loss": 0.7, "loss_sides": 0.7, "data_wait": 0.25},
    {"type": "metric", "step": 2, "validation_loss": 0.6, "loss_sides": 0.6, "auc_sides": 0.8, "student_auc_sides": 0.7},
    {"type": "loss", "step": 2, "loss": 0.6, "loss_mirrored": 0.6, "data_wait": 0.75},
    {"type": "finished", "step": 2, "validation_loss": 0.6},
]  # fmt: skip


class Knowing:
    """A session whose teacher knows every answer, whose student says the opposite, and which finds 2 of 5 cases."""

    def __init__(self, sets: list[dict[str, Any]]) -> None:
        self.sets = sets
        self.unseen = {one["name"]: read_unseen(one) for one in sets}
        self.discs = read_discs(Path(sets[1]["root"]))

    def check(self) -> ResultStatus:
        rows = [
            {"set": one["name"], "kind": one["kind"], "images": 9, "patients": 4, "training": 6, "validation": 3}
            | dict.fromkeys(("missing", "errors", "warnings"), 0)
            for one in self.sets
        ]
        files = [f"sheet-{one['name']}.png" for one in self.sets]
        return ResultStatus(
            "check", "check", "finished", table=rows, files=files, info={"notes": ["set x: one label. Look"]}
        )

    def predict(self, images, model: str, part: str) -> ResultStatus:
        rows = []
        for name, one in self.unseen.items():
            for n, ref in enumerate(images):
                truth = one.targets[one.images.index(ref.path)] if ref.path in one.images else [0.5] * len(one.classes)
                for finding, value in zip(one.classes, truth):
                    said = 0.1 + 0.8 * value if part == "teacher" else 0.9 - 0.8 * value
                    rows.append({"image": n, "head": name, "class": finding, "probability": said})
        return ResultStatus("r", "predict", "finished", table=rows)

    def retrieve(self, ref, data: DataSpec, model: str, count: int = 8) -> ResultStatus:
        assert ref.patient == UNSEEN  # whose other images do not count
        one = self.unseen["sides"]
        own = one.classes[int(one.targets[one.images.index(ref.path)].argmax())] if ref.path in one.images else ""
        table = [{"sides": own if n < 2 else "another"} for n in range(count)]
        return ResultStatus("r", "retrieve", "finished", table=table, files=["montage.png"])

    def saliency(self, ref, model: str, finding: str, head: str, check: bool) -> ResultStatus:
        disc = self.discs[Path(ref.path).name]
        info = {"text": "Grad-CAM; does NOT differ from random weights" if check else "Grad-CAM", "disc": disc}
        return ResultStatus("r", "saliency", "finished", files=["montage.png"], info=info)

    def result_volume(self, result: ResultStatus, name: str) -> tuple[np.ndarray, None]:
        disc: Disc = result.info["disc"]
        row, column = np.indices((90, 100))
        return np.exp(-np.hypot(column - disc.x, row - disc.y))[None], None

    def save(self, result: ResultStatus, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in result.files:
            (folder / name).write_bytes(PICTURE)


def pixels_of(dataset_spec: dict[str, Any]) -> list[np.ndarray]:
    return [np.asarray(Image.open(image)) for image in sorted(read_dataset(DatasetSpec.from_dict(dataset_spec)).images)]
