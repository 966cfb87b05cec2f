"""What the panel says of a training set: modalities, views of volumes, what a check found."""

from __future__ import annotations

import html

from MedSSLLib.widgets.counted import counted
from slicer.i18n import tr as _


def modalityTitles() -> dict[str, str]:
    """What images may be of, by the name that a DataSpec uses."""
    return {"": _("As the files say"), "CT": "CT", "MR": "MR", "CXR": _("Radiographs (CXR)")}


def viewTitles() -> dict[str, str]:
    """What a 3D volume of the scene may become."""
    return {
        "": _("(choose)"),
        "frontal": _("Frontal projection (simulated)"),
        "lateral": _("Lateral projection (simulated)"),
        "k": _("Middle slice"),
    }


def summaryText(info: dict) -> str:
    """What `POST /inspect/check` found, as rich text."""
    counts = _("{images} of {patients}, {modality}").format(
        images=imagesText(_count(info.get("volumes", 0)), info.get("modality") == "CXR"),
        patients=counted(_count(info.get("patients", 0)), _("{count} patient"), _("{count} patients")),
        modality=info.get("modality") or _("modality unknown"),
    )  # fmt: skip
    split = _("{training} for training, {validation} for validation").format(
        training=_count(info.get("training", 0)), validation=_count(info.get("validation", 0))
    )
    bad = info.get("bad", ())
    rows = [
        (_("Spacing (mm)"), info.get("spacing", "")),
        (_("Size"), info.get("size", "")),
        (_("Orientations"), _counted(info.get("orientations", {}))),
        (_("Patients by"), _counted(info.get("patients_by", {}))),
        (_("Left out"), _counted(info.get("left_out", {}))),
        *((_("Cannot be used"), f"{one['file']}: {one['reason']}") for one in bad),
    ]
    table = "".join(f"<tr><td>{name}&nbsp;</td><td>{html.escape(text)}</td></tr>" for name, text in rows if text)
    notes = info.get("notes", ())[bool(bad) :]  # the first names the files that cannot be used once more
    said = "".join(f"<br>{html.escape(note)}" for note in notes)
    return f"<b>{counts}</b>: {split}.{f'<table>{table}</table>' if table else ''}{said}"


def imagesText(count: int, flat: bool) -> str:
    """How many volumes or radiographs."""
    if flat:
        return counted(count, _("{count} radiograph"), _("{count} radiographs"))
    return counted(count, _("{count} volume"), _("{count} volumes"))


def _counted(counts: dict) -> str:
    """ "3 x localiser, 1 x RTSTRUCT"."""
    return ", ".join(f"{count} x {name}" for name, count in counts.items())


def _count(value) -> int:
    return value if isinstance(value, int) else len(value)
