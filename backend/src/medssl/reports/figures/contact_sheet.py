"""Contact sheet: some images of a dataset with their labels on one page, to see whether it is as expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medssl.core.errors import VolumeError
from medssl.datasets.spec.tabular_dataset import TabularDataset
from medssl.images.formats.reading import read_volume
from medssl.images.radiograph import as_radiograph

TILE, LINE, GAP = 168, 13, 6  # pixels
LINES = 4  # of text below an image
COLUMNS = 6
INK, FAINT, PAPER = (20, 20, 20), (120, 120, 120), (255, 255, 255)
MARKS = {1.0: "", -1.0: " ?"}  # behind a class that is there, or uncertain


def contact_sheet(dataset: TabularDataset, path: Path, count: int = 24, seed: int = 0) -> Path:
    """Draw `count` images by `seed`, of each class at least one that has it, and write them as one PNG.

    Below each stand the classes it has ("?": uncertain), its name and its patient; an image that cannot be read says so.
    """
    drawn = images_shown(dataset.stated, count, seed)
    rows = -(-len(drawn) // COLUMNS)
    width, height = TILE + GAP, TILE + LINES * LINE + GAP
    page = Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default()
    for place, n in enumerate(drawn):
        x, y = GAP + place % COLUMNS * width, GAP + place // COLUMNS * height
        picture, problem = _tile(dataset, int(n))
        page.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
        texts = [problem or labels_text(dataset, int(n)), Path(dataset.images[n]).name, _patient(dataset, int(n))]
        lines = [*_wrapped(texts[0], pen, font)[: LINES - 2], *(_fitted(text, pen, font) for text in texts[1:])]
        for row, line in enumerate(lines):
            pen.text((x, y + TILE + row * LINE), line, FAINT if row >= len(lines) - 2 else INK, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


def images_shown(stated: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Numbers of `count` images by `seed`, sorted: at random, but the rarest classes first get an image each.

    Args:
        stated: (N, C), 1 where an image has a class, -1 where that is uncertain, which serves where no image surely has it.
        count: more where there are more classes.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(stated))
    has = np.where((stated == 1).any(axis=0), stated == 1, stated == -1)[order]  # (N, C)
    kept = list[int]()
    for n in np.argsort(has.sum(axis=0), kind="stable"):
        if has[:, n].any() and not has[kept, n].any():
            kept.append(int(has[:, n].argmax()))
    rest = [place for place in range(len(order)) if place not in set(kept)]
    return np.sort(order[[*kept, *rest[: max(0, count - len(kept))]]])


def labels_text(dataset: TabularDataset, n: int) -> str:
    """The classes of an image: "Mass, Edema ?"."""
    row = dataset.stated[n]
    found = [name + MARKS[float(value)] for name, value in zip(dataset.classes, row) if float(value) in MARKS]
    return ", ".join(found) or ("unknown" if np.isnan(row).all() else "none of the classes")


def _tile(dataset: TabularDataset, n: int) -> tuple[Image.Image, str]:
    try:
        pixels = as_radiograph(read_volume(dataset.images[n], "CXR"), "", dataset.inverted).pixels
    except VolumeError as error:
        return Image.new("L", (TILE, TILE), 225), error.rule
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    picture.thumbnail((TILE, TILE))
    return picture, ""


def _patient(dataset: TabularDataset, n: int) -> str:
    facts = [attribute.values[attribute.codes[n]] for attribute in dataset.attributes.values()]
    return ", ".join([f"patient {dataset.patient_names[dataset.patients[n]]}", *(fact for fact in facts if fact)])


def _fitted(text: str, pen: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """As much of a text as a tile is wide."""
    while pen.textlength(text, font) > TILE:
        text = text[:-2].rstrip(".") + "."
    return text


def _wrapped(text: str, pen: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) <= TILE:
            lines[-1] = longer
        else:
            lines.append(_fitted(word, pen, font))
    return lines
