"""Pictures of a training on dataset specs: real dataset specs, a real backend, a short Ark.

    python Testing/screenshots/sets_screenshots.py SPEC [SPEC ...] [--steps 300 | --job ID] [--folder docs/pictures]

SPEC is a YAML file of the user's. --job shows the curves of a job in MEDSSL_HOME instead of training one.
--without-images leaves the contact sheet out, for sets that may not be shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import stage

VALIDATIONS = 12


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, default=stage.PICTURES)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--job", default="")
    parser.add_argument("--without-images", action="store_true")
    options = parser.parse_args()
    with stage.application() as app:
        print(*capture(stage.load(app, "MedSSLPretrain"), options), sep="\n")


def capture(widget, options) -> list[Path]:
    """Describe, check, train; ark-declared.png, and ark-curves.png with the AUC of each set."""
    from medssl.datasets.spec.spec_files import read_dataset_spec

    panel = widget.self().panel
    ui, sets = panel.ui, panel.dataBox.sets
    stage.process_until(lambda: panel.backend.transport is not None)
    ui.methodCombo.setCurrentIndex(ui.methodCombo.findData("ark"))
    for path in options.specs:
        sets.add(read_dataset_spec(path).as_dict())
    ui.checkButton.click()
    stage.process_until(lambda: ui.dataSummary.text or ui.dataError.text)
    assert not ui.dataError.text, ui.dataError.text
    sets.select(0)
    if options.without_images:
        sets.ui.sheetLabel.visible = False
    others = (ui.backendSection, ui.methodSection, ui.runSection, ui.jobsSection)
    files = [picture(widget, others, options.folder / "ark-declared.png")]
    if options.job:
        panel.runBox.follow(options.job)
        stage.process_until(lambda: panel.runBox.view is not None and panel.runBox.chart.points("loss"))
    else:
        train(panel, options.steps)
    ui.curvesCombo.setCurrentIndex(ui.curvesCombo.findData("auc"))
    ui.curvesCombo.activated.emit(ui.curvesCombo.currentIndex)
    others = (ui.backendSection, ui.dataSection, ui.methodSection, ui.jobsSection)
    ui.runSection.collapsed = False
    return [*files, picture(widget, others, options.folder / "ark-curves.png")]


def train(panel, steps: int) -> None:
    """A run of so many steps that visits its sets in turn, a step each."""
    fields = panel.methodBox.form.fields
    fields["epochs"].widget.value = fields["warmup_epochs"].widget.value = 0
    fields["order"].setValues("balanced")
    fields["training"].fields["steps"].widget.value = steps
    fields["training"].fields["validate_every"].widget.value = max(1, steps // VALIDATIONS)
    panel.ui.nameEdit.text = "dataset specs"
    panel.ui.startButton.click()
    stage.process_until(lambda: panel.ui.startError.text or (panel.runBox.view is not None and not panel.runBox.active))
    assert panel.runBox.view is not None and panel.runBox.view.status.state == "finished", panel.ui.runError.text


def picture(widget, collapsed, path: Path) -> Path:
    """The panel with some sections closed."""
    for section in collapsed:
        section.collapsed = True
    return stage.savePanel(widget, path)


if __name__ == "__main__":
    main()
