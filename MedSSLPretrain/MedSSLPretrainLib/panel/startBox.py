"""The button "Start pretraining" below the section "Method"."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.steps import Steps
from slicer.i18n import tr as _

from MedSSLPretrainLib.panel.jobBox import JobBox
from MedSSLPretrainLib.runs.trainingSteps import submitSteps


class StartBox(JobBox):
    """The button, and below it what is missing or went wrong.

    Args:
        ui: widgets of MedSSLPretrain.ui.
        backend, running: as in JobBox.
        dataBox: the section "Training data".
        methodBox: the section "Method".
    """

    KINDS = ("pretrain",)

    def __init__(self, ui, backend, running: Callable[..., bool], dataBox, methodBox) -> None:
        super().__init__(ui, "start", backend, running)
        self._dataBox, self._methodBox = dataBox, methodBox
        self._setJob(
            ui.startButton, _("Start pretraining"), _("Train the network with this method and these settings"),
            _("Stop at the next step; what was trained so far can be resumed"),
        )  # fmt: skip

    def missing(self) -> str:
        """Why no pretraining can start now, or ""."""
        if self._backend.transport is None:
            return _("Start the backend first")
        return self._dataBox.missing() or self._methodBox.missing()

    def _steps(self, sharesFiles: bool) -> Steps:
        method, config = self._methodBox.spec()
        return submitSteps(
            self._dataBox.chosen(), sharesFiles, method=method, config=config, name=self.ui.nameEdit.text.strip(),
            device=self._backend.device,
        )  # fmt: skip
