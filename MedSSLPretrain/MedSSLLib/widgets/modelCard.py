"""What is known of a model, in a few short sentences: what it is for, what it learnt from, how good it is, and from when."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

from medssl.core.capabilities import CLASSES, EMBED, EXPLAIN, HEADS, PATCHES, RESTORE, SEGMENT, VOXELS
from medssl.core.geometry import Geometry, millimetres
from MedSSLLib.widgets.counted import counted

NAMED = 4  # classes that the card names; of more it tells the number


def day(model: dict[str, Any]) -> str:
    """When a model was made, as a date; "" where that is not known."""
    created = model.get("created") or 0
    return time.strftime("%Y-%m-%d", time.localtime(created)) if created > 86400 else ""


def shortDay(model: dict[str, Any]) -> str:
    """The same, short enough for a list: the day of this year, or the month of another."""
    if not day(model):
        return ""
    made = time.localtime(model["created"])
    return time.strftime("%d %b" if made.tm_year == time.localtime().tm_year else "%b %Y", made)


def cardText(model: dict[str, Any], method: str) -> str:
    """The sentences.

    Args:
        model: an entry of `GET /models`.
        method: what its method or task is called.
    """
    plan = model.get("plan") or {}
    if not model.get("can"):
        return _("A weight file of another origin: it is looked into when it is used.")
    parts = [_uses(model, method), _together(plan), _learntFrom(plan), _sees(plan), _measured(model), _made(model)]
    return " ".join(part for part in parts if part)


def _uses(model: dict[str, Any], method: str) -> str:
    does = {
        RESTORE: _("restores volumes"), PATCHES: _("compares radiographs"), SEGMENT: _("segments"),
        VOXELS: _("finds places in volumes"),
        CLASSES: _("classifies"), HEADS: _("predicts findings"), EXPLAIN: _("shows where"), EMBED: _("finds similar cases"),
    }  # fmt: skip
    words = [text for capability, text in does.items() if capability in model["can"]]
    names = _classes(model.get("plan") or {})
    text = _("{method}: {uses}.").format(method=method or _("Model"), uses=", ".join(words) or _("gives descriptors"))
    return f"{text} {names}" if names else text


def _classes(plan: dict[str, Any]) -> str:
    task = plan.get("task") or {}
    names = [one["name"] for one in task.get("segments", ())] or list(task.get("classes", ()))
    if not names:
        return ""
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    return _("Knows {names} and {more} more.").format(names=shown, more=more) if more > 0 else f"{_('Knows')} {shown}."


def _together(plan: dict[str, Any]) -> str:
    """Of an ensemble."""
    count = len((plan.get("network") or {}).get("members", ()))
    return _("{count} networks that answer together.").format(count=count) if count else ""


def _learntFrom(plan: dict[str, Any]) -> str:
    origin, modality = plan.get("provenance") or {}, plan.get("modality", "")
    count = origin.get("volumes") or origin.get("images")
    if count:
        flat = modality == "CXR"
        what = (
            counted(count, _("{count} radiograph"), _("{count} radiographs")) if flat
            else counted(count, _("{count} volume"), _("{count} volumes"))
        )  # fmt: skip
        channels = [one["name"] for one in (plan.get("task") or {}).get("channels", ())]
        known = " + ".join(channels) or modality
        kind = f" ({known})" if known and not flat else ""
        return _("Learnt from {what}{kind}.").format(what=what, kind=kind)
    source = origin.get("source", "")
    return _("From the file {name}.").format(name=source) if source else ""


def _sees(plan: dict[str, Any]) -> str:
    geometry = Geometry.from_dict(plan.get("geometry") or {})
    if not geometry.recorded or plan.get("modality") == "CXR":
        return ""
    spacing = geometry.spacing
    if spacing:
        return _("Sees {orientation} at {spacing} mm.").format(
            orientation=geometry.orientation, spacing=millimetres(spacing)
        )
    return _("Sees {orientation} at native spacing.").format(orientation=geometry.orientation)


def _measured(model: dict[str, Any]) -> str:
    measured = model.get("measured") or {}
    values = [(name, value) for name, value in (measured.get("headline") or {}).items() if value is not None]
    if not values:
        return ""
    text = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in values[:2])
    patients = measured.get("patients")
    of = counted(patients, _("{count} patient"), _("{count} patients")) if patients else _("patients")
    return _("On {of} of the {part} part: {values}.").format(of=of, part=measured.get("part", "test"), values=text)


def _made(model: dict[str, Any]) -> str:
    made, licence = day(model), (model.get("plan") or {}).get("licence", "")
    parts = [
        _("Made on {day}.").format(day=made) if made else "",
        _("Licence: {licence}.").format(licence=licence) if licence else "",
    ]
    return " ".join(part for part in parts if part)
