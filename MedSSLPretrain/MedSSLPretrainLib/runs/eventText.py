"""Events of a job as lines of the panel's log."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _


def eventText(event: dict[str, Any]) -> str:
    """One line, or "" for an event that the chart shows better."""
    kind = event["type"]
    maker = _MAKERS.get(kind)
    if maker is None:
        return ""
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    return f"{clock}  {maker(event)}"


def durationText(seconds: float) -> str:
    """1 h 05 min, 3 min 20 s, 40 s."""
    seconds = round(seconds)
    if seconds >= 3600:
        return _("{h} h {m:02d} min").format(h=seconds // 3600, m=seconds % 3600 // 60)
    if seconds >= 60:
        return _("{m} min {s:02d} s").format(m=seconds // 60, s=seconds % 60)
    return _("{s} s").format(s=seconds)


def _started(event) -> str:
    text = _(
        "Started on {device} ({precision}): {steps} steps, {training} volumes for training, {validation} for validation"
    )
    return text.format(**{k: event.get(k, "?") for k in ("device", "precision", "steps", "training", "validation")})


def _metric(event) -> str:
    """Of a training on several sets: what holds for all of them, and the AUC of each; the chart has the rest."""
    families = ("loss_", "auc_", "student_loss_", "student_auc_")
    auc = {name.removeprefix("auc_"): value for name, value in event.items() if name.startswith("auc_")}
    whole = {name: value for name, value in event.items() if not name.startswith(families)}
    values = _numbers({**whole, **({"AUC": auc} if auc else {})})
    return _("Step {step}: {values}").format(step=event["step"], values=values)


def _numbers(event, within: str = "") -> str:
    """Every number of an event with its name; groups of numbers go with their names before them."""
    titles = {"validation_loss": _("validation"), "constant_mean_loss": _("constant mean")}
    found = []
    for name, value in event.items():
        title = within + titles.get(name, name.replace("_", " "))
        if isinstance(value, dict):
            found.append(_numbers(value, f"{title} "))
        elif isinstance(value, float) and name != "time":
            found.append(f"{title} {value:.4f}")
    return ", ".join(part for part in found if part)


def _warning(event) -> str:
    return _("Warning: {message} {remedy}").format(message=event.get("message", ""), remedy=event.get("remedy", ""))


_MAKERS = {
    "started": _started,
    "resumed": lambda e: _("Resumed at step {step}").format(step=e["step"]),
    "metric": _metric,
    "checkpoint": lambda e: _("Checkpoint at step {step}").format(step=e["step"]),
    "warning": _warning,
    "transfer": lambda e: e.get("text", ""),
    "evaluation": lambda e: _("Evaluation: {values}").format(values=_numbers(e)),
    "finished": lambda e: _("Finished at step {step}").format(step=e["step"]),
    "failed": lambda e: _("Failed: {message}").format(message=e["error"].get("message", "")),
    "cancelled": lambda e: _("Cancelled at step {step}").format(step=e["step"]),
}
