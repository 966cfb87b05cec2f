"""The job kind "apply": a model over all images of a set, an image at a time, going on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from medssl.core import capabilities
from medssl.core.errors import CancelledError, CatalogError, InputError, NotFoundError, counted
from medssl.core.geometry import stated_geometry
from medssl.core.plan import Plan
from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.core.schema import build
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.entry import Entry, read_entry, shown
from medssl.datasets.geometry import kind_of_note
from medssl.inference.capabilities import can
from medssl.inference.classification.predict import load_predictor, predictor_with_geometry
from medssl.inference.classification.probe_files import Probe
from medssl.inference.models import WarmModels
from medssl.inference.volumes.channels import on_one_grid
from medssl.inference.volumes.model_grid import image_notes
from medssl.networks.network import Network
from medssl.tasks.apply.appliers import CLASSES, Applier, Predicting, Segmenting
from medssl.tasks.apply.columns import Columns, columns_of, exclusive_columns
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.growing_table import GrowingTable
from medssl.tasks.apply.image_stamp import STAMP, replaced, stamp
from medssl.tasks.apply.output import ApplyFolder, file_names

COLUMNS = ("image", "patient", "status", "error", "output")
DONE, FAILED = "done", "failed"


def apply(spec: JobSpec, run: Run) -> None:
    """Apply the model `spec.start_from` to `spec.data`; see `apply_model`."""
    config: ApplyConfig = build(ApplyConfig, spec.config)
    apply_model(
        spec.start_from, read_catalog(spec.data, run.home, channels=True), config, run, exclusive_columns(spec.data)
    )


def apply_model(
    reference: str, catalog: Catalog, config: ApplyConfig, run: Run, exclusive: Collection[str] = ()
) -> GrowingTable:
    """Segment or classify every image, whatever the model was made for; one that fails does not stop the others.

    The output folder (the run's results where the config names none) gets index.csv (image, patient, status, error, output,
    size and time of change of the image), and a label map per image, volumes.csv and classes.csv, or predictions.csv. What the
    index calls done is not done again, unless the image was replaced since; what the catalogue says of it is as it is now.

    Args:
        reference: a job id or the path of a weight file.
        catalog: the images.
        config: output, format, how windows and views are averaged, findings.
        run: takes progress and warnings of images that fail; its device computes.
        exclusive: see `columns_of`.

    Returns:
        The index, with images of earlier runs.

    Raises:
        NotFoundError, WeightsError: no such model, one that neither segments nor predicts, or that knows no finding asked for.
        InputError: the output folder holds results of another model, or files that label maps would replace.
        CatalogError: not one image could be used.
        CancelledError: a cancel was asked for; what is done stays.
    """
    models = WarmModels(run.home)
    part = "" if config.part == "auto" else config.part
    net = load_predictor(reference, run.home, lambda model, part: models.get(model, "", run.device, part), part)
    net = predictor_with_geometry(net, stated_geometry(config.orientation, config.spacing))
    output = ApplyFolder.of(config.output, run.folder / "results")
    columns = columns_of(net, catalog, config, exclusive) if _predicts(net, config) else None
    files = () if columns else (CLASSES, *file_names(catalog, f".{config.format}", {}).values())
    output.claim(cast(Plan, net.plan), config, run.folder.name, files, columns.about() if columns else {})
    index = GrowingTable(output.folder / output.index, (*COLUMNS, *STAMP), lambda name: name in STAMP)
    applier = _applier(net, columns, catalog, config, output, index)
    now = {shown(entry): {**stamp(entry), **applier.facts(entry)} for entry in catalog}
    done = _done(index, applier, now)
    order = {shown(entry): n for n, entry in enumerate(catalog)}
    for table in (index, applier.table):  # what was begun and not finished leaves
        table.arrange(
            lambda row: row["image"] in done,
            lambda row: order.get(row["image"], -1),
            lambda row: now.get(row["image"], {}),
        )
    for remark in catalog.remarks():
        run.emit("warning", step=0, code="catalogue", message=remark, remedy="")
    for remark in applier.remarks:
        run.emit("warning", step=0, code="answers-noted", message=remark, remedy="")
    left = [entry for entry in catalog if shown(entry) not in done]
    _apply_all(applier, left, index, run, len(catalog), cast(Plan, net.plan))
    for table in (index, applier.table):
        table.arrange(lambda row: True, lambda row: order.get(row["image"], -1))
    failed = [row for row in index.rows if row["status"] == FAILED]
    if len(failed) == len(catalog):
        raise CatalogError(
            counted(len(catalog), "image"),
            f"cannot be used; the first: {failed[0]['error']}",
            f"See {index.path}",
            code="no-usable-image",
        )
    run.emit("finished", step=len(catalog), images=len(catalog), failed=len(failed), output=str(output.folder))
    return index


def _applier(
    net: Network | Probe,
    columns: Columns | None,
    catalog: Catalog,
    config: ApplyConfig,
    output: ApplyFolder,
    index: GrowingTable,
) -> Applier:
    if columns is not None:
        return Predicting(columns, catalog, output)
    return Segmenting(
        cast(Network, net),
        catalog,
        config,
        output,
        {row["image"]: row["output"] for row in index.rows if row["output"]},
    )


def _done(index: GrowingTable, applier: Applier, now: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The images that are done: the answer is there, and of the image as it is now."""
    rows = [row for row in index.rows if row["status"] == DONE and applier.has(row)]
    return {row["image"] for row in rows if not replaced(row, now.get(row["image"], row))}


