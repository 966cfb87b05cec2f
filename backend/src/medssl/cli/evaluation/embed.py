"""`medssl embed`: one vector per image, as probes, neighbours and other programs use it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medssl.cli.evaluation.apply_options import Images
from medssl.cli.evaluation.applying import TerminalRun, images_of
from medssl.cli.options import Device, Home, Modality, Pattern, View
from medssl.cli.output import out
from medssl.cli.working import working
from medssl.core.errors import CatalogError, ConfigError, InputError, counted
from medssl.core.home import home_folder

if TYPE_CHECKING:
    import numpy as np


def embed(
    images: Images,
    model: Annotated[str, typer.Option(help="Model, pretrained or fine-tuned: a job's id or a weight file.")],
    output: Annotated[Path, typer.Option(help="File to write: .npz or .csv.")] = Path("embeddings.npz"),
    part: Annotated[str, typer.Option(help="Part of weights that hold both: student or teacher.")] = "",
    features: Annotated[
        str,
        typer.Option(help="Features of an Ark: projector (1376 numbers, the default) or encoder (the mean token)."),
    ] = "",
    pattern: Pattern = "",
    modality: Modality = "",
    view: View = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Embed images: the projected mean token of an Ark, the mean token of other Swins, the mean bottleneck of a U-Net.

    A .npz holds embeddings (N, D) float32, images and patients; a .csv the columns image, patient, e0, e1 ...
    """
    if output.suffix.lower() not in (".npz", ".csv"):
        remedy = "Write --output embeddings.npz"
        raise ConfigError(f"--output {output}", "must end in .npz or .csv", remedy, code="output-suffix")
    import numpy as np

    from medssl.core.files import write_atomic
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.evaluation.verdicts import of_embeddings
    from medssl.inference.image_embedding import mean_cosine
    from medssl.inference.models import WarmModels

    folder = home_folder(home)
    with working("loading the model") as status:
        run = TerminalRun(folder, device, status)
        net = WarmModels(folder).get(model, "", run.device, part)
        catalog = read_catalog(images_of(images, pattern, modality, view), folder)
        for remark in catalog.remarks():
            run.emit("warning", message=remark, remedy="")
        found, rows = _embedded(list(catalog), net, run, features)
    paths, patients = [str(entry.image) for entry in found], [entry.patient for entry in found]
    if output.suffix.lower() == ".npz":
        data = io.BytesIO()
        np.savez_compressed(data, embeddings=rows, images=np.array(paths), patients=np.array(patients))
        write_atomic(output, data.getvalue())
    else:
        from medssl.core.tables import write_table

        table = [
            {"image": path, "patient": patient, **{f"e{n}": f"{value:.7g}" for n, value in enumerate(vector)}}
            for path, patient, vector in zip(paths, patients, rows)
        ]
        write_table(table, output)
    out.print(f"{counted(len(rows), 'embedding')} of {rows.shape[1]} numbers in {output}", highlight=False)
    out.print(of_embeddings(len(rows), mean_cosine(rows)).text, highlight=False, markup=False)


def _embedded(entries: list[Any], net: Any, run: TerminalRun, features: str) -> tuple[list[Any], np.ndarray]:
    """The images that could be read, and their embeddings (N, D)."""
    import numpy as np

    from medssl.datasets.entry import read_entry
    from medssl.datasets.geometry import kind_of_note
    from medssl.inference.image_embedding import BATCH, embed_images, whole_image
    from medssl.inference.volumes.model_grid import image_notes

    found: list[Any] = []
    waiting: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    noted: set[str] = set()
    for n, entry in enumerate(entries):
        run.progress(n, len(entries), f"image {n + 1} of {len(entries)}: {entry.name}")
        try:
            image = read_entry(entry)
            for note in image_notes(image, net.plan, entry.view, entry.inverted):
                if (kind := kind_of_note(note)) not in noted:  # the first image of each kind
                    noted.add(kind)
                    run.emit("warning", message=f"{entry.name}: {note}", remedy="")
            waiting.append(whole_image(image, net, entry.view, entry.inverted))
            found.append(entry)
        except InputError as error:  # of this image alone
            run.emit("warning", message=f"{entry.name} is left out: {error.value}: {error.rule}", remedy=error.remedy)
        if waiting and (len(waiting) == BATCH or n == len(entries) - 1):
            rows.append(embed_images(waiting, net, features=features))
            waiting = []
    if not found:
        rule = "cannot be embedded, not one of them"
        raise CatalogError(counted(len(entries), "image"), rule, "See the warnings above", code="no-usable-image")
    return found, np.concatenate(rows)
