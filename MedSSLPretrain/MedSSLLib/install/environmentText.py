"""What the environment box says of the computer, of a plan and of what is done."""

from __future__ import annotations

import html
from functools import partial

from slicer.i18n import tr as _

from medssl.jobs.cards import shown
from MedSSLLib.install.installPlan import Plan
from MedSSLLib.install.machine import Machine
from MedSSLLib.install.torchBuild import Build

_plain = partial(html.escape, quote=False)  # a label without tags would show &#x27; as it stands


def foundText(machine: Machine) -> str:
    """What was found on the computer, a line each."""
    lines = []
    for card in machine.cards:
        capability = ".".join(map(str, card.capability)) if card.capability else _("unknown")
        text = _("{card}, driver {driver}, compute capability {capability}")
        lines.append(text.format(card=shown(card), driver=card.driver, capability=capability))
    if machine.amd:
        lines.append(_("AMD graphics card ({name})").format(name=machine.amd))
    if machine.system == "Darwin":
        lines.append(_("Apple GPU") if not machine.intelMac else _("Mac with an Intel processor"))
    elif not lines:
        lines.append(_("No NVIDIA card, no AMD card with ROCm"))
    lines.append(_("{system}, {gb:.0f} GB free on the disk").format(system=machine.system, gb=machine.freeBytes / 1e9))
    return "<br>".join(_plain(line) for line in lines)


def missingText(machine: Machine, build: Build) -> str:
    """What is missing, what will be installed, and whether the GPU will be used."""
    text = _("<b>Not installed yet:</b> Python with PyTorch ({build}), up to {gb:.0f} GB on the disk.")
    text = text.format(build=_plain(build.title), gb=build.bytes / 1e9)
    if build.usesGpu and machine.card is not None:
        used = _("{card} will be used ({reason}).").format(card=shown(machine.card), reason=build.reason)
    elif build.usesGpu:
        used = _("The GPU will be used ({reason}).").format(reason=build.reason)
    else:
        used = _("No GPU will be used: {reason}.").format(reason=build.reason)
    return f"{text}<br>{_plain(used)}"


def indexText(machine: Machine) -> str:
    """That PyTorch's own index is out of reach, and what there is instead; "" where it is not needed or answers."""
    if not machine.torchIndex or machine.system == "Darwin":
        return ""
    text = _(
        "PyTorch's own index cannot be reached ({reason}). Take PyTorch from the package index or from a folder of wheels:"
    )
    return _plain(text.format(reason=machine.torchIndex))


def unfinishedText(plan: Plan) -> str:
    """How much of a cancelled or failed installation is done."""
    titles = ", ".join(step.title for step in plan.steps if step.key in plan.done)
    text = _("<b>Not finished:</b> {n} of {all} parts are done and kept ({titles}).")
    return text.format(n=len(plan.done), all=len(plan.steps), titles=_plain(titles))


def stepText(number: int, count: int, title: str, seconds: float) -> str:
    """Where an installation is."""
    text = _("<b>Part {n} of {all}:</b> {title}, {minutes} min").format(
        n=number, all=count, title=_plain(title), minutes=int(seconds // 60)
    )
    return text if number != count - 3 else text + _(". The largest part; it may take a while.")
