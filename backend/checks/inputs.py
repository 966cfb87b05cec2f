"""Images, tables and declarations that are the same every time: seeded numbers, and writers of our own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPLITS = ("train", "train", "train", "train", "val", "val", "test", "test", "train", "train", "val", "test")
MASSES = (
    "1",
    "0",
    "-1",
    "0",
    "",
    "1",
    "0",
    "1",
    "0",
    "",
    "1",
    "0",
)  # as catalogues tell: -1 is uncertain, nothing unknown
VOLUME = (40, 36, 24)  # voxels
PICTURE = (150, 140)  # rows, columns
SPACING = (1.5, 1.5, 2.0)  # mm
KINDS = {np.dtype(np.int16): "int16", np.dtype(np.uint8): "uint8"}


@dataclass(frozen=True)
class Inputs:
    """Where everything lies that the product is given."""

    folder: Path

    @property
    def volumes(self) -> Path:
        """Catalogue of CT-like volumes with label maps: eight patients."""
        return self.folder / "volumes" / "volumes.csv"

    @property
    def pictures(self) -> Path:
        """Catalogue of radiographs with labels, masks and attributes: twelve patients."""
        return self.folder / "pictures" / "pictures.csv"

    @property
    def landmarks(self) -> Path:
        """Three landmarks of the first six radiographs."""
        return self.folder / "pictures" / "landmarks.csv"

    @property
    def sets(self) -> list[Path]:
        """Declarations of two sets, labelled differently."""
        return [self.folder / "pictures" / name for name in ("findings.yaml", "shades.yaml")]

    def volume(self, number: int) -> str:
        """Path of a volume."""
        return str(self.folder / "volumes" / f"volume{number}.nrrd")

    def picture(self, number: int) -> str:
        """Path of a radiograph."""
        return str(self.folder / "pictures" / f"picture{number}.png")

    def table(self, name: str) -> Path:
        """A table of predictions: `predictions`, `validation`, `women`, `men`."""
        return self.folder / "tables" / f"{name}.csv"


def write_inputs(folder: Path) -> Inputs:
    """Write all of it below `folder`."""
    for name in ("volumes", "truth", "guess", "pictures", "tables", "unseen"):
        (folder / name).mkdir(parents=True)
    write_volumes(folder)
    write_pictures(folder / "pictures")
    write_declarations(folder / "pictures")
    write_predictions(folder / "tables")
    for number in (3, 4):
        Image.fromarray(radiograph(50 + number)[0]).save(folder / "unseen" / f"unseen{number}.png")
    return Inputs(folder)


def write_volumes(folder: Path) -> None:
    """Volumes with label maps, and label maps for an evaluation: the truth, and the same shifted."""
    rows = []
    for number in range(8):
        image, labels = chest(number)
        write_nrrd(folder / "volumes" / f"volume{number}.nrrd", image)
        write_nrrd(folder / "volumes" / f"mask{number}.nrrd", labels)
        write_nrrd(folder / "truth" / f"volume{number}.nrrd", labels)
        write_nrrd(folder / "guess" / f"volume{number}.nrrd", np.roll(labels, number % 3, axis=number % 2))
        rows.append({"image": f"volume{number}.nrrd", "patient": f"p{number}", "split": SPLITS[number], "modality": "CT",
                     "mask": f"mask{number}.nrrd", "sex": "FM"[number % 2], "age": 30 + 7 * number})  # fmt: skip
    write_table(folder / "volumes" / "volumes.csv", rows)


def chest(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A body with two lungs in HU (int16), and the lungs as labels 1 and 2 (uint8)."""
    rng = np.random.default_rng(number)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in VOLUME), indexing="ij")
    body = (i / 0.95) ** 2 + (j / 0.85) ** 2 < 1
    labels = np.zeros(VOLUME, np.uint8)
    for value, side in ((1, -1), (2, 1)):
        shift = rng.uniform(-0.08, 0.08, 3)
        labels[
            ((i - side * 0.42 - shift[0]) / 0.3) ** 2 + ((j - shift[1]) / 0.5) ** 2 + ((k - shift[2]) / 0.8) ** 2 < 1
        ] = value
    image = np.where(body, 40.0, -1000.0)
    image[labels > 0] = -800.0
    image[(i**2 + (j - 0.6) ** 2 < 0.02)] = 500.0
    image += rng.normal(0, 25, VOLUME)
    return np.rint(image).clip(-1024, 1500).astype(np.int16), labels


def write_nrrd(path: Path, array: np.ndarray) -> None:
    """A raw NRRD in LPS; the first axis varies fastest."""
    directions = " ".join(
        f"({','.join(str(step if n == m else 0) for m in range(3))})" for n, step in enumerate(SPACING)
    )
    lines = ["NRRD0004", f"type: {KINDS[array.dtype]}", "dimension: 3", "space: left-posterior-superior",
             f"sizes: {' '.join(map(str, array.shape))}", f"space directions: {directions}", "kinds: domain domain domain",
             "endian: little", "encoding: raw", "space origin: (-20,10,5)"]  # fmt: skip
    path.write_bytes("\n".join([*lines, "", ""]).encode() + array.tobytes(order="F"))


