"""A toy inspection: all that one needs, in three places. The worker imports this."""

from __future__ import annotations

from dataclasses import dataclass

from medssl.core.protocol import VolumeRef
from medssl.core.request_fields import Request, asked
from medssl.handlers import Inspection


@dataclass(frozen=True)
class BrightnessRequest(Request):  # 1: what can be asked
    """How bright is an image on average?"""

    volume: VolumeRef = asked("Image")
    offset: float = asked("Offset that is added", 0.0, minimum=0, maximum=100)
    words: tuple[str, ...] = asked("Word to repeat", ())


def inspect(request: BrightnessRequest, context) -> None:  # 2: how it is answered
    """Leave a row with the mean."""
    context.progress(0.5, "reading")
    volume = context.volume(request.volume)
    (context.folder / "words.txt").write_text(" ".join(request.words), encoding="utf-8")
    row = {"name": volume.name, "mean": float(volume.array.mean()) + request.offset}
    context.finish(["words.txt"], [row], {"words": len(request.words)})


INSPECTIONS = {  # 3: the line
    "brightness": Inspection(
        "toy_inspection:BrightnessRequest", "toy_inspection:inspect", "Average brightness of an image."
    )
}
