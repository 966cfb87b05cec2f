"""Where the results of applying a model go, and which model has filled the place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError
from medssl.core.files import disk_errors, expanded, read_json, write_json
from medssl.core.plan import Plan
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import shown
from medssl.tasks.apply.config import ApplyConfig

UNSAFE = re.compile(r'[<>:"\\|?*/\x00-\x1f]+')  # in a file name, on any system


@dataclass(frozen=True)
class ApplyFolder:
    """A folder and the names in it.

    Attributes:
        folder: label maps go here.
        table: of predictions.
        index: what became of each image.
        record: which model filled this.
    """

    folder: Path
    table: str = "predictions.csv"
    index: str = "index.csv"
    record: str = "apply.json"

    @classmethod
    def of(cls, text: str, otherwise: Path) -> ApplyFolder:
        """A folder, a .csv file for predictions (its index and record are named after it), or `otherwise` where empty."""
        path = expanded(text) if text else otherwise
        if path.suffix.lower() != ".csv":
            return cls(path)
        return cls(path.parent, path.name, f"{path.stem}.index.csv", f"{path.stem}.apply.json")

    def claim(
        self,
        plan: Plan,
        config: ApplyConfig,
        run: str,
        files: Iterable[str] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the folder and note in it which model fills it, and how; with `overwrite` forget what another run left.

        Args:
            plan: of the model.
            config: its settings count, but output and overwrite.
            run: the name of the run, which goes on with its own results even where it overwrites.
            files: that will be written here, beside the tables.
            about: what else the record should tell of the answers, as JSON has it.

        Raises:
            InputError: there are results of another model or of other settings, or files of these names that no model left.
            ResourceError: the folder cannot be made.
        """
        path = self.folder / self.record
        trained_by = {"job": str(plan.provenance.get("job", ""))}
        record = {
            **asdict(config),
            "model_sha256": plan.sha256,
            "method": plan.method,
            "run": run,
            **trained_by,
            **(about or {}),
        }
        if plan.geometry.recorded:  # which may be stated after a part of the images is done
            record["geometry"] = plan.geometry.as_dict()
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        known = read_json(path) if path.is_file() else None
        defaults = asdict(ApplyConfig())  # of settings that earlier versions did not have
        if known is None:  # images, or label maps that somebody drew
            _check_free(self.folder / name for name in files)
        if known is not None and config.overwrite and known.get("run") != run:
            for name in (self.index, self.table):
                (self.folder / name).unlink(missing_ok=True)
        elif known is not None and any(
            known.get(name, defaults.get(name)) != record[name]
            for name in record.keys() - {"output", "overwrite", "run", "job"}  # the hash says which model it was
        ):
            raise InputError(
                self.folder,
                "holds results of another model or of other settings",
                "Give another output, or overwrite",
                code="output-of-another-model",
            )
        write_json(path, record)


def record_of(table: Path) -> dict[str, Any]:
    """What was noted when a table of predictions was made; empty of a table from elsewhere."""
    for output in (ApplyFolder.of(str(table), table), ApplyFolder(table.parent)):
        path = output.folder / output.record
        if output.table == table.name and path.is_file():
            return read_json(path)
    return {}


def check_inputs_stay(files: Iterable[Path], catalog: Catalog) -> None:
    """Refuse to write over an image of the catalogue, or over its label map.

    Raises:
        InputError: names the first.
    """
    images = [one for entry in catalog for one in (entry, *entry.further)]
    inputs = {path.resolve() for one in images for path in (one.image, one.mask) if path is not None}
    taken = next((file for file in files if file.resolve() in inputs), None)
    if taken is not None:
        raise InputError(
            taken, "is an image of this set or its label map", "Give another output folder", code="output-is-input"
        )


def _check_free(files: Iterable[Path]) -> None:
    taken = next((file for file in files if file.exists()), None)
    if taken is not None:
        raise InputError(
            taken, "is there already, and no model has left it", "Give another output folder", code="output-exists"
        )


def file_names(catalog: Catalog, suffix: str, known: Mapping[str, str]) -> dict[str, str]:
    """A file name for each image (as `shown`), after its name; distinct on systems that ignore case too.

    Args:
        catalog: the images.
        suffix: of the files.
        known: files of images that are in the folder already, of this catalogue or another.
    """
    taken, names = {name.casefold() for name in known.values()}, dict(known)
    for entry in catalog:
        if shown(entry) in names:
            continue
        plain = UNSAFE.sub("_", entry.name).strip(" .") or "image"
        name, number = plain + suffix, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}{suffix}"
        taken.add(name.casefold())
        names[shown(entry)] = name
    return names
