"""`medssl retrieve` with small untrained networks, as a user meets it."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CatalogError, InputError, MedSSLError, NotFoundError
from medssl.core.plan import Plan
from medssl.networks.ark import ArkNetwork
from medssl.networks.peac import PeacNetwork
from medssl.networks.weights.weight_files import save_weights

CXR = {"kind": "cxr"}
PEAC = {"width": 8, "patch": 2, "depths": (2, 2), "heads": (2, 4), "global_hidden": 24, "local_hidden": 16}
SETS = [{"name": "one", "kind": "binary", "classes": ["Mass"]}]
ARK = {"width": 8, "patch": 2, "depths": (2, 2), "heads": (2, 4), "cells": 7, "projector": 12, "sets": SETS}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "Heim für Läufe"))
    return tmp_path / "Heim für Läufe"


@pytest.fixture
def model(tmp_path: Path):
    """`model("ark")` writes a weight file of an untrained network."""

    def write(name: str) -> str:
        torch.manual_seed(0)
        kind, sizes = {"ark": (ArkNetwork, ARK), "peac": (PeacNetwork, PEAC)}[name]
        network = kind(**sizes)
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, network.state_dict(), Plan(name, sizes, "paper", CXR, (network.side,) * 2, "CXR"))
        return str(path)

    return write


@pytest.fixture
def chests(tmp_path: Path) -> Path:
    """A catalogue of five radiographs of four patients."""
    folder = tmp_path / "Röntgenbilder"
    with_picture(folder / "query.png", 0)
    with (folder / "set.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "patient", "Mass"])
        for n in range(1, 6):
            with_picture(folder / f"{n}.png", n)
            rows.writerow([f"{n}.png", f"p{n // 2}", n % 2])
    return folder / "set.csv"


def with_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(90, 100)), 5)
    Image.fromarray(np.rint(127 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)).save(path)


def run(chests: Path, model: str, *more: str, output: Path | None = None, query: str = "query.png"):
    where = ["--output", str(output or chests.parent / "found")]
    arguments = ["retrieve", str(chests.parent / query), "--among", str(chests), "--model", model, *where, *more]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def refusal(*arguments, **more) -> MedSSLError:
    result = run(*arguments, **more)
    assert isinstance(result.exception, MedSSLError), result.output
    return result.exception


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["peac", "ark"])
def test_retrieve(chests, model, name, tmp_path):
    result = run(chests, model(name), "--count", "3")
    assert result.exit_code == 0, result.output
    assert "patients unknown" not in result.output
    assert "rank" in result.stdout and "index of 5 images: 5 added" in result.output
    rows = rows_of(chests.parent / "found")
    assert [row["rank"] for row in rows] == ["1", "2", "3"] and set(rows[0]) >= {"similarity", "patient", "Mass"}
    with Image.open(chests.parent / "found" / "montage.png") as picture:
        assert picture.size[0] > 600
    again = run(chests, model(name), "--count", "3", output=tmp_path / "again")
    assert "index of 5 images; searched" in again.output, "nothing is described twice"
    assert rows_of(tmp_path / "again") == rows


def test_a_folder_is_the_same_however_it_is_named(chests, model, tmp_path, monkeypatch):
    folder, peac = chests.parent, model("peac")
    first = run(folder, peac, query="Röntgenbilder/query.png").output
    assert "6 added" in first and first.count("patients unknown: each file counts as one") == 1
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate((folder.name, f"{folder}/../{folder.name}")):
        where = ["--among", name, "--model", peac, "--output", f"found{n}"]
        result = CliRunner().invoke(app, ["retrieve", str(folder / "query.png"), *where], env={"COLUMNS": "200"})
        assert "index of 6 images; searched" in result.output, "nothing is described twice"
        assert {str(Path(row["path"]).parent) for row in rows_of(tmp_path / f"found{n}")} == {str(folder.resolve())}


def test_features_of_an_ark_have_an_index_each(chests, model, tmp_path, home):
    run(chests, model("ark"))
    result = run(chests, model("ark"), "--features", "encoder", output=tmp_path / "encoder")
    assert "5 added" in result.output and len(list((home / "indexes").iterdir())) == 2
    projector, encoder = rows_of(chests.parent / "found"), rows_of(tmp_path / "encoder")
    assert [row["similarity"] for row in projector] != [row["similarity"] for row in encoder]


def test_patients(chests, model, tmp_path):
    """The query is image 3 of patient p1, who has image 2 as well."""
    run(chests, model("peac"), query="3.png")
    assert {row["name"] for row in rows_of(chests.parent / "found")} == {"1", "4", "5"}
    run(chests, model("peac"), "--same-patient", query="3.png", output=tmp_path / "all")
    assert {row["name"] for row in rows_of(tmp_path / "all")} == {"1", "2", "4", "5"}
    run(chests, model("peac"), "--patient", "p2", output=tmp_path / "stated")
    assert {row["name"] for row in rows_of(tmp_path / "stated")} == {"1", "2", "3"}


def test_a_declaration(chests, model, tmp_path):
    dataset_spec = tmp_path / "chests.yaml"
    text = f"name: chests\nroot: {chests.parent}\ntables: [set.csv]\nimages: '{{image}}'\npatient: patient\nkind: binary\nlabels: [Mass]\n"
    dataset_spec.write_text(text, encoding="utf-8")
    result = run(dataset_spec, model("ark"), query=f"{chests.parent.name}/query.png", output=tmp_path / "declared")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "declared")
    assert len(rows) == 5 and {row["findings"] for row in rows} == {"", "Mass"}


def test_refusals(chests, model, tmp_path):
    assert isinstance(refusal(chests, str(tmp_path / "none.safetensors")), NotFoundError)
    assert isinstance(refusal(chests.parent / "empty" / "none.csv", model("peac"), query="../query.png"), CatalogError)
    run(chests, model("peac"))
    assert refusal(chests, model("peac")).code == "earlier-result"
    error = refusal(chests, model("peac"), "--features", "logits", output=tmp_path / "other")
    assert isinstance(error, InputError) and error.value == "features = 'logits'"
    os.truncate(chests.parent / "query.png", 40)
    assert "query.png" in str(refusal(chests, model("peac"), output=tmp_path / "broken"))
