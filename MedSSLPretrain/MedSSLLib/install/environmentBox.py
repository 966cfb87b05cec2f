"""The first run: what is missing and one button; afterwards repair, update and remove."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from medssl.core.errors import InputError, MedSSLError
from medssl.core.home import home_folder, make_home
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install import environmentText as words
from MedSSLLib.install.environmentBuilder import written
from MedSSLLib.install.environmentChoices import EnvironmentChoices
from MedSSLLib.install.environmentKeeping import EnvironmentKeeping
from MedSSLLib.install.environments import OWN, SLICER, Environment, ownFolder, ownPlaces
from MedSSLLib.install.installPlan import PACKAGES, Plan, planEnvironment, planExisting
from MedSSLLib.install.installState import foreign, ourFolders, readState, requirementsMark, trueState
from MedSSLLib.install.torchBuild import INDEXES
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import softLabel
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLEnvironmentBox.ui"
LOOK_AFTER_MS = 300  # the window is drawn first


class EnvironmentBox:
    """Fills a frame with what creates and keeps environments.

    Signal: `built(error)` when an installation or a removal has ended, whichever module began it. Attributes: `machine`,
    None until it was looked at; `mine`, whether this box began the last installation.

    Args:
        frame: an empty widget with a layout.
        builder: an EnvironmentBuilder or a stand-in.
        probe: a MachineProbe or a stand-in.
        confirm: asks a question and returns whether the user agrees.
    """

    def __init__(self, frame, builder, probe, confirm) -> None:
        self.built, self.machine, self.mine, self._wanted = Signal(), None, False, False
        self.builder, self._probe = builder, probe
        self._environment, self._shown, self._backendRuns = Environment(OWN, "", ""), False, False
        self._error, self._step, self._begun = None, (0, 0, ""), 0.0
        self.ui = loadInto(frame, UI_FILE)
        for label in (self.ui.messageLabel, self.ui.installError, self.ui.foundLabel):
            softLabel(label)
        self.choices = EnvironmentChoices(self.ui)
        self.keeping = EnvironmentKeeping(self.ui, confirm, self._run)
        self._timer, self._clock = qt.QTimer(), qt.QTimer()
        self._timer.setSingleShot(True)
        self._connect()

    def close(self) -> None:
        """Let go of timers and programs; an installation ends, and goes on when it is asked to."""
        self._timer.stop()
        self._clock.stop()
        self._timer.disconnect("timeout()", self.look)  # a connection left would keep this object for ever
        self._clock.disconnect("timeout()", self.update)
        self._probe.found.disconnect(self._found)
        self._probe.close()
        self.keeping.close()
        for signal, slot in self._slots:
            signal.disconnect(slot)
        if self.builder.running and self.mine:
            self.builder.cancel()

    def show(self, environment: Environment, settings: bool, backendRuns: bool) -> None:
        """Show what belongs to an environment.

        Args:
            environment: the chosen one.
            settings: whether the user has opened the settings.
            backendRuns: on this computer; what it uses cannot be repaired or removed.
        """
        self._environment, self._shown, self._backendRuns = environment, settings, backendRuns
        if (self._isFirst() or self.outdated()) and self.machine is None and not self._probe.running:
            self._timer.start(LOOK_AFTER_MS)
        self.update()

    def look(self, reach: bool = False) -> None:
        """Find out what this computer has, and (`reach`) whether PyTorch's index answers: only after a click."""
        asked = reach or (self.machine is not None and self.machine.torchIndex is not None)
        self._probe.start(ownFolder(), ownPlaces().slicerPython, self.choices.network.variables(), asked)
        self.update()

    def update(self) -> None:
        """Make every widget say what is the case."""
        ui, running, own = self.ui, self.builder.running, self._environment.key == OWN
        plan, problem = self._plan()
        whole = own and self._environment.exists
        detailed = own and not running and (self._isFirst() or self._shown)
        unreachable = bool(self.machine is not None and words.indexText(self.machine))
        ui.messageLabel.text = self._message(plan)
        ui.messageLabel.visible = running or self._isFirst() or self.outdated()
        showError(ui.installError, None if running else self._error or (problem if self._isFirst() else None))
        ui.installProgress.visible = running
        ui.installLog.visible = running or self._error is not None
        ui.detailsSection.visible = detailed
        ui.detailsSection.text = _("MedSSL's own environment") if whole else _("What will be installed")
        ui.sourcePage.visible = detailed and (not ui.detailsSection.collapsed or (unreachable and self._isFirst()))
        ui.foundLabel.text = (
            words.foundText(self.machine) if self.machine is not None else _("Looking at this computer...")
        )
        self._updateButtons(plan, problem)
        ui.lookButton.enabled = not self._probe.running
        self.choices.lockPlace(_("Remove the environment first") if whole or readState(ownFolder()) is not None else "")
        something = bool(ourFolders(ownFolder(), ownPlaces().installer))
        opened = self._shown and not ui.detailsSection.collapsed and not running
        self.keeping.update(something, plan, self._backendRuns, opened)

    def _isFirst(self) -> bool:
        return self._environment.key == OWN and not self._environment.exists

    def outdated(self) -> bool:
        """Whether the extension is newer than its environment."""
        state = readState(ownFolder()) if self._environment.key == OWN and self._environment.exists else None
        return state is not None and state.requirements != requirementsMark(backendFolder())

    def _plan(self) -> tuple[Plan | None, Exception | None]:
        """What *Create environment* would do, or why it cannot."""
        if self.machine is None or self._environment.key != OWN:
            return None, None
        places, folder = ownPlaces(), ownFolder()
        state = trueState(folder, places.python(platform.system()), places.uv(platform.system()))
        if state is not None and self.outdated():
            state = replace(state, done={key: mark for key, mark in state.done.items() if key != PACKAGES})
        try:
            if self.choices.placeError is not None:
                raise self.choices.placeError
            if (other := foreign(folder, places.installer)) is not None:
                raise InputError(other, _("holds other files"), _("Choose another place"))
            started = slicer.util.startupEnvironment()
            return planEnvironment(self.machine, self.choices.choices(), places, started, state), None
        except (MedSSLError, OSError) as error:
            return None, error

    def _message(self, plan: Plan | None) -> str:
        if self.builder.running:
            return words.stepText(*self._step, time.monotonic() - self._begun)
        if self.outdated():
            return _("The extension is newer than its environment: some packages are missing or too old.")
        if self._environment.key == OWN and self._environment.exists:
            return ""
        if self._wanted:
            return _("Asking whether PyTorch's index can be reached...")
        if self.machine is None:
            return _("<b>Not installed yet:</b> Python with PyTorch. Looking at this computer...")
        if plan is None or plan.build is None:
            return _("<b>Not installed yet:</b> Python with PyTorch.")
        parts = [words.missingText(self.machine, plan.build), words.indexText(self.machine)]
        if plan.done:
            parts[0] = words.unfinishedText(plan)
        return "<br>".join(part for part in parts if part)

    def _updateButtons(self, plan: Plan | None, problem) -> None:
        button, own = self.ui.installButton, self._environment.key == OWN
        button.visible = self.builder.running or self._isFirst() or self.outdated() or (not own and self._shown)
        button.enabled, button.toolTip = True, ""
        if self.builder.running:
            button.text = _("Cancel")
            button.toolTip = _("What is done is kept")
            return
        button.text = _("Install or update the backend there")
        if not own:
            button.enabled = self._environment.exists
            button.toolTip = _(
                "Installs with pip what is missing there; for Windows, pip brings PyTorch for the CPU alone"
            )
            if not button.enabled:
                button.toolTip = _("Choose a Python executable first")
            return
        button.text = (
            _("Update") if self.outdated() else _("Continue") if plan and plan.done else _("Create environment")
        )
        button.toolTip = _("Downloads PyTorch and other packages (several GB)")
        if plan is None or self._wanted:
            button.enabled = False
            button.toolTip = str(problem) if problem is not None else _("Looking at this computer first")

    def _connect(self) -> None:
        ui = self.ui
        self._probe.found.connect(self._found)
        self._slots = (
            (self.builder.output, self._log),
            (self.builder.progress, self._progress),
            (self.builder.finished, self._finished),
        )
        for signal, slot in self._slots:
            signal.connect(slot)
        self.choices.changed.connect(self.update)
        self.choices.networkChanged.connect(self.look)
        self._timer.connect("timeout()", self.look)
        self._clock.connect("timeout()", self.update)
        ui.installButton.connect("clicked(bool)", lambda _on: self._install())
        ui.lookButton.connect("clicked(bool)", lambda _on: self.look(reach=True))
        ui.detailsSection.connect("contentsCollapsed(bool)", lambda _collapsed: self._opened())

    def _opened(self) -> None:
        if not self.ui.detailsSection.collapsed and self.machine is None and not self._probe.running:
            self.look()
        self.update()

    def _found(self, machine) -> None:
        self.machine = machine
        self.choices.fill(machine)
        wanted, self._wanted = self._wanted, False
        self.update()
        if wanted and not machine.torchIndex and (plan := self._plan()[0]) is not None:
            self._run(plan)

    def _install(self) -> None:
        if self.builder.running:
            self.builder.cancel()
            return
        plan = self._plan()[0]
        if (
            self._environment.key == OWN
            and self.machine.torchIndex is None
            and self.choices.choices().source == INDEXES
        ):
            self._wanted = True  # goes on when the index has answered
            self.look(reach=True)
            return
        self._run(plan if self._environment.key == OWN else None)

    def _existing(self) -> Plan:
        """What is installed into the chosen Python, which is there."""
        python, isSlicers = self._environment.python, self._environment.key == SLICER
        return planExisting(python, ownPlaces(), self.choices.network, slicer.util.startupEnvironment(), isSlicers)

    def _run(self, plan: Plan | None) -> None:
        """Carry out a plan; None: into the Python that is there."""
        self._error, self._begun, self.mine = None, time.monotonic(), True
        self.ui.installLog.clear()
        try:
            with written(home_folder()):
                make_home(home_folder())
            plan = plan or self._existing()
            self._clock.start(1000)
            self.builder.build(plan)
        except MedSSLError as error:
            self._finished(error)
        self.update()

    def _log(self, text: str) -> None:
        self.ui.installLog.appendPlainText(text)

    def _progress(self, number: int, count: int, title: str) -> None:
        self._step, self._begun = (number, count, title), time.monotonic()
        self.update()

    def _finished(self, error) -> None:
        self._clock.stop()
        self._error = error if self.mine else None
        self.keeping.forget()
        self._log(_("Done.") if error is None else str(error))
        self.built.emit(error)
        self.mine = False
