"""Similar cases beside the image that was asked about, as one picture."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from medssl.core.files import write_atomic
from medssl.reports.figures.canvas import DARK, DIM, LIGHT

TILE, TEXT, GAP, EDGE = 200, 46, 12, 16  # pixels: a case's side, the lines below it, between cases, around all
PER_ROW = 4
QUERY = "#7df9ff"


def write_pictures(
    folder: Path, query: bytes, name: str, thumbnails: Sequence[bytes], table: Sequence[dict[str, Any]]
) -> list[str]:
    """Write query.png, case-1.png ... and montage.png, and give their names.

    Args:
        folder: takes them.
        query: a small picture of the image that was asked about, in any format.
        name: of that image.
        thumbnails: small pictures of the cases, the best first.
        table: a row for each.
    """
    cases = [_opened(one) for one in thumbnails]
    pictures = {"query.png": _opened(query)} | {f"case-{rank}.png": case for rank, case in enumerate(cases, 1)}
    pictures["montage.png"] = draw_cases(pictures["query.png"], name, cases, table)
    for file, picture in pictures.items():
        data = io.BytesIO()
        picture.save(data, "PNG", compress_level=1)  # small pictures: writing them takes longer than sending them
        write_atomic(folder / file, data.getvalue(), durable=False)
    return list(pictures)


def draw_cases(
    query: Image.Image, name: str, pictures: Sequence[Image.Image], table: Sequence[dict[str, Any]]
) -> Image.Image:
    """The query at the left, the cases in rows of four, each with rank, similarity, patient and findings.

    Args:
        query: a small grey picture.
        name: of the query.
        pictures: of the cases, the best first.
        table: a row for each.
    """
    rows = -(-len(pictures) // PER_ROW)
    columns = min(len(pictures), PER_ROW)
    large = TILE if rows == 1 else TILE + TILE // 2
    height = max(rows * (TILE + TEXT) + (rows - 1) * GAP, large + TEXT)
    width = large + 3 * GAP + columns * TILE + (columns - 1) * GAP
    sheet = Image.new("RGB", (width + 2 * EDGE, height + 2 * EDGE), DARK)
    draw = ImageDraw.Draw(sheet)
    _tile(sheet, draw, query, (EDGE, EDGE), large, (name, ""), QUERY)
    for n, (picture, row) in enumerate(zip(pictures, table)):
        left = EDGE + large + 3 * GAP + n % PER_ROW * (TILE + GAP)
        top = EDGE + n // PER_ROW * (TILE + TEXT + GAP)
        lines = (f"{row['rank']}    {row['similarity']:.3f}    {row['patient']}", row["findings"])
        _tile(sheet, draw, picture, (left, top), TILE, lines, LIGHT)
    return sheet


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _tile(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: Image.Image,
    place: tuple[int, int],
    side: int,
    lines: tuple[str, str],
    colour: str,
) -> None:
    scale = side / max(picture.size)
    width, height = (max(1, round(n * scale)) for n in picture.size)
    shown = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    left, top = place
    sheet.paste(shown, (left + (side - width) // 2, top + (side - height) // 2))
    for number, (text, size, ink) in enumerate(((lines[0], 13, colour), (lines[1], 11, DIM))):
        draw.text((left, top + side + 6 + 20 * number), _fitted(text, size, side), font=_font(size), fill=ink)


def _fitted(text: str, size: int, width: int) -> str:
    """A text without its end where it is wider than its tile."""
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The plots' own font, which knows more letters than Pillow's."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
