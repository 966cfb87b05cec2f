"""Datasets against the real backend: read, checked, trained from the panel; a set is added from the console."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
from PIL import Image

from medssl.client import api, backend

pytestmark = pytest.mark.slow

SIDE, COUNT = 80, 12  # pixels; images of a set
CONFIG = {
    "epochs": 0, "warmup_epochs": 0, "drop_path": 0.0,
    "training": {
        "steps": 6, "batch_size": 4, "warmup_steps": 1, "validate_every": 3, "checkpoint_every": 3,
        "validation_samples": 4,
    },
}  # fmt: skip


@pytest.fixture
def server(load_module, monkeypatch, tmp_path):
    """A real server over an empty home folder; its address."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    load_module("MedSSLPretrain")
    address = backend.start(sys.executable, tmp_path / "home", timeout_s=120)
    yield address
    backend.stop(address)


def image(path: Path, bright: bool, seed: int) -> None:
    """Grey noise, with a bright square where the label says so."""
    array = np.random.default_rng(seed).integers(60, 110, (SIDE, SIDE)).astype(np.uint8)
    if bright:
        array[12:30, 12:30] = 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def findings(folder: Path) -> dict:
    """Two findings in a table, the second one often unknown."""
    folder.mkdir()
    with (folder / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "patient", "Nodule", "Mass"))
        for n in range(COUNT):
            image(folder / f"{n}.png", n % 2 == 1, n)
            writer.writerow((f"{n}.png", f"p{n // 2}", n % 2, "" if n % 3 else n // 3 % 2))
    labels = ["Nodule", "Mass"]
    return {"name": "findings", "root": str(folder), "tables": ["a.csv"], "kind": "multi-label", "labels": labels}


def tuberculosis(folder: Path) -> dict:
    """One finding, known from the files' names."""
    for n in range(COUNT):
        image(folder / "png" / f"case_{n:02d}_{n % 2}.png", n % 2 == 1, 100 + n)
    return {
        "name": "tb", "root": str(folder), "kind": "binary", "images": "png/*.png",
        "patient": {"pattern": "case_(\\d+)_"}, "labels": {"TB": {"pattern": "_1\\.png$"}},
    }  # fmt: skip


THREE = """name: kinds
tables: [kinds.csv]
images: "{file}.png"
kind: multi-class
labels: {column: kind, values: {Normal: n, Viral: v, Bacterial: b}}
"""


def kinds(folder: Path) -> Path:
    """One of three classes; a YAML file beside the images."""
    folder.mkdir()
    with (folder / "kinds.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "patient", "kind"))
        for n in range(COUNT):
            image(folder / f"{n}.png", n % 3 == 1, 200 + n)
            writer.writerow((n, n, "nvb"[n % 3]))
    (folder / "kinds.yaml").write_text(THREE)
    return folder / "kinds.yaml"


def openPanel(process_until):
    """The panel, connected, with Ark chosen."""
    panel = slicer.modules.medsslpretrain.widgetRepresentation().self().panel
    process_until(lambda: panel.backend.transport is not None, 60)
    process_until(lambda: panel.dataBox.sets.ui.addSetCombo.count == 8, 30)  # the six ready-made ones have come
    panel.ui.methodCombo.setCurrentIndex(panel.ui.methodCombo.findData("ark"))
    panel.methodBox.form.setValues(merged(panel.methodBox.form.values(), CONFIG))
    return panel


def merged(tree, over):
    return {**tree, **{k: merged(tree[k], v) if isinstance(v, dict) else v for k, v in over.items()}}


def test_describe_check_train_add_a_set(server, process_until, tmp_path, grab):
    panel = openPanel(process_until)
    sets = panel.dataBox.sets
    sets.add(findings(tmp_path / "a"))
    sets._files._askPath = lambda save: str(kinds(tmp_path / "kinds"))
    sets.ui.addSetCombo.setCurrentIndex(sets.ui.addSetCombo.findData("file"))
    sets.ui.addSetButton.click()
    process_until(lambda: len(sets.specs) == 2 or not sets.ui.setsError.isHidden(), 30)
    assert sets.chosen()[1]["root"] == str((tmp_path / "kinds").resolve()), sets.ui.setsError.text
    (tmp_path / "a" / "3.png").unlink()
    assert "a/3.png" in checked(panel, process_until)[0].replace("\u200b", "")
    image(tmp_path / "a" / "3.png", True, 3)
    sets.select(1)
    texts = checked(panel, process_until)
    assert "Bacterial" in texts[1] and not sets.ui.sheetLabel.pixmap.isNull()
    assert not any("Errors" in text for text in texts), texts
    panel.ui.previewButton.click()
    process_until(lambda: panel.dataBox.previewNodes or not panel.ui.dataError.isHidden(), 60)
    assert panel.ui.dataError.isHidden(), panel.ui.dataError.text
    assert panel.ui.startButton.enabled, panel.ui.startButton.toolTip
    panel.ui.startButton.click()
    process_until(lambda: panel.runBox.view is not None or panel.ui.startError.text, 60)
    assert not panel.ui.startError.text, panel.ui.startError.text
    process_until(lambda: not panel.runBox.active, 300)
    assert panel.runBox.view.status.state == "finished", panel.ui.runError.text
    curves = panel.runBox.chart.sets
    assert len(curves.points("training", "findings")) + len(curves.points("training", "kinds")) == 6
    assert [step for step, _ in curves.points("validation", "kinds")] == [3, 6]
    added = [*sets.chosen(), tuberculosis(tmp_path / "tb")]
    first = panel.runBox.view.id
    logic = slicer.util.getModuleLogic("MedSSLPretrain")
    job = logic.pretrain(sets=added, method="ark", startFrom=first, config=CONFIG)
    models = {model["model"]: model for model in logic._connected().send(api.models())}
    assert [head["name"] for head in models[job.id]["plan"]["network"]["sets"]] == ["findings", "kinds", "tb"]
    metrics = [event for event in job.events if event["type"] == "metric"]
    assert {"loss_findings", "loss_kinds", "loss_tb"} <= set(metrics[-1])


def checked(panel, process_until) -> list[str]:
    """Check the sets; what is shown of each."""
    panel.ui.checkButton.click()
    process_until(lambda: not panel.dataBox.busy, 120)
    assert panel.ui.dataError.isHidden(), panel.ui.dataError.text
    sets, texts = panel.dataBox.sets, []
    chosen = sets.ui.setsTable.currentRow()
    for row in range(len(sets.specs)):
        sets.select(row)
        texts.append(sets.ui.reportLabel.text)
    sets.select(chosen)
    return texts
