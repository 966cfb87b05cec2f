"""Waiting for the backend as generators without I/O: written once, carried out by the console, the panel or a test.

A conversation yields calls and receives their answers; a `Pause` asks to wait. `converse` carries one out through a
function that sends and returns the answer; the panel leaves both to Qt's event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from medssl.core.errors import CancelledError, from_dict
from medssl.core.protocol import (
    CANCELLED,
    CANCELLED_EVENT,
    END_STATES,
    FAILED,
    FAILED_EVENT,
    FINISHED_EVENT,
    INTERRUPTED,
    JobView,
    ResultStatus,
)

LAST_EVENTS = (FINISHED_EVENT, FAILED_EVENT, CANCELLED_EVENT)

OnProgress = Callable[[float, str], None]
OnView = Callable[[JobView], None]
OnEvents = Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True)
class Pause:
    """Nothing to ask for a while."""

    seconds: float


class Calls(Protocol):
    """The calls that polling makes; the module `medssl.client.api` has them."""

    def job(self, job_id: str) -> Any:
        """Ask for a `JobView`."""

    def events(self, job_id: str, after: int = 0) -> Any:
        """Ask for a job's events from a number on."""

    def result(self, result_id: str) -> Any:
        """Ask for a `ResultStatus`."""

    def cancel_result(self, result_id: str) -> Any:
        """Ask an inspection to stop; answered with a `ResultStatus`."""


def _ignore(*_arguments: Any) -> None:
    """Nobody listens."""


def follow_result(
    calls: Calls,
    result: ResultStatus,
    poll_s: float,
    on_progress: OnProgress = _ignore,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Any, Any, ResultStatus]:
    """Follow an inspection to its end; returns the finished `ResultStatus`.

    Args:
        calls: makes the calls.
        result: what the request was answered with.
        poll_s: pause between two looks.
        on_progress: called with the fraction 0…1 and a message at every look.
        stopped: whether the user has asked to stop meanwhile; the backend is asked to, once.

    Raises:
        MedSSLError: what made it fail.
        CancelledError: it was cancelled.
    """
    asked = False
    while result.state not in END_STATES:
        on_progress(result.progress, result.message)
        if stopped() and not asked:
            result, asked = (yield calls.cancel_result(result.id)), True
        else:
            yield Pause(poll_s)
            result = yield calls.result(result.id)
    raise_unless_finished(result.state, result.error, result.kind)
    return result


def follow_job(
    calls: Calls,
    job_id: str,
    poll_s: float,
    on_events: OnEvents = _ignore,
    on_view: OnView = _ignore,
    after: int = 0,
) -> Generator[Any, Any, JobView]:
    """Follow a job until it has ended or was interrupted; returns its last view, whatever its state.

    Args:
        calls: makes the calls.
        job_id: of the job.
        poll_s: pause between two looks.
        on_events: called with the events that are new, in order, each once.
        on_view: called with the view of every look, after its events.
        after: number of the first event to ask for.
    """
    while True:
        view: JobView = yield calls.job(job_id)  # before the events, so that the last ones are not missed
        answer = yield calls.events(job_id, after)
        after, events = answer["next"], answer["events"]
        if events:
            on_events(events)
        on_view(view)
        ended = view.status.state in (*END_STATES, INTERRUPTED)
        if ended and not events:
            return view
        yield Pause(0.0 if ended or (events and events[-1].get("type") in LAST_EVENTS) else poll_s)


def raise_unless_finished(state: str, error: dict[str, str] | None, name: str) -> None:
    """Raise what a job or an inspection ended with, unless it finished or is still going on.

    Raises:
        MedSSLError: what made it fail.
        CancelledError: it was cancelled.
    """
    if state == FAILED:
        raise from_dict(error or {})
    if state == CANCELLED:
        raise CancelledError(name)


def converse(conversation: Generator[Any, Any, Any], send: Callable[[Any], Any], sleep: Callable[[float], None]) -> Any:
    """Carry out a conversation with functions that wait; returns what it returns.

    Args:
        conversation: yields calls and pauses.
        send: sends a call and returns its answer; what it raises is raised inside the conversation.
        sleep: waits some seconds.
    """
    resume, argument = conversation.send, None
    while True:
        try:
            step = resume(argument)
        except StopIteration as end:
            return end.value
        resume, argument = conversation.send, None
        if isinstance(step, Pause):
            sleep(step.seconds)
            continue
        try:
            argument = send(step)
        except Exception as error:  # the conversation may have an answer to it
            resume, argument = conversation.throw, error
