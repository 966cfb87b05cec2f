"""What a job's watcher reads in a pipe: a line at once, then how long it goes on, and no bar."""

from __future__ import annotations

from medssl.cli import follow, working
from medssl.cli.working import Lines
from medssl.core.protocol import RUNNING, JobStatus


def test_the_first_text_comes_at_once_and_others_now_and_then(capsys):
    now = [100.0]
    lines = Lines(lambda: now[0])
    for text in ("reading image 1 of 12", "reading image 2 of 12"):
        lines.update(text)
    now[0] += working.BETWEEN_S
    lines.update("reading image 7 of 12")
    assert capsys.readouterr().err.splitlines() == ["reading image 1 of 12", "reading image 7 of 12"]


def test_a_job_in_a_pipe(capsys):
    with follow.JobDisplay() as display:
        display.look(JobStatus(RUNNING, message="reading image 1 of 12: a[1]", steps=1))
        display.look(JobStatus(RUNNING, message="reading image 2 of 12: b", steps=1))
        display.show({"type": "loss", "step": 1, "loss": 0.5})
        display.look(JobStatus(RUNNING, message="loss 0.5", step=1, steps=60))
        display.show({"type": "estimate", "step": 6, "steps": 60, "left_s": 540.0, "message": "loss 0.4"})
        display.show({"type": "estimate", "step": 12, "steps": 60, "left_s": 480.0, "message": ""})
    assert capsys.readouterr().err.splitlines() == [
        "reading image 1 of 12: a[1]",
        "step 6 of 60 (10 %), about 9 min left, loss 0.4",
        "step 12 of 60 (20 %), about 8 min left",
    ]


def test_on_a_terminal_the_bar_shows_the_further_ones(monkeypatch, capsys):
    monkeypatch.setattr(follow.err, "_force_terminal", True)
    display = follow.JobDisplay()
    for step in (6, 12):
        display.show({"type": "estimate", "step": step, "steps": 60, "left_s": 540.0, "message": ""})
    assert display.estimated and "step 12" not in capsys.readouterr().err
