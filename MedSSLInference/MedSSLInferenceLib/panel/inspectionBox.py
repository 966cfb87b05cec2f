"""Sections that ask a model about nodes of the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedSSLLib.scene.volumeExport import directionLps, isFlat
from MedSSLLib.steps import StepRunner, Steps
from MedSSLLib.widgets.actionBox import IDLE, ActionBox
from MedSSLLib.widgets.step import Step
from slicer.i18n import tr as _

from medssl.core.geometry import Geometry, geometry_notes
from MedSSLInferenceLib.panel.sectionFit import fitSection

UI_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "UI"


class InspectionBox(ActionBox):
    """Base class of the panel's sections below the model.

    Class attributes: `NEEDS`, what the section asks models for (see `medssl.core.capabilities`), one of which will do; `OPENS`, whether choosing such a
    model unfolds it.

    Args:
        ui, name: as in ActionBox.
        logic: a MedSSLInferenceLogic.
        models: the panel's ModelChoice.
        layoutManager: function that returns Slicer's layout manager or None.
        device: function that returns the name of the device to use.
    """

    NEEDS: tuple[str, ...] = ()
    OPENS = True

    def __init__(self, ui, name: str, logic, models, layoutManager: Callable, device: Callable[[], str]) -> None:
        super().__init__(ui, name)
        self._logic, self._models, self._layoutManager, self._device = logic, models, layoutManager, device
        self._transport = self._parameterNode = self._showing = None
        fitSection(self.section)
        self.step = Step(self.section)

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if parameterNode is not None:
            self._takeChoices(parameterNode)
        self._parameterNode = parameterNode

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        if self._showing is not None:
            self._showing.stop()
        self._forgetResults()
        self.step.summarize("")
        self.reset()

    @property
    def showing(self) -> bool:
        """Whether views are still being filled."""
        return self._showing is not None and self._showing.running

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        super().close()
        if self._showing is not None:
            self._showing.stop()

    def _show(self, steps: Steps, onShown: Callable = lambda _value: None) -> None:
        """Fill views over several event loops; what was being shown before is dropped."""
        if self._showing is not None:
            self._showing.stop()
        self._showing = StepRunner(steps, None, onShown, self.showError)
        self._showing.start()

    def _chose(self) -> None:
        """Another image or setting is chosen: what the last run said no longer counts."""
        if not self.busy:
            self._enter(IDLE)

    def _volumes(self) -> list:
        """The volume nodes that the first action is about, as far as they are chosen."""
        return []

    def _advice(self) -> str:
        """What sets the chosen volumes apart from those that the model learnt from."""
        plan = (self._models.model or {}).get("plan") or {}
        if plan.get("modality") == "CXR" or not plan:
            return ""
        geometry = Geometry.from_dict(plan.get("geometry") or {})
        notes: dict[str, None] = {}
        for node in self._volumes():
            if node is not None and node.GetImageData() is not None and not isFlat(node):
                notes |= dict.fromkeys(geometry_notes(node.GetSpacing(), directionLps(node), geometry))
        return withNotes("", {"notes": notes})

    def _takeChoices(self, parameterNode) -> None:
        """Show the scene's choices in those widgets that are not bound by their names."""

    def _forgetResults(self) -> None:
        """Let go of the nodes that runs have left in the scene, and show nothing of them."""

    def _ask(self, name: str, nodes, callbacks: tuple[Callable, Callable, Callable], **options: Any):
        """Start one of the logic's runs with the chosen model; see `ConsoleVerbs.run`.

        Args:
            callbacks: onProgress, onFinished, onFailed, as an action's `start` gets them.
        """
        onProgress, onFinished, onFailed = callbacks
        model = options.pop("model", self._models.reference)
        self._models.used.emit()
        run = self._logic.run(name, nodes, model, onProgress=onProgress, device=self._device(), **options)
        return run.start(self._transport, onFinished, onFailed)

    def _modelWishes(self, choose: str) -> list[tuple[Any, str]]:
        """What any question about a model needs; `choose` names the models that will do."""
        return [
            (self._transport is not None, _("start the backend")),
            (self._models.reference, _("choose a model or a weight file")),
            (self._models.can(*self.NEEDS), choose),
        ]


def withNotes(text: str, info: dict[str, Any]) -> str:
    """A status line, and behind it the verdict and the notes of an answer as sentences."""
    sentences = [text, info.get("verdict", ""), *(f"{note}." for note in info.get("notes", ()))]
    return " ".join(filter(None, sentences))
