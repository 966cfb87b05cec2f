"""Conversations with the backend as generators: written once, carried out by the panel or by the console.

A conversation yields `Call`s of `medssl.client.api` and receives their answers; a `Pause` asks to wait. The console
sends one after another (`runSteps`), the panel leaves the waiting to Qt's event loop (`StepRunner`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import qt
import slicer

from medssl.client import api, polling
from medssl.client.polling import Pause
from medssl.core.errors import CancelledError
from medssl.core.protocol import ResultStatus

Steps = Generator[Any, Any, Any]

RESULT_POLL_S = 0.2  # between two looks at an inspection
SENDING = ("HEAD", "PUT")  # how calls bring an image to the backend: whether it is there, and its pieces
SECOND_MS = 1000  # of a pause: tests whose backend answers at once shorten it


@dataclass(frozen=True)
class Progress(Pause):
    """A conversation says how far it is, and lets the event loop have its turn."""

    seconds: float = 0.0
    fraction: float = 0.0  # 0...1
    message: str = ""


def patientSleep(seconds: float) -> None:
    """Wait without freezing Slicer: its events are processed meanwhile."""
    end = time.monotonic() + seconds
    slicer.app.processEvents()
    while (rest := end - time.monotonic()) > 0:
        time.sleep(min(rest, 0.05))
        slicer.app.processEvents()


def runSteps(steps: Steps, transport=None, sleep: Callable[[float], None] = patientSleep) -> Any:
    """Carry out a conversation through a blocking transport; returns what it returns.

    Args:
        transport: None: the conversation only pauses.

    Raises:
        MedSSLError: what the backend reported, or that it does not answer.
    """
    return polling.converse(steps, transport.send if transport is not None else _refuse, sleep)


def _refuse(call) -> None:
    raise AssertionError(f"a conversation without a backend asks for {call}")


def resultSteps(
    result: ResultStatus,
    stopped: Callable[[], bool] = lambda: False,
    onProgress: Callable[[float, str], None] = lambda *_: None,
    pollSeconds: float = RESULT_POLL_S,
) -> Steps:
    """Follow an inspection to its end; returns the finished ResultStatus.

    Args:
        result: what the request was answered with.
        stopped: whether the user has asked to stop meanwhile.
        onProgress: called with the fraction 0...1 and a message.
        pollSeconds: between two looks.

    Raises:
        CancelledError: `stopped` said so.
        MedSSLError: what the backend reports.
    """
    return polling.follow_result(api, result, pollSeconds, onProgress, stopped)


def fileSteps(result: ResultStatus, ending: str) -> Steps:
    """Fetch the files of a finished inspection whose names end so: {name without the ending: bytes}."""
    files = {}
    for name in result.files:
        if name.endswith(ending):
            files[name.removesuffix(ending)] = yield api.result_file(result.id, name)
    return files


def isSending(call) -> bool:
    """Whether a call only brings an image to the backend."""
    return call.method in SENDING


def isNeedless(call) -> bool:
    """Whether a call is for nothing where nobody waits for an inspection: it sends, begins it, or fetches a file of it."""
    fetches = call.method == "GET" and call.path.startswith("/results/") and call.path.count("/") > 2
    return isSending(call) or fetches or call.path.startswith("/inspect/")


class StepRunner:
    """Carries out a conversation from Qt's event loop; `onDone(value)` or `onError(error)` is called once.

    Args:
        steps: the conversation.
        transport: sends a call with `send(call, onDone, onError)` and returns at once.
        stopped: whether the user has asked to stop: no further piece of an image is sent then, and `onError` gets a
            CancelledError. What the backend has begun, the conversation itself asks it to stop.
        dropped: which calls are not sent any more then.
        onProgress: called with the fraction 0...1 and the message of every Progress of the conversation.
    """

    def __init__(
        self,
        steps: Steps,
        transport,
        onDone: Callable,
        onError: Callable,
        stopped: Callable[[], bool] = lambda: False,
        dropped: Callable[[Any], bool] = isSending,
        onProgress: Callable[[float, str], None] = lambda *_: None,
    ) -> None:
        self._steps, self._transport, self._dropped, self._onProgress = steps, transport, dropped, onProgress
        self._onDone, self._onError, self._stopped = onDone, onError, stopped
        self.running = True

    def start(self) -> StepRunner:
        """Ask the first question."""
        self._advance()
        return self

    def stop(self) -> None:
        """Drop the conversation; neither callback is called any more."""
        self.running = False

    def _advance(self, answer: Any = None) -> None:
        self._continue(lambda: self._steps.send(answer))

    def _fail(self, error: Exception) -> None:
        self._continue(lambda: self._steps.throw(error))

    def _continue(self, resume: Callable[[], Any]) -> None:
        if not self.running:
            return
        try:
            step = resume()
        except StopIteration as end:
            self.running = False
            self._finish(end.value)
        except Exception as error:  # the border of Qt's event loop: what passes it is printed and lost
            self.running = False
            self._onError(error)
        else:
            self._carryOut(step)

    def _finish(self, value: Any) -> None:
        try:
            self._onDone(value)
        except Exception as error:  # as above: the answer is there, but cannot be shown
            self._onError(error)

    def _carryOut(self, step: Any) -> None:
        if not self.running:  # stopped by a callback of the conversation meanwhile
            return
        if isinstance(step, Progress):
            self._onProgress(step.fraction, step.message)
        if isinstance(
            step, Pause
        ):  # a timer of our own, once connected, would keep this object alive and be kept by it
            qt.QTimer.singleShot(int(step.seconds * SECOND_MS), self._advance)
        elif self._stopped() and self._dropped(step):
            self._fail(CancelledError())
        else:
            self._transport.send(step, self._advance, self._fail)


class Question:
    """An inspection that a section of the panel has asked for, until it is answered or nobody waits for it any more.

    Who waits no more leaves it: the backend is asked to stop, since later inspections wait behind it.

    Args:
        makeSteps: (stopped, onProgress) -> the conversation; both are for `resultSteps`.
        transport: as of StepRunner.
        onDone, onError: one of them is called once, unless the question is left.
        onProgress: called with the fraction 0...1 and a message.
    """

    def __init__(
        self, makeSteps: Callable[..., Steps], transport, onDone: Callable, onError: Callable, onProgress: Callable
    ) -> None:
        self._left = False

        def waiting(callback: Callable) -> Callable:
            return lambda *what: None if self._left else callback(*what)

        onProgress = waiting(onProgress)
        self._runner = StepRunner(
            makeSteps(self._isLeft, onProgress), transport, waiting(onDone), waiting(onError), self._isLeft, isNeedless,
            onProgress,
        )  # fmt: skip

    def start(self) -> Question:
        """Ask."""
        self._runner.start()
        return self

    def leave(self) -> None:
        """Nobody waits any more: no callback follows, and the backend is asked to stop."""
        self._left = True

    def stop(self) -> None:
        """The panel goes away, and its transport with it: nothing more is sent."""
        self._left = True
        self._runner.stop()

    def _isLeft(self) -> bool:
        return self._left
