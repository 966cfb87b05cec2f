"""What dataset specs ask of the backend, which reads and writes YAML (Slicer's Python does not), as conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MedSSLLib.steps import Steps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import ResourceError
from medssl.datasets.spec.spec import DatasetSpec, check_names
from MedSSLPretrainLib.datasets.datasetSpecText import complete


def readSteps(path: str, sharesFiles: bool) -> Steps:
    """The file of a dataset spec as a dict; a relative root in it means the file's folder.

    Args:
        path: a YAML or JSON file on this computer.
        sharesFiles: whether the backend sees the same files.

    Raises:
        ResourceError: the file cannot be read.
        CatalogError: it holds no dataset spec.
    """
    if sharesFiles:
        return (yield api.read_dataset_spec(path=path))
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(
            path, _("cannot be read ({reason})").format(reason=error), _("Choose a YAML file")
        ) from error
    return (yield api.read_dataset_spec(text=text))


def saveSteps(path: str, spec: DatasetSpec) -> Steps:
    """Write a dataset spec as a YAML file on this computer; returns its path.

    Raises:
        ResourceError: the file cannot be written.
    """
    answer: dict[str, Any] = yield api.dataset_spec_text(spec.as_dict())
    target = Path(path) if Path(path).suffix else Path(f"{path}.yaml")
    try:
        target.write_text(answer["text"], "utf-8")
    except OSError as error:
        rule = _("cannot be written ({reason})").format(reason=error.strerror)
        raise ResourceError(path, rule, _("Choose another folder")) from error
    return str(target)


def datasetSpecSteps(sets) -> Steps:
    """Complete dataset specs of dicts, and of files on the backend's machine; returns a tuple of dicts.

    Raises:
        CatalogError: what is wrong with one, or two have one name.
    """
    specs = []
    for given in sets:
        values = given if isinstance(given, dict) else (yield api.read_dataset_spec(path=str(given)))
        specs.append(complete(values))
    check_names(specs)
    return tuple(spec.as_dict() for spec in specs)
