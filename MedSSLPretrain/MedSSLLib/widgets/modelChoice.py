"""The model combo box: what the backend has, a weight file of the user's, or none where that is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from medssl.networks import NETWORKS
from medssl.pretraining import METHODS
from medssl.tasks import TASKS
from MedSSLLib.widgets.fitting import addItem, elideMiddle, fitCombo, narrow, plainTip
from MedSSLLib.widgets.modelCard import cardText, shortDay
from MedSSLLib.widgets.signal import Signal

WEIGHT_FILE = "file"
LEAST, TITLE = 12, 40  # characters of a name that are always shown, and of a title in a combo box


def chosen(combo):
    """The data of a combo box's current item. (`currentData` has parentheses in some bindings and none in others.)"""
    return combo.itemData(combo.currentIndex)


def fillCombo(combo, titles: dict[Any, str]) -> None:
    """Add items to a combo box: their data and titles; it gets no wider for them."""
    fitCombo(combo)
    for data, title in titles.items():
        addItem(combo, title, data)


def methodTitle(name: str) -> str:
    """What a method or task is called; "" for a foreign file, whose method the backend finds out."""
    titles = {
        "genesis": _("Models Genesis"), "peac": _("PEAC"), "anatomy": _("Dense anatomy"), "anatomy3d": _("Dense anatomy 3D"),
        "ark": _("Foundation Ark"), "ark-cnn": _("Foundation Ark"), "segmentation": _("segmentation"),
        "classification": _("classification"), "probing": _("probe"),
    }  # fmt: skip
    return titles.get(name, name)


def purpose(model: dict[str, Any]) -> str:
    """What a model of `GET /models` is for: the name of its task, of a pretrained one its method, else ""."""
    task = ((model["plan"] or {}).get("task") or {}).get("name", "")
    return task or model["method"]


def can(model: dict[str, Any] | None, *capabilities: str) -> bool:
    """Whether a model of `GET /models` can be asked for one of these (see `medssl.core.capabilities`), or may be.

    Of a weight file (None) and of a file of foreign origin only the backend finds out.
    """
    known = model["can"] if model is not None else None
    return known is None or any(one in known for one in capabilities)


def modelTitle(model: dict[str, Any], nameLength: int = 1000) -> str:
    """How a model is called in lists: its name in so many characters, what it is and when it was made."""
    facts, name = _facts(model), elideMiddle(model["name"], nameLength)
    return _("{name} ({facts})").format(name=name, facts=facts) if facts else name


def nameRoom(model: dict[str, Any]) -> int:
    """Characters of a model's name that a combo box as wide as the panel has room for."""
    return max(LEAST, TITLE - len(_facts(model)))


def _facts(model: dict[str, Any]) -> str:
    return ", ".join(part for part in (methodTitle(purpose(model)), shortDay(model)) if part)


def makers(*capabilities: str) -> list[str]:
    """The methods and tasks whose models can be asked for one of these."""
    pretrained = [name for name in METHODS if name in NETWORKS and {*NETWORKS[name].can} & {*capabilities}]
    return pretrained + [name for name, entry in TASKS.items() if entry.answers in capabilities]


