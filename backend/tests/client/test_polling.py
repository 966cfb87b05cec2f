"""Following results and jobs, driven by hand: what is asked, in which order, and how it ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from refusals import refused

from medssl.client import api
from medssl.client.polling import Pause, converse, follow_job, follow_result
from medssl.core.errors import ResourceError
from medssl.core.protocol import DataSpec, JobSpec, JobStatus, JobView, ResultStatus

# calls as tuples: what polling asks is compared as it is
CALLS = SimpleNamespace(
    job=lambda job_id: ("job", job_id),
    events=lambda job_id, after=0: ("events", job_id, after),
    result=lambda result_id: ("result", result_id),
    cancel_result=lambda result_id: ("cancel", result_id),
)
ERROR = ResourceError("disk", "is full", "Free some space")


class Script:
    """Answers the calls of a conversation in turn; keeps what was yielded."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def send(self, call):
        self.seen.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, conversation):
        return converse(conversation, self.send, lambda seconds: self.seen.append(Pause(seconds)))


def status(state: str, progress: float = 0.0, **more) -> ResultStatus:
    return ResultStatus("r1", "restore", state, progress, f"at {progress}", **more)


def view(state: str) -> JobView:
    return JobView("j", JobSpec("pretrain", "genesis", {}, DataSpec(path="/d")), JobStatus(state), 0, ())


def events(*numbers: int, kind: str = "loss") -> dict:
    return {"events": [{"n": n, "type": kind} for n in numbers], "next": numbers[-1] + 1 if numbers else 7}


def test_a_result_is_asked_for_until_it_ends():
    script, told = Script(status("running", 0.5), status("finished", 1.0)), []
    result = script.run(follow_result(CALLS, status("queued"), 0.3, lambda *progress: told.append(progress)))
    assert result.state == "finished"
    assert script.seen == [Pause(0.3), ("result", "r1"), Pause(0.3), ("result", "r1")]
    assert told == [(0.0, "at 0.0"), (0.5, "at 0.5")]


def test_a_result_that_is_there_already_asks_nothing():
    script = Script()
    assert script.run(follow_result(CALLS, status("finished"), 0.3)).state == "finished" and not script.seen


def test_a_failed_result_raises_what_was_reported():
    with refused("resource", names="disk") as caught:
        Script(status("failed", error=ERROR.as_dict())).run(follow_result(CALLS, status("queued"), 0.3))
    assert caught.value.remedy == "Free some space"


def test_stopping_asks_once_and_goes_on_until_the_backend_has_stopped():
    script = Script(status("running"), status("running"), status("cancelled"))
    with refused("cancelled", names="restore"):
        script.run(follow_result(CALLS, status("running"), 0.3, stopped=lambda: True))
    assert [call for call in script.seen if not isinstance(call, Pause)] == [
        ("cancel", "r1"), ("result", "r1"), ("result", "r1"),
    ]  # fmt: skip


def test_a_job_is_followed_until_its_last_event():
    script = Script(
        view("running"), events(3, 4), view("running"), events(5, kind="finished"), view("finished"), events(6),
        view("finished"), events(),
    )  # fmt: skip
    arrived, looks = [], []
    last = script.run(follow_job(CALLS, "j", 1.0, arrived.extend, looks.append, after=3))
    assert last is looks[-1] and last.status.state == "finished" and len(looks) == 4
    assert [event["n"] for event in arrived] == [3, 4, 5, 6], "also those that came after the first look at the end"
    assert [call[2] for call in script.seen if call != ("job", "j") and not isinstance(call, Pause)] == [3, 5, 6, 7]
    assert [call.seconds for call in script.seen if isinstance(call, Pause)] == [1.0, 0.0, 0.0], "no wait at the end"


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_a_job_that_ended_otherwise_is_returned(state):
    assert Script(view(state), events()).run(follow_job(CALLS, "j", 1.0)).status.state == state


def test_an_error_of_the_transport_arrives_inside_the_conversation():
    def patient():
        try:
            yield "ask"
        except ResourceError:
            return (yield "ask again")

    script = Script(ERROR, "answer")
    assert script.run(patient()) == "answer" and script.seen == ["ask", "ask again"]
    with refused("resource", names="disk"):
        Script(ERROR).run(follow_result(CALLS, status("queued"), 0.0))


def test_the_client_has_the_calls_that_polling_makes():
    conversation = follow_result(api, status("queued"), 0.0)
    next(conversation)
    assert conversation.send(None).path == "/results/r1"
    assert next(follow_job(api, "j", 0.0)).path == "/jobs/j"
