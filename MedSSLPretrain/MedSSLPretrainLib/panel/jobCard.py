"""What a job is about, in a few lines: method, data, length, last loss."""

from __future__ import annotations

import html
import time
from pathlib import PurePath

from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.errorText import errorText
from MedSSLLib.widgets.fitting import breakable, elideMiddle
from MedSSLLib.widgets.jobTexts import durationText, kindTitles, nameOf, progressText, stateTitles
from MedSSLLib.widgets.modelChoice import methodTitle
from slicer.i18n import tr as _

from medssl.core.errors import from_dict
from medssl.core.protocol import QUEUED, RUNNING, DataSpec, JobView

NAMES = 3  # volumes or datasets that are named


def cardText(view: JobView, loss: float | None, verdict: str = "") -> str:
    """A job as rich text.

    Args:
        view: the job.
        loss: its last validation loss, or its last loss; None: not known.
        verdict: its result in a sentence; "": none.
    """
    lines = [
        f"<b>{_safe(nameOf(view))}</b>",
        _safe(_what(view)),
        _safe(_("Data: {data}").format(data=dataText(view.spec.data))),
        _safe(_course(view)),
    ]
    if loss is not None:
        lines.append(_("Last loss {loss}").format(loss=f"{loss:.4f}"))
    if verdict:
        lines.append(_safe(verdict))
    if view.status.error:
        lines.append(errorText(from_dict(view.status.error)))
    return "<br>".join(line for line in lines if line)


def cardTip(view: JobView) -> str:
    """What is rarely asked for: the job's number, its device, when it was asked for."""
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.status.created))
    facts = {_("Job"): view.id, _("Created"): created, _("Device"): view.status.device, _("Host"): view.status.host}
    return "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact)


def dataText(data: DataSpec) -> str:
    """A training set in a few words."""
    if data.path:
        return elideMiddle(PurePath(data.path).name or data.path)
    if data.sets:
        sets = counted(len(data.sets), _("{count} set"), _("{count} sets"))
        return f"{sets} ({_few([one.get('name', '') for one in data.sets])})"
    volumes = counted(len(data.volumes), _("{count} volume"), _("{count} volumes"))
    if data.modality == "CXR":
        volumes = counted(len(data.volumes), _("{count} radiograph"), _("{count} radiographs"))
    return f"{volumes} ({_few([volume.name for volume in data.volumes])})"


def _what(view: JobView) -> str:
    spec = view.spec
    kind = kindTitles().get(spec.kind, spec.kind)
    if spec.kind == "compare":
        return _("{kind}: {count} arms of {task}").format(
            kind=kind, count=len(spec.config.get("arms", ())), task=methodTitle(spec.config.get("task", ""))
        )
    text = _("{kind}: {method}").format(kind=kind, method=methodTitle(spec.method))
    return text + (_(", starts from {model}").format(model=elideMiddle(spec.start_from)) if spec.start_from else "")


def _course(view: JobView) -> str:
    """State, steps and time."""
    status, state = view.status, stateTitles()[view.status.state]
    if status.state in (QUEUED, RUNNING):
        return f"{state}, {progressText(status)}"
    steps = _("{step} of {steps} steps").format(step=status.step, steps=status.steps) if status.steps else ""
    took = durationText(status.ended - status.started) if status.ended > status.started > 0 else ""
    if steps and took:
        return _("{state}, {steps} in {time}").format(state=state, steps=steps, time=took)
    return ", ".join(part for part in (state, steps) if part)


def _few(names: list[str]) -> str:
    shown = [elideMiddle(name, 24) for name in names[:NAMES] if name]
    return ", ".join([*shown, "…"] if len(names) > NAMES else shown)


def _safe(text: str) -> str:
    return html.escape(breakable(text))
