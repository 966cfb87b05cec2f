"""While the user moves, adds or removes points, the backend is asked again: one question at a time, the latest counts."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from MedSSLLib.steps import StepRunner, Steps, resultSteps

from medssl.client import api
from medssl.core.errors import NotFoundError
from medssl.core.requests import CorrespondVolumesRequest
from MedSSLInferenceLib.runs.placesRun import mapName, refSteps
from MedSSLInferenceLib.runs.radiographRun import LIVE_POLL_S, LIVE_WAIT_S
from MedSSLInferenceLib.scene.comparison.placeNodes import Places

Markups = slicer.vtkMRMLMarkupsNode
MOVES = (Markups.PointModifiedEvent, Markups.PointPositionDefinedEvent, Markups.PointRemovedEvent)


class MovedPoint:
    """Follows the points of a search. While one is dragged the grid answers, at its end a closer look.

    Args:
        options: function that returns further fields of CorrespondVolumesRequest, model among them.
        onFound: called with the positions that were asked for, the rows of the answer, and the bytes of the map of the point that
            moved last.
        onFailed: called with an error; the next move asks again.
    """

    def __init__(self, options: Callable[[], dict], onFound: Callable, onFailed: Callable) -> None:
        self._options, self._onFound, self._onFailed = options, onFound, onFailed
        self.transport, self.places, self.latest = None, None, 0
        self._observed: tuple = ()
        self._known: list[tuple] = []
        self._wanted, self._runner = None, None

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._runner is not None

    def follow(self, places: Places | None) -> None:
        """Watch the points of a search from now on; None: of none. What is asked already is known."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        if places is None or places != self.places:
            self.stop()
            self.latest = 0
        self.places, self._observed = places, ()
        if places is not None:
            node = places.points
            self._known = places.positions()
            tags = [(event, lambda *_event: self._moved(refine=False)) for event in MOVES]
            tags.append((Markups.PointEndInteractionEvent, lambda *_event: self._moved(refine=True, again=True)))
            self._observed = tuple((node, node.AddObserver(event, called)) for event, called in tags)

    def stop(self) -> None:
        """Drop the question under way."""
        if self._runner is not None:
            self._runner.stop()
        self._wanted = self._runner = None

    def ask(self, refine: bool = True) -> None:
        """Ask for all points, as when a setting has changed."""
        if self.places is not None and self.places.complete and self._known:
            self._wanted = (list(self._known), refine)
            self._next()

    def _moved(self, refine: bool, again: bool = False) -> None:
        if self.places is None or not self.places.complete:
            return
        positions = self.places.positions()
        if positions == self._known and not again:  # a label or a colour
            return
        moved = [n for n, one in enumerate(positions) if n >= len(self._known) or one != self._known[n]]
        self.latest = moved[-1] if moved else min(self.latest, max(len(positions) - 1, 0))
        self._known = positions
        if not positions:
            self.stop()
            self._onFound([], [], b"")
            return
        self.ask(refine)

    def _next(self) -> None:
        if self._runner is not None or self._wanted is None or self.transport is None:
            return
        (positions, refine), self._wanted = self._wanted, None
        steps = self._steps(self.places, positions, refine, self.latest)
        self._runner = StepRunner(steps, self.transport, lambda value: self._found(positions, *value), self._failed)
        self._runner.start()

    def _steps(self, places: Places, positions: list[tuple], refine: bool, latest: int) -> Steps:
        refs = yield from refSteps((places.source, places.target), self.transport)
        latest = min(latest, len(positions) - 1)
        options = {**self._options(), "refine": refine, "map_of": latest}
        request = CorrespondVolumesRequest(refs, points=tuple(positions), **options)
        status = yield api.correspond_volumes(request, LIVE_WAIT_S)
        status = yield from resultSteps(status, lambda: False, lambda *_progress: None, LIVE_POLL_S)
        name = mapName(latest)
        return status.table, (yield api.result_file(status.id, name)) if name in status.files else b""

    def _found(self, positions: list[tuple], rows, data: bytes) -> None:
        self._runner = None
        if self.places is None or not self.places.complete:
            return
        try:
            if len(positions) == len(self.places.positions()):  # else the next answer is on its way
                self._onFound(positions, rows, data)
        except Exception as error:  # the border of Qt's event loop
            self._onFailed(error)
        self._next()

    def _failed(self, error: Exception) -> None:
        self._runner = None
        if isinstance(error, NotFoundError):
            self._wanted = None  # another server, or one that has forgotten the volumes: the next move sends them
        self._onFailed(error)
        self._next()
