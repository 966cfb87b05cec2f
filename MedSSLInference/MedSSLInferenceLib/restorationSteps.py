"""A restoration as a conversation with the backend, written once for the panel and for the console."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.steps import Pause, Steps

from medssl.errors import CancelledError, from_dict
from medssl.protocol import CANCELLED, END_STATES, FAILED, ResultStatus

POLL_S = 0.3


def restorationSteps(api, upload: Steps, request, stopped: Callable[[], bool], progress: Callable[[float, str], None]):
    """Upload the volume, ask for the restoration, follow it, fetch its images.

    Args:
        api: `medssl.client.api`: builds calls, makes none.
        upload: the steps that bring the volume to the backend; they end with its VolumeRef.
        request: function of that VolumeRef that makes the RestoreRequest.
        stopped: whether the user has asked to stop meanwhile.
        progress: told the fraction 0...1 and a message.

    Returns:
        (request, ResultStatus, {image: NRRD bytes}), as the generator's value.

    Raises:
        CancelledError: `stopped` said so.
        MedSSLError: what the backend reports.
    """
    progress(0.0, "")
    sent = request((yield from upload))
    status = yield api.restore(sent)
    asked = False
    while status.state not in END_STATES:
        progress(status.progress, status.message)
        if stopped() and not asked:
            status, asked = (yield api.cancel_result(status.id)), True
        else:
            yield Pause(POLL_S)
            status = yield api.result(status.id)
    _raiseUnlessFinished(status)
    images = {}
    for name in status.files:
        if name.endswith(".nrrd"):
            images[name.removesuffix(".nrrd")] = yield api.result_file(status.id, name)
    return sent, status, images


def _raiseUnlessFinished(status: ResultStatus) -> None:
    if status.state == CANCELLED:
        raise CancelledError(status.kind)
    if status.state == FAILED:
        raise from_dict(status.error or {})
