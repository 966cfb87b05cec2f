"""The weights that a training on dataset specs begins with: a model whose heads it keeps, a backbone alone, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.widgets.modelChoice import ModelChoice
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.capabilities import starts
from medssl.core.errors import WeightsError
from medssl.core.registry import DATASET_SPECS
from medssl.datasets.spec.spec import DatasetSpec
from medssl.pretraining import METHODS

STARTS = tuple(starts(name) for name, entry in METHODS.items() if entry.data == DATASET_SPECS)


class StartingWeights(ModelChoice):
    """A combo box of the backend's models, and a path for a weight file.

    Args:
        ui: widgets of MedSSLSets.ui.
        backend: has `transport`.
        changed: called when the choice changes.
    """

    def __init__(self, ui, backend, changed: Callable[[], None]) -> None:
        super().__init__(
            ui.weightsCombo, ui.weightsPath, changed, none=_("Nothing (new)"), needed=STARTS, nameLength=14
        )
        self._ui, self._backend = ui, backend

    def refresh(self, onError: Callable[[Exception], None]) -> None:
        """Ask the backend for its models."""
        transport = self._backend.transport
        if transport is not None:
            transport.send(api.models(), self.setModels, onError)

    def check(self, specs: list[DatasetSpec]) -> None:
        """Whether the heads of the chosen model fit.

        Raises:
            WeightsError: it knows a set by this name with other classes or of another kind.
        """
        heads = {head["name"]: head for head in self._heads()}
        for one in specs:
            head = heads.get(one.name)
            if head is not None and (head["kind"], list(head["classes"])) != (one.kind, list(one.classes)):
                rule = _("has other classes than the model knows by this name ({classes})").format(
                    classes=", ".join(head["classes"])
                )
                raise WeightsError(
                    f"set {one.name}: labels", rule, _("Name those classes in the spec, or choose another name")
                )

    def show(self, names: list[str]) -> None:
        """Say which heads stay, which go on and which are new."""
        known = [head["name"] for head in self._heads()]
        parts = (
            (_("Trains on: {names}."), [name for name in known if name in names]),
            (_("Adds: {names}."), [name for name in names if name not in known]),
            (_("Keeps as they are: {names}."), [name for name in known if name not in names]),
        )
        texts = [text.format(names=", ".join(found)) for text, found in parts if found]
        self._ui.headsLabel.visible = bool(known)
        self._ui.headsLabel.text = " ".join([_("Heads of the model."), *texts])

    def _heads(self) -> list[dict[str, Any]]:
        plan = (self.model or {}).get("plan") or {}
        return plan.get("network", {}).get("sets", [])