def _predicts(net: Network | Probe, config: ApplyConfig) -> bool:
    """A model that answers with probabilities; one asked for findings is to say itself that it has none."""
    asked = bool(config.findings or config.heads)
    return asked or can(net.plan, capabilities.CLASSES) or can(net.plan, capabilities.HEADS)


class _Notes:
    """Warnings of what should be known of images and their answers: of each kind the first image, but every case whose channels lie poorly."""

    def __init__(self, run: Run, remarks: Sequence[str]) -> None:
        self._run, self._said = run, {kind_of_note(remark) for remark in remarks}

    def emit(self, entry: Entry, notes: Sequence[str], lying: Collection[str], step: int) -> None:
        """Say those of an image that were not said yet; `lying` are of its channels."""
        for note in notes:
            kind = f"{entry.name}: {note}" if note in lying else kind_of_note(note)
            if kind not in self._said:
                self._said.add(kind)
                self._run.emit("warning", step=step, code="image-noted", message=f"{entry.name}: {note}", remedy="")


def _apply_all(
    applier: Applier, entries: Sequence[Entry], index: GrowingTable, run: Run, total: int, plan: Plan
) -> None:
    before, started, notes = total - len(entries), time.monotonic(), _Notes(run, applier.remarks)
    for n, entry in enumerate(entries):
        eta = (time.monotonic() - started) / n * (len(entries) - n) if n else None
        said = f"image {before + n + 1} of {total}: {entry.name}"

        def notify(share: float, text: str, step: int = before + n, said: str = said, eta: float | None = eta) -> None:
            if run.cancel_requested():
                raise CancelledError()
            run.progress(step, total, f"{said}, {text}" if text else said, eta)

        notify(0.0, "")
        about = {"image": shown(entry), "patient": entry.patient, **stamp(entry)}
        row = {**about, "status": DONE, "error": "", "output": ""}
        try:
            volume = on_one_grid(read_entry(entry), plan)
            lying = {note for one in volume.further for note in one.notes}
            notes.emit(entry, image_notes(volume, plan, entry.view, entry.inverted), lying, before + n)
            row["output"], of_answer = applier.apply(entry, volume, notify)
            notes.emit(entry, of_answer, lying, before + n)
        except (InputError, NotFoundError) as error:  # of this image alone; a full disk, say, stops them all
            row |= {"status": FAILED, "error": str(error)}
            message = f"{entry.name} is left out: {error.value}: {error.rule}"
            run.emit("warning", step=before + n, code="image-failed", message=message, remedy=error.remedy)
        index.append([row])
