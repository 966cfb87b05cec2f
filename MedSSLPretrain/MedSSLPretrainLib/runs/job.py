"""A pretraining job for Slicer's Python console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.steps import runSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.client.polling import follow_job, raise_unless_finished
from medssl.core.errors import StateError
from medssl.core.protocol import FINISHED, INTERRUPTED, JobView
from MedSSLPretrainLib.runs.trainingSteps import JOB_POLL_S


class Job:
    """One job of the backend.

    Attributes: `id`; `view`, what was last seen of it; `events`, all of them after `wait`.
    """

    def __init__(self, view: JobView, transport, pollSeconds: float = JOB_POLL_S) -> None:
        self.view, self._transport, self._poll = view, transport, pollSeconds
        self.id, self.events = view.id, []

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.state}, step {self.view.status.step} of {self.view.status.steps}>"

    @property
    def state(self) -> str:
        """queued, running, finished, failed, cancelled or interrupted, as last seen."""
        return self.view.status.state

    @property
    def model(self) -> str:
        """What the inspections take as `model`.

        Raises:
            StateError: the job has not finished.
        """
        if self.state != FINISHED:
            raise StateError(
                self.id,
                _("has no model yet: it is {state}").format(state=self.state),
                _("Wait for it"),
                code="model-not-ready",
            )
        return self.id

    def wait(self, onEvent: Callable[[dict[str, Any]], None] = lambda event: None) -> Job:
        """Follow the job to its end, keeping Slicer responsive.

        Raises:
            MedSSLError: what made it fail.
            CancelledError: it was cancelled.
        """

        def seen(view: JobView) -> None:
            self.view = view

        def arrived(events: list[dict[str, Any]]) -> None:
            self.events += events
            for event in events:
                onEvent(event)

        runSteps(follow_job(api, self.id, self._poll, arrived, seen, len(self.events)), self._transport)
        raise_unless_finished(self.state, self.view.status.error, self.id)
        if self.state == INTERRUPTED:
            raise StateError(self.id, _("was interrupted: its process is gone"), _("Resume it"))
        return self

    def cancel(self) -> Job:
        """Ask the job to stop."""
        self.view = self._transport.send(api.cancel(self.id))
        return self
