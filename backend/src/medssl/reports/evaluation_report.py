"""An evaluation as files: one HTML page that can be mailed, JSON, and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medssl.core.errors import counted
from medssl.core.files import write_json
from medssl.core.tables import write_table
from medssl.reports import classification_report as classification_page
from medssl.reports import segmentation_report as segmentation_page
from medssl.reports.figures.case_pictures import PICTURES, thumbnail
from medssl.reports.html import Report

PAGES = {"classification": classification_page, "segmentation": segmentation_page}


def write_evaluation(
    evaluation: Mapping[str, Any], folder: Path, title: str, pictures: Mapping[str, str | Path] | None = None
) -> Path:
    """Write report.html, evaluation.json, metrics.csv, rivals.csv where there are any, and groups.csv and gaps.csv of groups.

    Args:
        evaluation: of `evaluate_classification` or `evaluate_segmentation`.
        folder: made where it is missing.
        title: of the page.
        pictures: image -> file that shows it, absolute or below the folder; the image itself will do. The worst cases are
            shown with them and linked to them.

    Returns:
        The path of report.html.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.absolute()
    write_json(folder / "evaluation.json", evaluation)
    rows = [
        {"class": name, "metric": metric, **bounds}
        for name, metrics in evaluation["metrics"].items()
        for metric, bounds in metrics.items()
    ]
    tables = {"metrics": rows, **{name: evaluation.get(name) for name in ("rivals", "groups", "gaps")}}
    for name, table in tables.items():
        if table:
            write_table(table, folder / f"{name}.csv")
    page = PAGES[evaluation["task"]].page(evaluation, title)
    _worst(page, PAGES[evaluation["task"]].captions(evaluation), folder, pictures or {})
    page.write(folder / "report.html")
    return folder / "report.html"


def _worst(page: Report, captions: Mapping[str, str], folder: Path, pictures: Mapping[str, str | Path]) -> None:
    if not captions:
        return
    page.heading("Worst cases")
    shown = 0
    for image, caption in captions.items():
        path = folder / pictures.get(image, image)
        own = folder in path.parents
        png = path.read_bytes() if own and path.suffix.lower() in PICTURES and path.is_file() else thumbnail(path)
        link = "" if not path.exists() else str(path.relative_to(folder)) if own else path.resolve().as_uri()
        shown += png is not None
        page.case(png, caption, link)
    if shown < len(captions):
        page.text(
            f"{len(captions) - shown} of these {counted(len(captions), 'case')} have no picture: their images are not where the "
            "table says. `medssl evaluate --images FOLDER` looks for images of the same names there."
        )
