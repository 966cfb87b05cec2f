"""An inspection as a conversation with the backend, written once for the panel and for the console."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.steps import Pause, Steps

from medssl.client import api
from medssl.core.errors import CancelledError, from_dict
from medssl.core.protocol import CANCELLED, END_STATES, FAILED, ResultStatus

POLL_S = 0.3

Progress = Callable[[float, str], None]


def followSteps(status: ResultStatus, stopped: Callable[[], bool], progress: Progress, poll: float = POLL_S) -> Steps:
    """Follow an inspection to its end; returns the last ResultStatus.

    Args:
        status: what the request was answered with.
        stopped: whether the user has asked to stop meanwhile.
        progress: told the fraction 0...1 and a message.

    Raises:
        CancelledError: `stopped` said so.
        MedSSLError: what the backend reports.
    """
    asked = False
    while status.state not in END_STATES:
        progress(status.progress, status.message)
        if stopped() and not asked:
            status, asked = (yield api.cancel_result(status.id)), True
        else:
            yield Pause(poll)
            status = yield api.result(status.id)
    if status.state == CANCELLED:
        raise CancelledError(status.kind)
    if status.state == FAILED:
        raise from_dict(status.error or {})
    return status


def imageSteps(status: ResultStatus) -> Steps:
    """Fetch the images of a finished inspection: {name without suffix: NRRD bytes}."""
    images = {}
    for name in status.files:
        if name.endswith(".nrrd"):
            images[name.removesuffix(".nrrd")] = yield api.result_file(status.id, name)
    return images
