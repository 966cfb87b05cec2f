"""Click to find: while the user moves a point, the backend is asked again and again, one question at a time."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from MedSSLLib.steps import StepRunner, Steps, resultSteps

from medssl.client import api
from medssl.core.errors import NotFoundError
from medssl.core.requests import SimilarityRequest
from MedSSLInferenceLib.runs.radiographRun import LIVE_POLL_S, LIVE_WAIT_S, pixelInside, refSteps, showSimilarity
from MedSSLInferenceLib.scene.comparison.radiographGroup import FIND, RadiographGroup
from MedSSLInferenceLib.scene.pixelGeometry import insideImage, worldToPixel

EVENTS = (slicer.vtkMRMLMarkupsNode.PointModifiedEvent, slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent)


class LiveSearch:
    """Follows the points of a group; the latest position wins, older ones that were not asked yet are dropped.

    Args:
        options: function that returns model, dense, device: fields of SimilarityRequest.
        onMoved: called with (image number, pixel) of every move, before any answer.
        onFound: called with (source number, Similarity).
        onFailed: called with an error; the next move asks again.
    """

    def __init__(self, options: Callable[[], dict], onMoved: Callable, onFound: Callable, onFailed: Callable) -> None:
        self._options, self._onMoved, self._onFound, self._onFailed = options, onMoved, onFound, onFailed
        self.transport = self.group = None
        self._observed: list[tuple] = []
        self._wanted, self._runner = None, None
        self._refs, self._state = (), None

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._runner is not None

    def follow(self, group: RadiographGroup | None) -> None:
        """Watch the points of a group from now on; None: of none."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        if group is None or group != self.group:
            self.stop()
        self.group, self._observed = group, []
        for number, node in enumerate(group.all(FIND) if group is not None else ()):
            for event in EVENTS if node is not None else ():
                tag = node.AddObserver(event, lambda *_event, number=number: self.moved(number))
                self._observed.append((node, tag))

    def moved(self, number: int) -> None:
        """The point of an image is somewhere else: ask for it."""
        node = self.group.get(FIND, number) if self.group is not None else None
        if node is None or node.GetNumberOfDefinedControlPoints() == 0 or not self.group.complete:
            return
        position = node.GetNthControlPointPositionWorld(0)
        pixel = worldToPixel(self.group.images[number], position)
        if insideImage(self.group.images[number], pixel):
            self._onMoved(number, pixel)
        self._wanted = (number, tuple(position))
        self._ask()

    def stop(self) -> None:
        """Drop the question under way."""
        if self._runner is not None:
            self._runner.stop()
        self._wanted = self._runner = None

    def _ask(self) -> None:
        if self._runner is not None or self._wanted is None or self.transport is None:
            return
        (number, position), self._wanted = self._wanted, None
        steps = self._steps(self.group, number, position, self._options())
        self._runner = StepRunner(steps, self.transport, lambda status: self._found(number, status), self._failed)
        self._runner.start()

    def _steps(self, group: RadiographGroup, number: int, position, options: dict) -> Steps:
        x, y = pixelInside(group.images[number], position)
        refs = yield from self._refSteps(group)
        request = SimilarityRequest(refs, x=x, y=y, source=number, **options)
        status = yield api.similarity(request, LIVE_WAIT_S)
        return (yield from resultSteps(status, lambda: False, lambda *_progress: None, LIVE_POLL_S))

    def _refSteps(self, group: RadiographGroup) -> Steps:
        """References of the images; asked for once as long as they stay as they are."""
        state = (group.key, [(image.GetID(), image.GetImageData().GetMTime()) for image in group.images])
        if state != self._state:
            self._refs = yield from refSteps(group.images, self.transport)
            self._state = state
        return self._refs

    def _found(self, number: int, status) -> None:
        self._runner = None
        if self.group is None or not self.group.complete:
            return
        try:
            similarity = showSimilarity(self.group, number, status)
            self._onFound(number, similarity)
        except Exception as error:  # the border of Qt's event loop
            self._onFailed(error)
        self._ask()

    def _failed(self, error: Exception) -> None:
        self._runner = None
        if isinstance(error, NotFoundError):
            self._state = None  # another server, or one that has forgotten the images
        self._onFailed(error)
        self._ask()
