"""Distort a volume and let a model restore it."""

from __future__ import annotations

from medssl.core.requests import RestoreRequest
from medssl.core.tables import write_table
from medssl.evaluation.verdicts import of_restoration
from medssl.handlers.context import Context
from medssl.handlers.images import note_geometry, stated
from medssl.images.formats.reading import write_volume
from medssl.inference.volumes.restoration import restore_volume
from medssl.reports.figures.restoration import draw_restoration

IMAGES = ("original", "distorted", "restored", "error")


def restore(request: RestoreRequest, context: Context) -> None:
    """Answer with original, distorted, restored and error as NRRD, a montage and a table of errors.

    Raises:
        WeightsError, VolumeError, InputError, ConfigError: see `restore_volume`.
    """
    context.progress(0.0, "reading the volume")
    volume = context.volume(request.volume)
    context.progress(0.0, "loading the model")
    net = stated(context.model(request.model, request.fidelity, request.device), request)
    note_geometry(context, volume, net.plan)
    found = restore_volume(
        volume, net, request.distortion, request.strength, request.seed, request.roi, request.overlap, context.progress
    )
    files = [f"{name}.nrrd" for name in IMAGES]
    for name, file in zip(IMAGES, files):
        context.progress(1.0, f"writing {file}")
        write_volume(getattr(found, name), context.folder / file, compress=False)  # decoding costs more than loopback
    draw_restoration(found, context.folder / "montage.png")
    write_table(found.table, context.folder / "table.csv")
    verdict = of_restoration(found.table)
    info = {
        **found.info,
        "verdict": verdict.text,
        "good": verdict.good,
        "model": request.model,
        "volume": volume.name,
        "distortion": request.distortion,
    }
    context.finish([*files, "montage.png", "table.csv"], found.table, info)
