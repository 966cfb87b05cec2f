"""Draw the icons of the extension and its two modules: 128x128 PNG, from shapes alone (needs Pillow and numpy)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE, SCALE = 128, 8  # drawn SCALE times larger, then averaged down
CELLS = 8  # the picture is a grid of CELLS x CELLS cubes seen from above
BODY, LUNG, SPINE = (236, 242, 245), (33, 58, 76), (255, 178, 61)
NIGHT, SEA, GLOW = (16, 34, 48), (20, 108, 122), (255, 178, 61)
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write the three files where CMake expects them."""
    targets = {
        "Resources/Icons/MedSSL.png": extension_icon(),
        "MedSSLPretrain/Resources/Icons/MedSSLPretrain.png": pretrain_icon(),
        "MedSSLInference/Resources/Icons/MedSSLInference.png": inference_icon(),
    }
    for name, picture in targets.items():
        framed(picture).resize((SIZE, SIZE), Image.LANCZOS).save(ROOT / name, optimize=True)


def extension_icon() -> Image.Image:
    """Half the slice in disordered cubes, half restored: what self-supervision means here."""
    picture = chest()
    return mosaic(picture, columns=CELLS // 2, seed=5)


def pretrain_icon() -> Image.Image:
    """The disordered slice under a falling loss curve."""
    picture = mosaic(chest(), columns=CELLS, seed=3)
    shade = Image.new("RGB", picture.size, NIGHT)
    picture = Image.blend(picture, shade, 0.45)
    draw = ImageDraw.Draw(picture)
    x = np.linspace(0.14, 0.84, 80)
    y = 0.20 + 0.58 * (1 - np.exp(-5.0 * (x - 0.14))) / (1 - np.exp(-3.5))
    curve = [tuple(point) for point in np.stack([x, y], axis=1) * picture.width]
    stroke(draw, curve, width=0.075 * picture.width, colour=GLOW)
    return picture


def inference_icon() -> Image.Image:
    """A lens over the disordered slice: inside it the slice is whole."""
    clean, side = chest(), SIZE * SCALE
    picture = Image.blend(mosaic(clean, columns=CELLS, seed=7), Image.new("RGB", clean.size, NIGHT), 0.35)
    centre, radius = 0.44 * side, 0.29 * side
    box = (centre - radius, centre - radius, centre + radius, centre + radius)
    lens = Image.new("L", clean.size)
    ImageDraw.Draw(lens).ellipse(box, fill=255)
    picture.paste(clean, mask=lens)
    draw = ImageDraw.Draw(picture)
    rim = centre + radius * 0.72
    stroke(draw, [(rim, rim), (0.85 * side, 0.85 * side)], width=0.10 * side, colour=GLOW)
    draw.ellipse(box, outline=GLOW, width=int(0.05 * side))
    return picture


def chest() -> Image.Image:
    """A schematic axial slice of a chest on a dark background."""
    side = SIZE * SCALE
    picture = gradient(NIGHT, SEA)
    draw = ImageDraw.Draw(picture)

    def ellipse(x: float, y: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse([side * v for v in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)], fill=colour)

    ellipse(0.50, 0.51, 0.86, 0.66, BODY)
    ellipse(0.30, 0.50, 0.28, 0.44, LUNG)
    ellipse(0.70, 0.50, 0.28, 0.44, LUNG)
    ellipse(0.54, 0.42, 0.20, 0.24, (214, 106, 92))
    ellipse(0.50, 0.72, 0.12, 0.12, SPINE)
    return picture


def mosaic(picture: Image.Image, columns: int, seed: int) -> Image.Image:
    """Permute the grid cells of the left `columns` columns and turn a few of them into noise."""
    random = np.random.default_rng(seed)
    cell = picture.width // CELLS
    tiles = [(x * cell, y * cell) for x in range(columns) for y in range(1, CELLS - 1)]
    order = random.permutation(len(tiles))
    result = picture.copy()
    for target, source in zip(tiles, order):
        x, y = tiles[source]
        tile = picture.crop((x, y, x + cell, y + cell))
        if random.random() < 0.18:
            grey = random.integers(40, 230, (4, 4), dtype=np.uint8)
            tile = Image.fromarray(grey).resize((cell, cell), Image.NEAREST).convert("RGB")
        result.paste(tile, target)
    draw = ImageDraw.Draw(result)
    for x, y in tiles:
        draw.rectangle((x, y, x + cell, y + cell), outline=NIGHT, width=SCALE)
    return result


def gradient(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    """A vertical blend of two colours."""
    share = np.linspace(0, 1, SIZE * SCALE)[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.repeat(rows.astype(np.uint8), SIZE * SCALE, axis=1))


def stroke(draw: ImageDraw.ImageDraw, points: list, width: float, colour: tuple[int, int, int]) -> None:
    """A line with round joints and ends."""
    draw.line(points, fill=colour, width=int(width))
    for x, y in points:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)


def framed(picture: Image.Image) -> Image.Image:
    """Cut the corners round, with a transparent outside."""
    mask = Image.new("L", picture.size)
    side = picture.width
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side - 1, side - 1), radius=int(0.18 * side), fill=255)
    picture = picture.convert("RGBA")
    picture.putalpha(mask)
    return picture


if __name__ == "__main__":
    main()
