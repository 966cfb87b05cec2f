"""Files as masked text: what is text stays readable, what is not becomes hashes of its parts."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

import numpy as np
from masks import EXEMPT_FILES, EXEMPT_FOLDERS, MASKED_FIELDS, Masks, pixels
from safetensors import safe_open

Texts = dict[str, str]  # an item's name -> its masked text


def folder_texts(folder: Path, name: str, masks: Masks) -> Texts:
    """Each file below `folder` as an item `name/path`, and the names of all of them as another."""
    files = sorted(
        path for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in EXEMPT_FOLDERS and not path.name.endswith(".lock")
    )  # fmt: skip
    places = {path: masks.text(path.relative_to(folder).as_posix()) for path in files}
    texts = {f"{name}/names": "\n".join(sorted(places.values()))}
    for path, place in places.items():
        if not any(fnmatch(path.name, pattern) for pattern in EXEMPT_FILES):
            texts[f"{name}/{place}"] = file_text(path, masks)
    return texts


def file_text(path: Path, masks: Masks) -> str:
    """A file's masked text."""
    return READERS.get(path.suffix.lower(), plain_text)(path, masks)


def plain_text(path: Path, masks: Masks) -> str:
    """Text as it is, anything else as its hash."""
    try:
        return masks.text(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError:
        return f"{path.stat().st_size} bytes {sha256(path.read_bytes()).hexdigest()}"


def json_text(path: Path, masks: Masks) -> str:
    """A JSON file, in the order of its fields."""
    return masks.json(json.loads(path.read_text(encoding="utf-8")), path.name)


def lines_text(path: Path, masks: Masks) -> str:
    """A file with a JSON value in each line."""
    return masks.json([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])


def table_text(path: Path, masks: Masks) -> str:
    """A table, with the columns among MASKED_FIELDS masked."""
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
        hidden = [number for number, name in enumerate(header) if name in MASKED_FIELDS]
        if not hidden:
            return plain_text(path, masks)
        rows = [["masked" if n in hidden and cell else cell for n, cell in enumerate(row)] for row in csv.reader(file)]
    return masks.text("\n".join(",".join(row) for row in [header, *rows]))


def picture_text(path: Path, masks: Masks) -> str:
    """Mode, size and pixels of a picture."""
    return pixels(path.read_bytes())


def nrrd_text(path: Path, masks: Masks) -> str:
    """An NRRD's header, and the hash of its voxels."""
    header, _, payload = path.read_bytes().partition(b"\n\n")
    voxels = gzip.decompress(payload) if b"encoding: gzip" in header or b"encoding: gz" in header else payload
    return f"{masks.text(header.decode())}\n{len(voxels)} bytes {sha256(voxels).hexdigest()}"


def gzip_text(path: Path, masks: Masks) -> str:
    """What a compressed file holds."""
    content = gzip.decompress(path.read_bytes())
    return f"{len(content)} bytes {sha256(content).hexdigest()}"


def arrays_text(path: Path, masks: Masks) -> str:
    """The arrays of a .npz or .npy file."""
    loaded = np.load(path)
    arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in sorted(loaded.files)}
    lines = []
    for name, array in arrays.items():
        if array.dtype.kind == "U":  # as wide as the longest path
            lines.append(f"{name} text {array.shape} {masks.text(' '.join(array.ravel().tolist()))}")
        else:
            lines.append(f"{name} {array.dtype} {array.shape} {sha256(array.tobytes()).hexdigest()}")
    return "\n".join(lines)


def tensors_text(path: Path, masks: Masks) -> str:
    """The header of a weight file or checkpoint, the hash over all tensors in name order, and the hash of each."""
    total, lines = sha256(), []
    with safe_open(path, framework="numpy") as file:
        metadata = dict(sorted((file.metadata() or {}).items()))
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            total.update(tensor.tobytes())
            lines.append(f"{name} {tensor.dtype} {tensor.shape} {sha256(tensor.tobytes()).hexdigest()}")
    header = [f"{name}: {_metadata(value, masks)}" for name, value in metadata.items()]
    return "\n".join([*header, f"all tensors {total.hexdigest()}", *lines])


def _metadata(value: str, masks: Masks) -> str:
    try:
        return masks.json(json.loads(value))
    except ValueError:
        return masks.text(value)


READERS: dict[str, Callable[[Path, Masks], str]] = {
    ".csv": table_text, ".json": json_text, ".jsonl": lines_text, ".png": picture_text, ".nrrd": nrrd_text, ".gz": gzip_text,
    ".npz": arrays_text, ".npy": arrays_text, ".safetensors": tensors_text,
}  # fmt: skip


def of_texts(texts: Texts) -> dict[str, str]:
    """The SHA-256 of each item."""
    return {name: sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())}


def keep(texts: Texts, folder: Path) -> None:
    """Write the masked texts as files, so that two runs can be held against each other with `diff -r`."""
    for name, text in texts.items():
        path = folder / name.replace("<", "").replace(">", "").replace(" ", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + ".txt").write_text(text, encoding="utf-8")