class ModelChoice:
    """Keeps the combo box and the path edit together; `reference` is what a request names.

    Signals: `listed(models)` when the backend has listed its models; `used()` when something was asked of the chosen one.

    Args:
        combo: a QComboBox.
        pathEdit: a ctkPathLineEdit for the weight file.
        changed: called whenever the choice changes.
        none: title of the first item, which stands for no model at all; "": one must be chosen.
        needed: only models that can be asked for one of these are offered; empty: all.
        nameLength: characters of a model's name in the list, the whole one stands in the tooltip; 0: as many as there is room for.
    """

    def __init__(
        self, combo, pathEdit, changed, none: str = "", needed: tuple[str, ...] = (), nameLength: int = 0
    ) -> None:
        self._combo, self._pathEdit, self._changed, self._none, self._needed = (
            combo,
            pathEdit,
            changed,
            none,
            needed,
        )
        self.listed, self.used, self._toolTip = Signal(), Signal(), plainTip(combo)
        self._nameLength = nameLength
        self._models: dict[str, dict[str, Any]] = {}  # reference -> entry of GET /models
        fitCombo(combo)
        narrow(pathEdit)
        pathEdit.nameFilters = [_("Weight files (*.safetensors *.pt *.pth *.ckpt *.tar)"), _("All files (*)")]
        self._fill([])
        pathEdit.visible = not none
        combo.connect("currentIndexChanged(int)", self._onChanged)
        pathEdit.connect("currentPathChanged(QString)", self._onChanged)

    @property
    def reference(self) -> str:
        """A job id or a path; "" while nothing is chosen, or where none is wanted."""
        data = chosen(self._combo)
        return self._pathEdit.currentPath if data == WEIGHT_FILE else data or ""

    @property
    def complete(self) -> bool:
        """Whether the choice needs nothing more: a weight file's path may still be missing."""
        return bool(self.reference) or (bool(self._none) and chosen(self._combo) != WEIGHT_FILE)

    @property
    def model(self) -> dict[str, Any] | None:
        """The chosen model's entry of `GET /models`; None for a weight file and for none."""
        return self._models.get(self.reference)

    @property
    def title(self) -> str:
        """The chosen model's name, what it is and its date; the name of a weight file; "" while nothing is chosen."""
        return modelTitle(self.model) if self.model is not None else Path(self.reference).name

    @property
    def card(self) -> str:
        """What is known of the chosen model, in a few sentences."""
        if self.model is not None:
            return self._card(self.model)
        return _("A weight file: it is looked into when it is used.") if self.reference else ""

    @property
    def models(self) -> list[dict[str, Any]]:
        """All that are offered, newest first."""
        return list(self._models.values())

    @property
    def method(self) -> str:
        """What the chosen model is for (a method or a task); "" while only the backend knows."""
        return purpose(self.model) if self.model is not None else ""

    def can(self, *capabilities: str) -> bool:
        """Whether the chosen model can be asked for one of these, or may be: see `can`."""
        return can(self.model, *capabilities)

    def setModels(self, models) -> None:
        """Offer the backend's models, keeping the choice if it is still there."""
        before = chosen(self._combo) if self.reference or self._none else None
        wasBlocked = self._combo.blockSignals(True)
        self._fill(models)
        if before == WEIGHT_FILE and self._pathEdit.currentPath in self._models:  # chosen before the models were known
            before = self._pathEdit.currentPath
        self._combo.setCurrentIndex(max(0, self._combo.findData(before)) if before is not None else 0)
        self._combo.blockSignals(wasBlocked)
        self.listed.emit(self.models)
        self._onChanged()

    def select(self, reference: str) -> None:
        """Choose a model by its reference; one that the backend does not know is taken for a file."""
        index = self._combo.findData(reference)
        if index < 0:
            self._pathEdit.currentPath = reference
            index = self._combo.findData(WEIGHT_FILE)
        self._combo.setCurrentIndex(index)

    def _fill(self, models) -> None:
        self._combo.clear()
        wanted = [model for model in models if not self._needed or can(model, *self._needed)]
        self._models = {model["model"]: model for model in wanted}
        if self._none:
            self._combo.addItem(self._none, "")
        for model in wanted:
            self._combo.addItem(modelTitle(model, self._nameLength or nameRoom(model)), model["model"])
            tip = "\n".join((modelTitle(model), self._card(model)))
            self._combo.setItemData(self._combo.count - 1, tip, qt.Qt.ToolTipRole)
        self._combo.addItem(_("Weight file..."), WEIGHT_FILE)

    def _card(self, model: dict[str, Any]) -> str:
        return cardText(model, methodTitle(purpose(model)))

    def _onChanged(self, *_arguments) -> None:
        self._pathEdit.visible = chosen(self._combo) == WEIGHT_FILE
        about = (self.title, self.card) if self.model is not None else (self._combo.currentText, self._toolTip)
        self._combo.toolTip = "\n".join(filter(None, about))
        self._changed()
