"""The section "Results": all that was found in this scene, to be shown, hidden, cleared and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import vtk
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.steps import Pause, StepRunner, Steps
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import breakable, fitTable, narrow, softLabel
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER
from MedSSLInferenceLib.panel.resultTexts import imageNames, kindTitles, resultCard
from MedSSLInferenceLib.scene.clearing import Cleared, bringBack, clear, isUsers
from MedSSLInferenceLib.scene.results import SEGMENTATION, Result, isShown, results, setShown

MOST_ROWS = 8


class ResultsBox:
    """Fills a frame with the section, which is hidden while there is no result.

    Args:
        frame: an empty widget of the panel with a layout.
        show: called with a Result, shows it in its layout and views.
        names: function that returns the names of models by their references.
        confirm: asks the user a question; whether the answer is yes.
    """

    def __init__(self, frame, show: Callable[[Result], None], names: Callable, confirm: Callable[[str], bool]) -> None:
        self.ui = loadInto(frame, UI_FOLDER / "MedSSLResults.ui")
        self._showResult, self._names, self._confirm = show, names, confirm
        self._rows: list[Result] = []
        self._observed: list[tuple] = []
        self._cleared: Cleared | None = None
        self._runner: StepRunner | None = None  # looks at segmentations, one an event loop
        ui = self.ui
        prepareTable(ui.resultsTable, [_("Result"), _("Images")])
        ui.resultsTable.setProperty("nameColumn", 1)
        softLabel(ui.resultsCard)
        showError(ui.resultsError, None)
        ui.resultsTable.connect("itemSelectionChanged()", self._update)
        ui.resultsTable.connect("itemChanged(QTableWidgetItem*)", self._onTicked)
        ui.resultsTable.connect("cellDoubleClicked(int,int)", lambda _row, _column: self.show())
        for button, slot in (
            (ui.showResultButton, self.show), (ui.clearButton, self.clear), (ui.clearAllButton, self.clearAll),
            (ui.undoButton, self.undo),
        ):  # fmt: skip
            button.connect("clicked(bool)", lambda _checked, slot=slot: slot())
            narrow(button)
        self._watch = SceneWatch(self.refresh)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._tick)
        self.refresh()

    @property
    def results(self) -> list[Result]:
        """Those that are listed, in their order."""
        return list(self._rows)

    @property
    def chosen(self) -> Result | None:
        """The one of the selected row."""
        row = self.ui.resultsTable.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) and self.ui.resultsTable.selectedItems() else None

    def refresh(self) -> None:
        """List what the scene holds."""
        before = self.chosen.key if self.chosen is not None else ""
        known = {result.key for result in self._rows}
        self._observe([])
        self._rows = results()
        table = self.ui.resultsTable
        wasBlocked = table.blockSignals(True)
        table.setRowCount(len(self._rows))
        for row, result in enumerate(self._rows):
            self._fill(row, result)
        fitTable(table, 1)
        fitHeight(table, MOST_ROWS)
        new = next((row for row, result in enumerate(self._rows) if result.key not in known), None)
        kept = next((row for row, result in enumerate(self._rows) if result.key == before), None)
        chosen = new if new is not None else kept if kept is not None else 0
        if self._rows:
            table.setCurrentCell(chosen, 1)
        table.blockSignals(wasBlocked)
        self._observe([node for result in self._rows for node in (*result.overlays, *result.layers)])
        self._update()

    def show(self) -> None:
        """Show the selected result in its layout and views."""
        self._try(lambda: self._showResult(self.chosen) if self.chosen is not None else None)

    def clear(self) -> None:
        """Take the selected result out of the scene."""
        if self.chosen is None:
            return
        question = _("This segmentation was corrected since the model made it. Remove it with the corrections?")
        if not self.chosen.complete:
            question = _(
                "The volume of this segmentation is gone, so it may have been corrected. Remove it all the same?"
            )
        if not isUsers(self.chosen) or self._confirm(question):
            self._clear([self.chosen])

    def clearAll(self) -> None:
        """Take all results out of the scene but those that the user has worked on."""
        self._stop()
        self._runner = StepRunner(_untouchedSteps(self.results), None, self._clearThese, self._showError)
        self._runner.start()

    def undo(self) -> None:
        """Bring back what was cleared last."""
        if self._cleared is not None:
            self._try(lambda: bringBack(self._cleared))
            self._cleared = None
            self.refresh()

    def forgetScene(self) -> None:
        """The scene is closed: nothing of it can be brought back."""
        self._stop()
        self._cleared, self._rows = None, []
        self._observe([])
        self.ui.resultsTable.setRowCount(0)
        self._update()

    def close(self) -> None:
        """The panel goes away."""
        self._stop()
        self._watch.close()
        self._timer.stop()
        self._timer.disconnect("timeout()", self._tick)  # a connection left would keep this object for ever
        self._observe([])

    def _fill(self, row: int, result: Result) -> None:
        tip = resultCard(result, self._names())
        for column, text in enumerate((kindTitles().get(result.kind, result.kind), imageNames(result))):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(f"{text}\n{tip}")
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
            if column == 0 and result.covers:
                item.setCheckState(qt.Qt.Checked if isShown(result) else qt.Qt.Unchecked)
            self.ui.resultsTable.setItem(row, column, item)

    def _onTicked(self, item) -> None:
        if item.column() == 0 and self._rows[item.row()].covers:
            self._try(lambda: setShown(self._rows[item.row()], item.checkState() == qt.Qt.Checked))

    def _observe(self, nodes: list[Any]) -> None:
        """Follow what is shown and hidden elsewhere, such as in Slicer's own Data module."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        for node in nodes:
            displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
            for one in (node, *displays):
                if one is not None:
                    tag = one.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_event: self._timer.start(0))
                    self._observed.append((one, tag))

    def _tick(self) -> None:
        """Bring the ticks in line with the scene."""
        table = self.ui.resultsTable
        wasBlocked = table.blockSignals(True)
        for row, result in enumerate(self._rows):
            if result.covers and table.item(row, 0) is not None:
                table.item(row, 0).setCheckState(qt.Qt.Checked if isShown(result) else qt.Qt.Unchecked)
            table.item(row, 1).setText(imageNames(result))
        table.blockSignals(wasBlocked)

    def _clearThese(self, keys: set[str]) -> None:
        """Clear the results with these keys that are still there."""
        self._clear([result for result in results() if result.key in keys])

    def _stop(self) -> None:
        if self._runner is not None:
            self._runner.stop()

    def _clear(self, chosen: list[Result]) -> None:
        def remove() -> None:
            self._cleared = clear(chosen)

        self._try(remove)
        self.refresh()

    def _update(self) -> None:
        ui, result = self.ui, self.chosen
        ui.resultsSection.visible = bool(self._rows) or self._cleared is not None
        ui.resultsCard.text = breakable(resultCard(result, self._names())) if result is not None else ""
        choose = _("Choose a result first")
        gone = result is not None and bool(result.images) and not result.complete
        ui.showResultButton.enabled = result is not None and not gone
        ui.showResultButton.toolTip = (
            choose if result is None else _("An image of it was removed from the scene") if gone
            else _("Show it in the views made for it, and hide the other results of its images")
        )  # fmt: skip
        ui.clearButton.enabled = result is not None
        ui.clearButton.toolTip = choose if result is None else _("Take it out of the scene; its images stay")
        ui.clearAllButton.enabled = bool(self._rows)
        ui.clearAllButton.toolTip = (
            _("Take all results out of the scene; images, your own nodes and segmentations that you corrected stay")
            if self._rows else _("There are no results")
        )  # fmt: skip
        ui.undoButton.enabled = self._cleared is not None
        ui.undoButton.toolTip = (
            _("Bring back what was cleared last") if self._cleared is not None else _("Nothing was cleared")
        )

    def _try(self, work: Callable[[], Any]) -> None:
        self._showError(None)
        try:
            work()
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self._showError(error)

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.resultsError, error)


def _untouchedSteps(found: list[Result]) -> Steps:
    """The keys of those results that the user has not worked on; each segmentation takes a while to compare."""
    keys = set()
    for result in found:
        if result.kind == SEGMENTATION:
            yield Pause(0.0)
        if not isUsers(result):
            keys.add(result.key)
    return keys
