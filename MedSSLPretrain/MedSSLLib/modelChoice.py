"""The model combo box: what the backend has, or a weight file of the user's."""

from __future__ import annotations

from slicer.i18n import tr as _

WEIGHT_FILE = "file"


def chosen(combo):
    """The data of a combo box's current item. (`currentData` has parentheses in some bindings and none in others.)"""
    return combo.itemData(combo.currentIndex)


def methodTitle(name: str) -> str:
    """What a method is called; "" for a foreign file, whose method the backend finds out."""
    return {"genesis": _("Models Genesis"), "peac": _("PEAC")}.get(name, name)


class ModelChoice:
    """Keeps the combo box and the path edit together; `reference` is what a RestoreRequest names."""

    def __init__(self, combo, pathEdit, changed) -> None:
        self._combo, self._pathEdit, self._changed = combo, pathEdit, changed
        self._methods: dict[str, str] = {}  # reference -> method
        pathEdit.nameFilters = [_("Weight files (*.safetensors *.pt *.pth *.tar)"), _("All files (*)")]
        self._fill([])
        pathEdit.visible = True
        combo.connect("currentIndexChanged(int)", self._onChanged)
        pathEdit.connect("currentPathChanged(QString)", self._onChanged)

    @property
    def reference(self) -> str:
        """A job id or a path; "" while nothing is chosen."""
        data = chosen(self._combo)
        return self._pathEdit.currentPath if data == WEIGHT_FILE else data or ""

    @property
    def method(self) -> str:
        """The method of the chosen model; "" while nothing is chosen, or only the backend can tell."""
        return self._methods.get(self.reference, "")

    def fits(self, method: str) -> bool:
        """Whether the chosen model may be one of this method."""
        return self.method in ("", method)

    def setModels(self, models) -> None:
        """Offer the backend's models, keeping the choice if it is still there."""
        before = chosen(self._combo) if self.reference else None
        wasBlocked = self._combo.blockSignals(True)
        self._fill(models)
        self._combo.setCurrentIndex(max(0, self._combo.findData(before)) if before else 0)
        self._combo.blockSignals(wasBlocked)
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
        self._methods = {model["model"]: model["method"] for model in models}
        for model in models:
            method = methodTitle(model["method"])
            title = _("{name} ({method})").format(name=model["name"], method=method) if method else model["name"]
            self._combo.addItem(title, model["model"])
        self._combo.addItem(_("Weight file..."), WEIGHT_FILE)

    def _onChanged(self, *_arguments) -> None:
        self._pathEdit.visible = chosen(self._combo) == WEIGHT_FILE
        self._changed()
