"""Map where in a radiograph a finding's probability comes from."""

from __future__ import annotations

from dataclasses import replace

from medssl.core.requests import SaliencyRequest
from medssl.handlers.context import Context
from medssl.images.formats.reading import write_volume
from medssl.inspection.saliency.maps import saliency_map
from medssl.inspection.saliency.target import find_target
from medssl.reports.figures.saliency import draw_saliency


def saliency(request: SaliencyRequest, context: Context) -> None:
    """Answer with the map as a volume and a picture of it; info says what made it and whether it passed the check.

    Raises:
        ConfigError, WeightsError, VolumeError, InputError: see `saliency_map`.
    """
    context.progress(0.0, "loading the model")
    net = context.model(request.model, "", request.device, request.part)
    find_target(net, request.finding, request.head)  # before the image is read: it may take long
    context.progress(0.0, "reading the image")
    volume, ref = context.volume(request.volume), request.volume
    found = saliency_map(
        volume, net, request.finding, request.head, request.method, request.check, context.progress,
        ref.view, ref.inverted,
    )  # fmt: skip
    write_volume(replace(found.source, array=found.map.T, modality=""), context.folder / "saliency.nrrd")
    name = ref.name or volume.name
    draw_saliency(found, name, context.folder / "montage.png")
    info = {
        "method": found.method, "text": found.text, "finding": found.target.finding, "head": found.target.head,
        "probability": found.probability, "peak": found.peak, "model": request.model, "volume": name, "notes": list(found.notes),
        **(found.check.as_dict() if found.check else {}),
    }  # fmt: skip
    context.finish(["saliency.nrrd", "montage.png"], [], info)
