"""`medssl saliency`: where in a radiograph a finding's probability comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import View, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.cli.output import out
from medssl.core.protocol import VolumeRef
from medssl.core.requests import SaliencyRequest


@with_options(SaliencyRequest, "volume")
def saliency(
    image: Annotated[Path, typer.Argument(help="Radiograph: DICOM, PNG, JPEG, NRRD, NIfTI.")],
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("saliency"),
    view: View = "",
    inverted: Annotated[bool, typer.Option(help="High values are dark (DICOM says so itself).")] = False,
    home: Home = None,
    **options: Any,
) -> None:
    """Map where in a radiograph a finding's probability comes from: saliency.nrrd (0 to 1) and a picture.

    The map is checked: it must change when the network's weights are random. It is no segmentation.
    """
    asked = SaliencyRequest(VolumeRef(path=str(image), view=view, inverted=inverted), **options)
    result = run_into("saliency", asked, output, home)
    out.print(result.info["text"], highlight=False, markup=False)
    show(result, (), output)
