"""The images of a training set as the command line names them: files, a folder, a table or dataset specs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError, closest_name
from medssl.core.files import split_choice
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import READY_MADE, read_dataset_spec, ready_made

SUFFIXES = (".yaml", ".yml")


def data_spec(
    paths: list[str], pattern: str, modality: str, validation_fraction: float, exclude: Sequence[str] = (), **more: Any
) -> DataSpec:
    """A folder or CSV as such; image files as a list; dataset specs (YAML) as sets. `more`: further fields of `DataSpec`.

    `channels` among these are patterns below a folder, or the files that go with a single image.

    Raises:
        CatalogError: a dataset spec that breaks a rule, or one among other things; channels of a table, or of several images.
    """
    only = Path(paths[0])
    common: dict[str, Any] = {
        "modality": modality, "validation_fraction": validation_fraction, "exclude": tuple(exclude), **more,
    }  # fmt: skip
    channels = tuple(more.get("channels", ()))
    if channels and not (len(paths) == 1 and only.is_dir()):
        common["channels"] = ()
        _check_channels(paths, only)
    if any(is_dataset_spec(path) for path in paths):
        return DataSpec(sets=tuple(one.as_dict() for one in read_dataset_specs(paths)), **common)
    if len(paths) == 1 and (only.is_dir() or only.suffix.lower() == ".csv" or not split_choice(only)[0].exists()):
        return DataSpec(path=str(only), pattern=pattern, **common)
    first, *others = modality.split(",")
    stated = others or [first] * len(channels)
    further = tuple(
        VolumeRef(path=path, modality=kind.strip()) for path, kind in zip_longest(channels, stated, fillvalue="")
    ) if channels else ()  # fmt: skip
    volumes = tuple(VolumeRef(path=path, modality=first.strip(), further=further) for path in paths)
    return DataSpec(volumes=volumes, **common)


def _check_channels(paths: list[str], only: Path) -> None:
    table = len(paths) == 1 and only.suffix.lower() == ".csv"
    if table or len(paths) > 1 or is_dataset_spec(paths[0]):
        rule = "cannot be given beside a table" if table else "goes with one image, or with the pattern of a folder"
        remedy = "Name the channels in columns image_1, image_2 and so on of a table"
        raise CatalogError("--channel", rule, remedy, code="channel-pattern")


def dicom_options(plain_ids: bool, fill_gaps: bool) -> dict[str, str]:
    """How PatientIDs are stored and shown, and what becomes of missing slices, as `data_spec` takes it."""
    return {"patient_ids": "plain" if plain_ids else "hashed", "gaps": "resample" if fill_gaps else "refuse"}


def is_dataset_spec(path: str) -> bool:
    """Whether an argument names the file of a dataset spec."""
    return path.lower().endswith(SUFFIXES)


def means_dataset_spec(argument: str) -> bool:
    """Whether an argument is the file of a dataset spec or the name of a ready-made one, be it misspelt."""
    if is_dataset_spec(argument) or Path(argument).exists():
        return is_dataset_spec(argument)
    return argument in READY_MADE or bool(re.fullmatch(r"[\w-]+", argument) and closest_name(argument, READY_MADE))


def read_dataset_specs(paths: Sequence[str], root: Path | None = None) -> list[DatasetSpec]:
    """Dataset specs of files, or ready-made ones by name whose images lie in `root`.

    Raises:
        CatalogError: something else among them, or a dataset spec that breaks a rule.
    """
    if root is not None and len(paths) > 1:
        rule, remedy = "is for one dataset", "Write a dataset spec for each: medssl data spec"
        raise CatalogError(f"--root {root}", rule, remedy, code="root-of-several")
    made = []
    for path in paths:
        if path in READY_MADE:
            if root is None:
                rule, remedy = "needs the folder that holds the dataset", f"Write: {path} --root FOLDER"
                raise CatalogError(path, rule, remedy, code="root-missing")
            made.append(replace(ready_made()[path], root=str(root.expanduser().absolute())))
        elif is_dataset_spec(path):
            made.append(read_dataset_spec(Path(path), root and root.expanduser()))
        else:
            rule = f"is no dataset spec{closest_name(path, READY_MADE)}"
            remedy = "Give .yaml files alone, or other training sets alone; `medssl data specs` lists names"
            raise CatalogError(path, rule, remedy, code="not-a-dataset-spec")
    return made
