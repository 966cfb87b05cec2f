"""The sections of the panel as steps of the work: what is done folds, and says in a line what was chosen."""

from __future__ import annotations

from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.step import Step
from slicer.i18n import tr as _

from medssl.core.protocol import QUEUED, RUNNING


class PanelSteps:
    """Training set, method, progress, fine-tuning, rounds, comparison and job history.

    Args:
        panel: the PretrainPanel.
    """

    def __init__(self, panel) -> None:
        self._panel, ui = panel, panel.ui
        self.data, self.method = Step(ui.dataSection), Step(ui.methodSection)
        self.run, self.jobs = Step(ui.runSection), Step(ui.jobsSection)
        self.rounds = Step(panel.roundsBox.section)
        self.finetune, self.compare = Step(panel.finetuneBox.section), Step(panel.compareBox.section)

    def update(self) -> None:
        """Bring the summaries up to date."""
        panel = self._panel
        self.data.summarize(panel.dataBox.summary())
        self.method.summarize(panel.methodBox.summary())
        self.run.summarize(panel.runBox.summary())
        self.finetune.summarize(panel.finetuneBox.summary())
        self.rounds.summarize(panel.roundsBox.summary())
        self.compare.summarize(panel.compareBox.summary())
        self.jobs.summarize(_jobsText(panel.history.views))

    def started(self, kind: str) -> None:
        """A job was started: what it needed is done, and its progress is what counts."""
        done = {"pretrain": (self.data, self.method), "compare": (self.compare,)}.get(kind, (self.finetune,))
        for step in done:
            step.done()
        self.run.open()


def _jobsText(views) -> str:
    if not views:
        return ""
    text = counted(len(views), _("{count} job"), _("{count} jobs"))
    running = sum(view.status.state in (QUEUED, RUNNING) for view in views)
    return text + (_(", {count} running").format(count=running) if running else "")
