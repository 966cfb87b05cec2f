"""`medssl segment`, `predict` and `embed` as one types them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CatalogError, ConfigError, InputError, WeightsError
from medssl.core.plan import Plan
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights


@pytest.fixture
def run(tmp_path):
    def run(*arguments):
        result = CliRunner().invoke(app, [*map(str, arguments), "--home", str(tmp_path / "home")])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def images(tmp_path):
    """A folder with a scan and a broken file, and one with radiographs."""
    rng = np.random.default_rng(0)
    for folder in ("ct", "cxr"):
        (tmp_path / folder).mkdir()
    write_volume(Volume(rng.integers(-1000, 1000, (14, 16, 8)).astype(np.int16)), tmp_path / "ct" / "scan.nrrd")
    (tmp_path / "ct" / "torn.nrrd").write_bytes(b"NRRD0004\n")
    for n in range(2):
        write_volume(Volume(rng.integers(0, 256, (130, 140)).astype(np.uint8)), tmp_path / "cxr" / f"{n}.nrrd")
    return tmp_path


@pytest.fixture
def segmenter(tmp_path):
    net = UNetSegmenter(4, 1, 2)
    task = {"name": "segmentation", "form": "3d", "segments": [{"value": 5, "name": "Lung"}]}
    plan = Plan("unet-segmenter", net.arguments, "paper", {"kind": "ct"}, (16, 16, 8), "CT", task)
    save_weights(tmp_path / "segmenter.safetensors", net.state_dict(), plan)
    return tmp_path / "segmenter.safetensors"


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0, classes=1)
    task = {"name": "classification", "kind": "binary", "classes": ["sick"], "test_time": "mirror"}
    plan = Plan("swin-classifier", net.arguments, "paper", {"kind": "cxr"}, net.input_size, "CXR", task)
    save_weights(tmp_path / "classifier.safetensors", net.state_dict(), plan)
    return tmp_path / "classifier.safetensors"


def test_segment_a_folder_with_a_broken_file(run, images, segmenter):
    output = images / "out"
    arguments = ("segment", images / "ct", "--model", segmenter, "--output", output, "--format", "nrrd")
    result = run(*arguments)
    assert result.exit_code == 1 and "1 of 2 images failed" in result.output and "torn is left out" in result.output
    assert "Lung" in result.output and set(np.unique(read_volume(output / "scan.nrrd").array)) <= {0, 5}
    written = (output / "scan.nrrd").stat().st_mtime_ns
    assert run(*arguments).exit_code == 1 and (output / "scan.nrrd").stat().st_mtime_ns == written
    with pytest.raises(InputError) as refused:
        run(*arguments, "--mirror")
    assert refused.value.code == "output-of-another-model"
    assert run(*arguments, "--mirror", "--overwrite").exit_code == 1
    assert (output / "scan.nrrd").stat().st_mtime_ns != written


def test_segment_as_a_job_of_its_own(run, images, segmenter, monkeypatch):
    submitted = []
    monkeypatch.setattr("medssl.jobs.process.submit", lambda store, spec: submitted.append(spec) or "the-job")
    monkeypatch.chdir(images)
    result = run("segment", "ct/scan.nrrd", "--model", segmenter, "--output", "out", "--detach")
    assert result.output.strip() == "the-job"
    (spec,) = submitted
    assert (spec.kind, spec.start_from) == ("apply", str(segmenter)) and spec.config["output"] == str(images / "out")


def test_predict_writes_a_table(run, images, classifier):
    result = run("predict", images / "cxr", "--model", classifier, "--output", images / "p.csv", "--test-time", "none")
    assert result.exit_code == 0 and "2 predictions" in result.output
    with (images / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows] == ["0", "1"] and all(0 < float(row["sick"]) < 1 for row in rows)


def test_models_of_another_task_are_refused(run, images, classifier, segmenter, tmp_path):
    with pytest.raises(CatalogError) as refused:
        run("predict", images / "ct" / "scan.nrrd", "--model", classifier, "--output", images / "p.csv")
    net = UNetSegmenter(4, 1, 2)
    plan = Plan("unet-segmenter", net.arguments, "paper", {"kind": "ct"}, (16, 16, 8), "CT")
    save_weights(tmp_path / "plain.safetensors", net.state_dict(), plan)
    assert refused.value.code == "no-usable-image" and "2D" in refused.value.rule
    with pytest.raises(WeightsError) as unsuitable:
        run("segment", images / "ct" / "scan.nrrd", "--model", tmp_path / "plain.safetensors", "--output", images / "o")
    assert unsuitable.value.code == "model-unsuitable"


def test_embed_as_arrays_and_as_a_table(run, images, classifier):
    (images / "cxr" / "torn.nrrd").write_bytes(b"NRRD0004\n")
    result = run("embed", images / "cxr", "--model", classifier, "--output", images / "e.npz")
    assert result.exit_code == 0 and "torn is left out" in result.output
    found = np.load(images / "e.npz")
    assert found["embeddings"].shape == (2, 16) and list(found["patients"]) == ["0", "1"]
    run("embed", images / "cxr", "--model", classifier, "--output", images / "e.csv")
    with (images / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["e15"]) for row in rows] == pytest.approx(found["embeddings"][:, 15].tolist(), rel=1e-5)
    with pytest.raises(ConfigError) as refused:
        run("embed", images / "cxr", "--model", classifier, "--output", images / "e.txt")
    assert refused.value.code == "output-suffix"
