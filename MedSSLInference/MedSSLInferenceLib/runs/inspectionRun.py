"""One inspection on its way: start it, follow it, make its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.steps import StepRunner, Steps, runSteps


class InspectionRun:
    """A conversation with the backend whose answer becomes nodes of the scene.

    Args:
        conversation: function (transport, stopped) -> Steps; `stopped()` says whether the user wants to stop.
        createNodes: makes the nodes of what the conversation returns; called in the event loop or by `wait`.
    """

    def __init__(self, conversation: Callable[[Any, Callable[[], bool]], Steps], createNodes: Callable) -> None:
        self._conversation, self._createNodes = conversation, createNodes
        self._stopped, self._runner = False, None

    def wait(self, transport) -> Any:
        """Run to the end through a blocking transport, and make the nodes."""
        return self._createNodes(runSteps(self._steps(transport), transport))

    def start(self, transport, onFinished: Callable, onFailed: Callable) -> InspectionRun:
        """Run through an asynchronous transport; `onFinished(nodes)` or `onFailed(error)` follows."""

        def finished(value) -> None:
            try:
                nodes = self._createNodes(value)
            except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
                onFailed(error)
            else:
                onFinished(nodes)

        self._runner = StepRunner(self._steps(transport), transport, finished, onFailed)
        self._runner.start()
        return self

    def cancel(self) -> None:
        """Ask the backend to stop; `onFailed(CancelledError)` follows."""
        self._stopped = True

    def stop(self) -> None:
        """Follow no further."""
        self._runner.stop()

    def _steps(self, transport) -> Steps:
        return self._conversation(transport, lambda: self._stopped)