def write_pictures(folder: Path) -> None:
    """Radiographs, their masks, their catalogue and landmarks."""
    rows, points = [], []
    for number, split in enumerate(SPLITS):
        picture, lungs, middles = radiograph(number)
        Image.fromarray(picture).save(folder / f"picture{number}.png")
        Image.fromarray(lungs).save(folder / f"lungs{number}.png")
        bright = number % 2
        rows.append({
            "image": f"picture{number}.png", "patient": f"p{number}", "split": split, "mask": f"lungs{number}.png",
            "Bright": bright, "Mass": MASSES[number], "shade": ("Dark", "Light")[bright],
            "sex": "FM"[number % 3 % 2], "age": 25 + 5 * number,
        })  # fmt: skip
        if number < 6:
            points += [
                {"image": f"picture{number}.png", "landmark": name, "x": round(x, 2), "y": round(y, 2)}
                for name, (x, y) in middles.items()
            ]
    write_table(folder / "pictures.csv", rows)
    write_table(folder / "landmarks.csv", points)


def radiograph(number: int) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[float, float]]]:
    """A picture of two dark lungs under ribs, odd ones with a bright disc; the lungs as 1 and 2; three places (x, y)."""
    rng = np.random.default_rng(100 + number)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in PICTURE), indexing="ij")
    move = rng.uniform(-0.06, 0.06, 2)
    lungs, middles = np.zeros(PICTURE, np.uint8), {}
    for value, name, side in ((1, "right lung", -1), (2, "left lung", 1)):
        middle = (0.45 * side + move[0], move[1])
        lungs[((x - middle[0]) / 0.3) ** 2 + ((y - middle[1]) / 0.6) ** 2 < 1] = value
        middles[name] = middle
    middles["heart"] = (0.1 + move[0], 0.35 + move[1])
    heart = ((x - middles["heart"][0]) / 0.25) ** 2 + ((y - middles["heart"][1]) / 0.2) ** 2 < 1
    grey = 150 - 80 * (lungs > 0) + 12 * np.sin(14 * (y + x**2)) + 60 * heart + rng.normal(0, 6, PICTURE)
    grey += 70 * (number % 2) * ((x + 0.4) ** 2 + (y + 0.2) ** 2 < 0.03)
    pixels = {
        name: ((a + 1) / 2 * (PICTURE[1] - 1), (b + 1) / 2 * (PICTURE[0] - 1)) for name, (a, b) in middles.items()
    }
    return np.rint(grey).clip(0, 255).astype(np.uint8), lungs, pixels


def write_declarations(folder: Path) -> None:
    """Two sets over the same pictures: findings of each, and one word of two."""
    common = "root: .\ntables: [pictures.csv]\nimages: '{image}'\npatient: patient\nsplit: split\nmodality: CXR\n"
    findings = "name: findings\nkind: multi-label\nlabels: [Bright, Mass]\nuncertain: smooth-ones\nattributes: {sex: sex, age: age}\n"
    shades = "name: shades\nkind: multi-class\nlabels: {column: shade, values: {Dark: Dark, Light: Light}}\n"
    (folder / "findings.yaml").write_text(findings + common, encoding="utf-8")
    (folder / "shades.yaml").write_text(shades + common, encoding="utf-8")


def write_predictions(folder: Path) -> None:
    """Tables as `medssl predict` leaves them: 120 images of 60 patients, two findings, two attributes."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(120):
        row: dict[str, Any] = {"image": f"{number}.png", "patient": f"p{number // 2}"}
        truth = {name: int(rng.random() < share) for name, share in (("Effusion", 0.4), ("Mass", 0.25))}
        row |= {
            name: round(float(1 / (1 + np.exp(-rng.normal(2 * value - 1, 1.2)))), 6) for name, value in truth.items()
        }
        row |= {f"label_{name}": "" if rng.random() < 0.05 else value for name, value in truth.items()}
        rows.append(row | {"attribute_sex": "FM"[number // 2 % 2], "attribute_age": 20 + number // 2})
    write_table(folder / "predictions.csv", rows)
    write_table(folder / "validation.csv", [row | {"image": f"v{row['image']}"} for row in rows[::2]])
    for name, sex in (("women", "F"), ("men", "M")):
        shifted = [row | {"Effusion": round(row["Effusion"] * (0.8 if sex == "M" else 1.0), 6)} for row in rows]
        write_table(folder / f"{name}.csv", shifted)


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """A CSV of the rows' fields."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
