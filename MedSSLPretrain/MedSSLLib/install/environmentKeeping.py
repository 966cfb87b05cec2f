"""An environment that is there: its size, repair and removal."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from MedSSLLib.install.childProcess import startProcess, stopProcess
from MedSSLLib.install.environments import Places, ownFolder, ownPlaces
from MedSSLLib.install.installPlan import Plan, planRemoval, repaired
from MedSSLLib.install.installState import ourFolders, readState
from MedSSLLib.install.machine import TOOLS
from MedSSLLib.widgets.fitting import breakable, softLabel


class EnvironmentKeeping:
    """Keeps two buttons and a label.

    Args:
        ui: widgets of MedSSLEnvironmentBox.ui.
        confirm: asks a question and returns whether the user agrees.
        run: carries out a plan.
    """

    def __init__(self, ui, confirm: Callable, run: Callable) -> None:
        self.ui, self._confirm, self._run = ui, confirm, run
        self._plan: Plan | None = None
        self._size = FolderSize()
        softLabel(ui.sizeLabel)
        ui.repairButton.connect("clicked(bool)", lambda _on: self._run(repaired(self._plan, ownPlaces())))
        ui.removeButton.connect("clicked(bool)", lambda _on: self._remove())

    def close(self) -> None:
        """Stop counting."""
        self._size.close()

    def forget(self) -> None:
        """The environment has changed: count again."""
        self._size.forget()
        self.ui.sizeLabel.text = ""

    def update(self, something: bool, plan: Plan | None, backendRuns: bool, opened: bool) -> None:
        """Say what can be done.

        Args:
            something: whether there is anything to be kept.
            plan: what an installation would do.
            backendRuns: what it uses stays as it is.
            opened: whether the size is seen.
        """
        ui, self._plan = self.ui, plan
        hinders = _("Stop the backend first") if backendRuns else "" if something else _("There is nothing yet")
        looking = _("Looking at this computer first") if plan is None else ""
        deletes = _("Deletes the environment and what was downloaded for it; jobs and models stay")
        makes = _("Makes the environment anew; what was downloaded is used again")
        ui.removeButton.enabled, ui.removeButton.toolTip = not hinders, hinders or deletes
        ui.repairButton.enabled, ui.repairButton.toolTip = not (hinders or looking), hinders or looking or makes
        ui.sizeLabel.visible = something
        if something and opened:
            self._size.ask(ownPlaces(), self._showSize)

    def _remove(self) -> None:
        places = ownPlaces()
        folders = ourFolders(places.environment, places.installer)
        question = _(
            "Delete MedSSL's environment and what was downloaded for it, with all that is in {folders}? "
            "Jobs, models and images stay."
        )
        if self._confirm(question.format(folders=_(" and ").join(map(str, folders)))):
            self._run(planRemoval(places, folders))

    def _showSize(self, size: int) -> None:
        text = _("{gb:.1f} GB in {folder} and beside it").format(gb=size / 1e9, folder=ownFolder())
        state = readState(ownFolder())
        if state is not None and state.gpu:
            text += "\n" + _("At its check, GPU {used}").format(used=state.gpu)
        self.ui.sizeLabel.text = breakable(text)


class FolderSize:
    """Counts in a program of its own, once until it is told to forget: there may be a hundred thousand files."""

    def __init__(self) -> None:
        self._asked, self._onSize = False, None
        self._process = qt.QProcess()
        self._process.connect("finished(int,QProcess::ExitStatus)", self._ended)

    def ask(self, places: Places, onSize: Callable[[int], None]) -> None:
        """Count the bytes of environment and installer; `onSize` is called when it is known."""
        if self._asked:
            return
        self._asked, self._onSize = True, onSize
        folders = map(str, ourFolders(places.environment, places.installer))
        startProcess(self._process, (places.slicerPython, str(TOOLS), "size", *folders), slicer=True)

    def forget(self) -> None:
        """Count again at the next question."""
        self._asked = False

    def close(self) -> None:
        """Stop counting."""
        self._onSize = None
        if self._process.state() != qt.QProcess.NotRunning:
            stopProcess(self._process)
            self._process.waitForFinished(2000)
        self._process.disconnect("finished(int,QProcess::ExitStatus)", self._ended)

    def _ended(self, code: int, _status) -> None:
        text = self._process.readAllStandardOutput().data().decode("utf-8", "replace").strip()
        if code == 0 and text.isdigit() and self._onSize is not None:
            self._onSize(int(text))
