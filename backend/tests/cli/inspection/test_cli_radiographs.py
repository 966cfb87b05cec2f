"""The verbs over radiographs, with a small untrained network, as a user meets them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import InputError, MedSSLError, NotFoundError, VolumeError, WeightsError
from medssl.core.plan import Plan
from medssl.networks.peac import PeacNetwork
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import save_weights

SIZES = {"width": 32, "patch": 8, "depths": (2, 2), "heads": (1, 2), "global_hidden": 32, "local_hidden": 32}
CXR = {"kind": "cxr"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "Heim für Läufe"))
    return tmp_path / "Heim für Läufe"


@pytest.fixture
def model(tmp_path: Path) -> str:
    torch.manual_seed(0)
    state = PeacNetwork(**SIZES).state_dict()
    save_weights(tmp_path / "tiny.safetensors", state, Plan("peac", SIZES, "paper", CXR, (224, 224), "CXR"))
    return str(tmp_path / "tiny.safetensors")


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Two grey pictures of different shape, and a coloured one of equal channels."""
    paths = []
    for n, shape in enumerate(((120, 120), (90, 140), (100, 100))):
        noise = ndimage.gaussian_filter(np.random.default_rng(n).normal(size=shape), 4)
        grey = np.rint(127 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)
        path = tmp_path / f"Röntgen {n}.png"
        Image.fromarray(np.stack([grey] * 3, axis=2) if n == 2 else grey).save(path)
        paths.append(str(path))
    return paths


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str) -> MedSSLError:
    result = run(*arguments)
    assert isinstance(result.exception, MedSSLError), result.output
    return result.exception


def test_correspond(tmp_path, images, model):
    done = run("correspond", *images, "--model", model, "--count", "4", "--output", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert {"correspondences.csv", "montage.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    again = refusal("correspond", *images, "--model", model, "--output", str(tmp_path / "out"))
    assert again.code == "earlier-result"


def test_find(tmp_path, images, model):
    done = run("find", *images, "--model", model, "--at", "40,50.5", "--source", "1", "--output", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out").glob("similarity-*.nrrd"))) == 3
    error = refusal("find", *images, "--model", model, "--at", "140,10", "--output", str(tmp_path / "o"))
    assert error.code == "point-outside" and "120 x 120" in error.rule
    assert isinstance(refusal("find", *images, "--model", model, "--at", "here"), InputError)


def test_cosegment_and_patchmap(tmp_path, images, model):
    done = run(
        "cosegment", *images, "--model", model, "--parts", "4", "--dense", "1", "--output", str(tmp_path / "parts")
    )
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "parts").glob("segmentation-*.nrrd"))) == 3 and "Rand index" in done.output
    asked = ["patchmap", *images, "--model", model, "--method", "pca", "--output"]
    assert "with an untrained network for" in run(*asked, str(tmp_path / "map")).output.replace("\n", " ")
    done = run(*asked, str(tmp_path / "alone"), "--no-untrained")
    assert done.exit_code == 0 and "with an untrained" not in done.output
    assert (tmp_path / "map" / "patchmap.csv").is_file()


def test_landmarks_from_a_table_and_from_masks(tmp_path, images, model):
    with (tmp_path / "landmarks.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("image", "landmark", "x", "y"), *((Path(p).name, "carina", 50, 40) for p in images)]
        )
    common = ["landmarks", *images, "--model", model, "--dense", "1", "--unit", "percent"]
    done = run(*common, "--landmarks", str(tmp_path / "landmarks.csv"), "--output", str(tmp_path / "one"))
    assert done.exit_code == 0, done.output
    assert (
        "untrained" in (tmp_path / "one" / "landmarks.csv").read_text() and (tmp_path / "one" / "report.html").is_file()
    )
    (tmp_path / "masks").mkdir()
    mask = np.zeros((120, 90), np.uint8)
    mask[20:80, 10:30] = mask[20:80, 50:80] = 1
    for path in images[:2]:
        Image.fromarray(mask).save(tmp_path / "masks" / Path(path).name)
    done = run(*common, "--masks", str(tmp_path / "masks"), "--no-untrained", "--output", str(tmp_path / "two"))
    assert done.exit_code == 0, done.output
    assert "one of the two" in str(refusal(*common))


def test_what_cannot_be(tmp_path, images, model):
    out = ["--output", str(tmp_path / "out")]
    assert refusal("correspond", images[0], "--model", model, *out).code == "too-few-images"
    assert isinstance(refusal("correspond", *images, "--model", "nothing", *out), NotFoundError)
    assert "swin_tiny_224" in str(refusal("correspond", *images, "--model", "untrained:nothing", *out))
    assert refusal("correspond", *images, "--model", model, "--inverted", "x.png", *out).code == "inverted-unknown"
    Image.new("L", (100, 100), 9).save(tmp_path / "flat.png")
    assert isinstance(refusal("correspond", images[0], str(tmp_path / "flat.png"), "--model", model, *out), VolumeError)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8)).save(tmp_path / "small.png")
    small = refusal("correspond", images[0], str(tmp_path / "small.png"), "--model", model, *out)
    assert small.code == "image-too-small"
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    assert isinstance(
        refusal("correspond", images[0], str(tmp_path / "photo.png"), "--model", model, *out), VolumeError
    )


def test_a_genesis_model_is_refused(tmp_path, images):
    net = UNet3D(base_width=4)
    save_weights(
        tmp_path / "g.safetensors", net.state_dict(), Plan("genesis", {"base_width": 4}, "paper", {"kind": "ct"})
    )
    error = refusal(
        "correspond", *images, "--model", str(tmp_path / "g.safetensors"), "--output", str(tmp_path / "out")
    )
    assert isinstance(error, WeightsError) and "PEAC" in error.remedy
