"""`medssl saliency`: where in a radiograph a finding's probability comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.inspection.radiographs import View, run_into, show
from medssl.cli.options import Device, Home
from medssl.cli.output import out
from medssl.core.protocol import VolumeRef
from medssl.core.requests import SaliencyRequest


def saliency(
    image: Annotated[Path, typer.Argument(help="A radiograph: DICOM, PNG, JPEG, NRRD, NIfTI.")],
    model: Annotated[
        str, typer.Option(help="A job's id or a weight file: a pretrained Ark, or a classifier of radiographs.")
    ],
    finding: Annotated[str, typer.Option(help="A class of the model; of an Ark a synonym will do.")],
    head: Annotated[
        str, typer.Option(help="Of an Ark: the set whose head is asked; else the first that knows the finding.")
    ] = "",
    method: Annotated[str, typer.Option(help="grad-cam or occlusion.")] = "grad-cam",
    check: Annotated[bool, typer.Option(help="Compare the map with those of networks with random weights.")] = True,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("saliency"),
    view: View = "",
    inverted: Annotated[bool, typer.Option(help="High values are dark (DICOM says so itself).")] = False,
    part: Annotated[str, typer.Option(help="student or teacher, where the weights hold both.")] = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Map where in a radiograph a finding's probability comes from: saliency.nrrd (0 to 1) and a picture.

    The map is checked: it must change when the network's weights are random. It is no segmentation.
    """
    volume = VolumeRef(path=str(image), view=view, inverted=inverted)
    asked = SaliencyRequest(volume, model, finding, head, method, check, part, device)
    result = run_into("saliency", asked, output, home)
    out.print(result.info["text"], highlight=False, markup=False)
    show(result, (), output)
