"""Events of a job as lines of the panel's log."""

from __future__ import annotations

import time
from typing import Any

from MedSSLLib.widgets.counted import counted, sentence
from slicer.i18n import tr as _


def eventText(event: dict[str, Any]) -> str:
    """One line, or "" for an event that the chart shows better."""
    kind = event["type"]
    maker = _MAKERS.get(kind)
    if maker is None:
        return ""
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    return f"{clock}  {maker(event)}"


def _started(event) -> str:
    steps = counted(event.get("steps", 0), _("{count} step"), _("{count} steps"))
    return _("Started on {device} ({precision}): {steps}, {images} for training, {validation} for validation").format(
        device=event.get("device", "?"), precision=event.get("precision", "?"), steps=steps, images=_images(event),
        validation=event.get("validation", "?"),
    )  # fmt: skip


def _images(event) -> str:
    """How many volumes or radiographs train; images, where the event does not tell which."""
    config, count = event.get("config") or {}, event.get("training", 0)
    if "cube" in config:
        return counted(count, _("{count} volume"), _("{count} volumes"))
    if config and "parameters" not in event:  # tasks, which learn from both, say how many parameters there are
        return counted(count, _("{count} radiograph"), _("{count} radiographs"))
    return counted(count, _("{count} image"), _("{count} images"))


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


def _fold(event) -> str:
    """How the network of a fold did by itself."""
    text = _("Fold {fold} of {folds} is trained: {values}")
    titles = {"validation": _("validation Dice"), "test": _("test Dice")}
    values = ", ".join(f"{title} {event[part]:.4f}" for part, title in titles.items() if event.get(part) is not None)
    return text.format(fold=event["fold"], folds=event["folds"], values=values or _("nothing was measured"))


def _warning(event) -> str:
    """What is wrong, and in a line of its own what to do."""
    text = _("Warning: {message}").format(message=sentence(event.get("message", "")))
    remedy = sentence(event.get("remedy", ""))
    return f"{text}\n          {remedy}" if remedy else text


_MAKERS = {
    "started": _started,
    "resumed": lambda e: _("Resumed at step {step}").format(step=e["step"]),
    "metric": _metric,
    "fold": _fold,
    "checkpoint": lambda e: _("Checkpoint at step {step}").format(step=e["step"]),
    "warning": _warning,
    "transfer": lambda e: e.get("text", ""),
    "evaluation": lambda e: _("Evaluation: {values}").format(values=_numbers(e)),
    "verdict": lambda e: e.get("text", ""),
    "finished": lambda e: _("Finished at step {step}").format(step=e["step"]),
    "failed": lambda e: _("Failed: {message}").format(message=e["error"].get("message", "")),
    "cancelled": lambda e: _("Cancelled at step {step}").format(step=e["step"]),
}
