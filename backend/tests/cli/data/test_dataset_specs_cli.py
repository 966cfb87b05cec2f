"""`medssl data check`, `spec` and `specs` on dataset specs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.training_set import data_spec
from medssl.core.errors import CatalogError
from medssl.datasets.spec.spec_files import READY_MADE, read_dataset_spec

TABLE = "image,patient,A\n0.png,1,1\n1.png,2,0\n2.png,3,0\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))


@pytest.fixture
def dataset_spec(tmp_path: Path) -> Path:
    (tmp_path / "x.csv").write_text(TABLE)
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nroot: .\ntables: [x.csv]\nkind: binary\nlabels: [A]\n")
    return file


def run(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_a_wrong_set_ends_with_status_1_and_a_report(dataset_spec):
    found = run("data", "check", dataset_spec, "--json")
    (report,) = json.loads(found.stdout)
    assert found.exit_code == 1
    assert report["images"] == 3 and report["missing"] == 3
    assert "3 files" in report["errors"][0]["value"]


def test_a_sound_set_ends_with_status_0_and_a_sheet(dataset_spec, tmp_path, picture):
    for n in range(3):
        picture(tmp_path / f"{n}.png", n)
    found = run("data", "check", dataset_spec, "--contents", "--sheet", tmp_path / "sheets")
    assert found.exit_code == 0, found.output
    assert "training" in found.stdout and "0 missing" in found.stdout
    assert (tmp_path / "sheets" / "sheet-mine.png").is_file()


@pytest.fixture
def picture():
    import numpy as np
    from PIL import Image

    def write(path: Path, seed: int) -> None:
        noise = np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(noise).resize((80, 80)).save(path)

    return write


def test_unreadable_images_are_listed_by_name(dataset_spec, tmp_path, picture):
    for n in range(3):
        picture(tmp_path / f"{n}.png", n)
    os.truncate(tmp_path / "1.png", 200)
    found = run("data", "check", dataset_spec, "--read-all")
    assert found.exit_code == 1 and "3 of 3 read" in found.stdout
    assert any(line.startswith("unreadable: ") and "1.png" in line for line in found.stdout.splitlines())


@pytest.mark.parametrize(
    "option", [("--folds", 5), ("--seed", 1), ("--pattern", "*.png"), ("--labels", "A"), ("--exclude", "sex=F")]
)
def test_options_of_other_training_sets_are_refused_not_passed_over(dataset_spec, option):
    found = run("data", "check", dataset_spec, *option)
    assert found.exception.code == "option-not-counting" and found.exception.value == option[0]
    assert "dataset specs" in found.exception.rule


@pytest.mark.parametrize("option", [("--contents",), ("--sheet", "sheets")])
def test_options_of_dataset_specs_are_refused_for_other_training_sets(tmp_path, option):
    found = run("data", "check", tmp_path, *option)
    assert found.exception.code == "option-not-counting" and "dataset specs alone" in found.exception.rule


def test_a_ready_made_set_needs_its_folder(tmp_path):
    found = run("data", "check", "shenzhen")
    assert found.exception.code == "root-missing" and "--root" in found.exception.remedy
    (tmp_path / "CXR_png").mkdir()
    (tmp_path / "CXR_png" / "CHNCXR_0001_0.png").write_bytes(b"")
    found = run("data", "check", "shenzhen", "--root", tmp_path, "--json")
    assert found.exit_code == 1 and json.loads(found.stdout)[0]["images"] == 1


def test_a_misspelt_ready_made_set(tmp_path):
    for more in ((), ("--root", tmp_path)):
        found = run("data", "check", "chestxray15", *more)
        assert isinstance(found.exception, CatalogError) and "did you mean 'chestxray14'?" in found.exception.rule
    assert run("data", "check", tmp_path / "chestxray15").exception.code == "file-not-found"


def test_spec_writes_what_can_be_read(tmp_path):
    for name in (*READY_MADE, ""):
        file = tmp_path / f"{name or 'template'}.yaml"
        assert run("data", "spec", *([name] if name else []), "-o", file).exit_code == 0
        assert read_dataset_spec(file).root == str(tmp_path.resolve())
    assert run("data", "spec", "-o", tmp_path / "template.yaml").exception.code == "file-exists"
    assert "name: shenzhen" in run("data", "spec", "shenzhen").stdout


def test_specs_lists_all(tmp_path):
    listed = run("data", "specs").stdout
    assert all(name in listed for name in READY_MADE)


def test_verbs_take_dataset_specs_alone(dataset_spec):
    (made,) = data_spec([str(dataset_spec)], "", "", 0.2).sets
    assert made["name"] == "mine" and made["root"] == str(dataset_spec.parent.resolve())
    with pytest.raises(CatalogError) as refused:
        data_spec([str(dataset_spec), "x.csv"], "", "", 0.2)
    assert refused.value.code == "not-a-dataset-spec"


def test_a_typo_is_reported_with_the_file(dataset_spec):
    dataset_spec.write_text(dataset_spec.read_text().replace("labels", "lables"))
    error = run("pretrain", dataset_spec, "--method", "peac").exception
    assert isinstance(error, CatalogError) and "did you mean 'labels'" in error.rule
