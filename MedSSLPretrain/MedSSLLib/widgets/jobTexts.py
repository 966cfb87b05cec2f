"""What the panels say of a job: its kind, its state, how far it is, how long it takes."""

from __future__ import annotations

import time

from slicer.i18n import tr as _

from medssl.core.protocol import CANCELLED, FAILED, FINISHED, INTERRUPTED, QUEUED, RUNNING, JobStatus, JobView

DAY_S = 24 * 3600


def kindTitles() -> dict[str, str]:
    """Kinds of jobs in the user's language."""
    return {
        "pretrain": _("pretrain"), "finetune": _("fine-tune"), "ensemble": _("ensemble"), "probe": _("probe"), "apply": _("apply"),
        "compare": _("compare"), "batch": _("batch"),
    }  # fmt: skip


def stateTitles() -> dict[str, str]:
    """States in the user's language."""
    return {
        QUEUED: _("queued"), RUNNING: _("running"), FINISHED: _("finished"), FAILED: _("failed"),
        CANCELLED: _("cancelled"), INTERRUPTED: _("interrupted"),
    }  # fmt: skip


def nameOf(view: JobView) -> str:
    """What the user called a job; of one without a name, what it does and when that began."""
    if view.spec.name:
        return view.spec.name
    kind = kindTitles().get(view.spec.kind, view.spec.kind)
    return _("{kind} of {when}").format(kind=kind, when=whenText(view.status.created))


def progressText(status: JobStatus) -> str:
    """Of a running job: how far it is, and how long it goes on."""
    if status.state == QUEUED:
        return _("waits for the device")
    if not status.steps:
        return ""
    text = _("step {step} of {steps}").format(step=status.step, steps=status.steps)
    return text + (_(", {time} left").format(time=durationText(status.eta_s)) if status.eta_s is not None else "")


def durationText(seconds: float) -> str:
    """1 h 05 min, 3 min 20 s, 40 s."""
    seconds = round(seconds)
    if seconds >= 3600:
        return _("{h} h {m:02d} min").format(h=seconds // 3600, m=seconds % 3600 // 60)
    if seconds >= 60:
        return _("{m} min {s:02d} s").format(m=seconds // 60, s=seconds % 60)
    return _("{s} s").format(s=seconds)


def whenText(seconds: float, now: float | None = None) -> str:
    """A time in few characters: 14:05 of the last hours, else 18 Nov, of another year 2024-11-18."""
    now, then = time.time() if now is None else now, time.localtime(seconds)
    if abs(now - seconds) < DAY_S and time.localtime(now).tm_yday == then.tm_yday:
        return time.strftime("%H:%M", then)
    if time.localtime(now).tm_year != then.tm_year:
        return time.strftime("%Y-%m-%d", then)
    return f"{then.tm_mday} {time.strftime('%b', then)}"
