"""Options of `medssl evaluate` that would be passed over in silence are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.errors import CatalogError, MedSSLError
from medssl.core.plan import Plan
from medssl.core.tables import write_table
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights

VALUES = {"--kind": "binary", "--tolerance": "0", "--specificity": "0.5", "--rule": "f1", "--classes": "1=Head"}
PROBABILITIES = ("--validation", "--rule", "--specificity", "--kind")
PASSED_OVER = {  # what is measured -> options that do not count
    "segmenter": (*PROBABILITIES, "--truth", "--catalog", "--classes", "--labels", "--images"),
    "classifier": ("--truth", "--catalog", "--classes", "--tolerance", "--rule"),
    "cases.csv": (*PROBABILITIES, "--tolerance", "--classes", "--catalog"),
    "predictions.csv": ("--tolerance", "--classes", "--catalog", "--rule"),
    "maps": PROBABILITIES,
    "several": (*PROBABILITIES, "--tolerance", "--classes", "--catalog", "--truth", "--split"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sources() -> dict[str, list[str]]:
    """Arguments for everything that can be measured."""
    write_table([{"image": "a", "patient": "p", "class": "Head", "dice": 0.5}], Path("cases.csv"))
    write_table([{"image": "a", "patient": "p", "Mass": 0.5, "label_Mass": 1}], Path("predictions.csv"))
    Path("maps").mkdir()
    segmenter, classifier = UNetSegmenter(4, 1, 2), SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0, classes=1)
    tasks = {
        "segmenter": {"name": "segmentation", "form": "3d", "segments": [{"value": 1, "name": "Head"}]},
        "classifier": {"name": "classification", "kind": "binary", "classes": ["Mass"]},
    }
    for name, net, method, side in (
        ("segmenter", segmenter, "unet-segmenter", (16, 16, 8)), ("classifier", classifier, "swin-classifier", (14, 14)),
    ):  # fmt: skip
        plan = Plan(method, net.arguments, "paper", {"kind": "ct"}, side, "CT", tasks[name])
        save_weights(Path(f"{name}.safetensors"), net.state_dict(), plan)
    tables = ["M=predictions.csv", "F=predictions.csv", "--group", "sex"]
    models = {name: ["scans", "--model", f"{name}.safetensors"] for name in tasks}
    return {**models, "several": tables, **{name: [name] for name in ("cases.csv", "predictions.csv", "maps")}}


def refusal(*arguments: str) -> MedSSLError:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(result.exception, MedSSLError), (result.output, result.exception)
    return result.exception


@pytest.mark.parametrize(("source", "option"), [(name, one) for name, given in PASSED_OVER.items() for one in given])
def test_an_option_counts_or_is_refused(sources, source: str, option: str):
    error = refusal(*sources[source], option, VALUES.get(option, "test"))
    assert isinstance(error, CatalogError) and error.code == "option-not-counting"
    assert error.value.startswith(option) and error.remedy and not Path("evaluation").exists()


@pytest.mark.parametrize("option", ["--finding", "--head", "--part", "--split", "--labels"])
def test_options_of_a_model_need_one(sources, option: str):
    error = refusal("predictions.csv", option, "test")
    assert error.code == "model-missing" and error.value == option


def test_what_the_advice_for_data_without_label_maps_names_exists(sources):
    Path("scans").mkdir()
    scan = Volume(np.random.default_rng(0).integers(-1000, 1000, (14, 16, 8)).astype(np.int16))
    write_volume(scan, Path("scans/a.nrrd"))
    error = refusal(*sources["segmenter"], "--device", "cpu")
    assert error.code == "no-label-maps" and "medssl evaluate FOLDER --truth" in error.remedy
