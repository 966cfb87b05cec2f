"""Segment an image with a fine-tuned model."""

from __future__ import annotations

from dataclasses import replace

from medssl.core.requests import SegmentRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import note_geometry, stated
from medssl.images.formats.reading import write_volume
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.inference.mirroring import check_mirror
from medssl.inference.volumes.channels import check_channels, on_one_grid
from medssl.inference.volumes.found_labels import COLUMNS
from medssl.inference.volumes.segmenter import check_segmenter, segment_image
from medssl.reports.figures.segmentation import draw_segmentation

UNCERTAINTY = "uncertainty.nrrd"


def segment(request: SegmentRequest, context: Context) -> None:
    """Answer with segmentation.nrrd, which Slicer opens as a segmentation too, a picture and a table of the classes.

    Where it is asked for, uncertainty.nrrd is another file.

    Raises:
        WeightsError, VolumeError, InputError, ConfigError: see `segment_image`.
    """
    context.progress(0.0, "loading the model")
    net = stated(context.model(request.model, "", request.device), request)
    check_mirror(check_segmenter(net), request.mirror)  # before the image is read: it may take long
    context.progress(0.0, "reading the image")
    ref = request.volume
    volume = context.volume(replace(ref, further=()))
    check_channels(volume, net.plan, len(ref.further))
    if ref.further:
        further = tuple(context.volume(one) for one in ref.further)
        volume = on_one_grid(replace(volume, further=further), net.plan)
    note_geometry(context, volume, net.plan, ref.view, inverted=ref.inverted)
    overlap = None if request.overlap < 0 else request.overlap
    found = segment_image(
        volume, net, overlap, request.mirror, context.progress, view=ref.view, inverted=ref.inverted,
        uncertainty=request.uncertainty,
    )  # fmt: skip
    context.progress(1.0, "writing the label map")
    write_segmentation(found.labels, found.segments, context.folder / "segmentation.nrrd")
    draw_segmentation(found, context.folder / "montage.png")
    write_table(found.table, context.folder / "table.csv", COLUMNS)
    info = {
        "segments": found.segments, "notes": list(found.notes), "model": request.model, "volume": ref.name or volume.name
    }  # fmt: skip
    files = ["segmentation.nrrd", "montage.png", "table.csv"]
    if found.uncertainty is not None:
        write_volume(found.uncertainty, context.folder / UNCERTAINTY)
        files.append(UNCERTAINTY)
    context.finish(files, found.table, info)
