"""One inspection on its way: start it, follow it, make its nodes."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isgenerator
from typing import Any

from MedSSLLib.steps import StepRunner, Steps, runSteps
from slicer.i18n import tr as _

from medssl.core.errors import CancelledError


class InspectionRun:
    """A conversation with the backend whose answer becomes nodes of the scene.

    Args:
        conversation: function (transport, stopped) -> Steps; `stopped()` says whether the user wants to stop.
        createNodes: makes the nodes of what the conversation returns; a generator makes them over several event loops, and
            takes them back where it is closed before its end.
    """

    def __init__(self, conversation: Callable[[Any, Callable[[], bool]], Steps], createNodes: Callable) -> None:
        self._conversation, self._createNodes = conversation, createNodes
        self._stopped, self._runner = False, None

    def wait(self, transport) -> Any:
        """Run to the end through a blocking transport, and make the nodes."""
        return runSteps(self._steps(transport), transport)

    def start(self, transport, onFinished: Callable, onFailed: Callable) -> InspectionRun:
        """Run through an asynchronous transport; `onFinished(nodes)` or `onFailed(error)` follows."""
        self._runner = StepRunner(self._steps(transport), transport, onFinished, onFailed, lambda: self._stopped)
        self._runner.start()
        return self

    def cancel(self) -> None:
        """Send no more, or ask the backend to stop; `onFailed(CancelledError)` follows."""
        self._stopped = True

    def stop(self) -> None:
        """Follow no further."""
        self._runner.stop()

    def _steps(self, transport) -> Steps:
        value = yield from self._conversation(transport, lambda: self._stopped)
        made = self._createNodes(value)
        return (yield from self._creation(made)) if isgenerator(made) else made

    def _creation(self, steps: Steps) -> Steps:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            yield step
            if self._stopped:
                steps.close()
                raise CancelledError(_("result"))
