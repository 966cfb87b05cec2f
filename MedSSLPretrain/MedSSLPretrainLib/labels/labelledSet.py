"""The labelled volumes that a task learns from, and what must be right with them before anything is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedSSLLib.channels.channelNodes import channelProblem
from MedSSLLib.scene.labelMaps import isEmpty, segmentFacts
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.modelChoice import methodTitle, purpose
from slicer.i18n import tr as _

from medssl.core.capabilities import CLASSES, SEGMENT
from medssl.core.errors import CatalogError, VolumeError, WeightsError
from medssl.core.registry import TaskEntry
from medssl.pretraining import METHODS
from medssl.tasks import TASKS
from MedSSLPretrainLib.labels.labelledVolumes import labelsOf, labelText, patientOf, segmentationOf, setLabel, takeTable

OF_NEWER_BACKEND = TaskEntry("", "", CLASSES)  # what is assumed of a task that is not known here
UNFIT = ",|="  # what has a meaning of its own where columns of labels are listed


@dataclass(frozen=True)
class LabelledSet:
    """The user's choice: volume nodes with a segmentation each, or with labels; or a table on the backend's machine."""

    volumes: tuple = ()
    segmentations: tuple = ()  # as many, None where one is missing
    columns: tuple[str, ...] = ()  # of the labels, which stand at the volumes
    path: str = ""
    modality: str = ""
    further: tuple = ()  # of each volume its further channels, None where one is missing; (): there are none
    channelNames: str = ""  # of all channels, separated by commas; "": by their modality

    @staticmethod
    def of(volumes, segmentations=None, labels=None, modality: str = "", channels=None, channelNames="") -> LabelledSet:
        """From what a script gives.

        Args:
            volumes: volume nodes, or the path of a folder or CSV file on the backend's machine.
            segmentations: a segmentation node for each; None: those that were made on the volumes.
            labels: a dict of labels for each, or a table node as `labelledVolumes.takeTable` reads it; they are kept at
                the volume nodes.
            channels: of each volume a list of the nodes that are its further channels; they are kept at the volume nodes.
            channelNames: of all channels, "T1,T2".
        """
        if isinstance(volumes, (str, Path)):
            return LabelledSet(path=str(volumes), modality=modality)
        nodes = tuple(volumes)
        if labels is None:
            found = segmentations if segmentations is not None else [segmentationOf(node) for node in nodes]
            further = tuple(map(tuple, _asMany(nodes, channels, _("lists of channels")))) if channels else ()
            return LabelledSet(
                nodes,
                _asMany(nodes, found, _("segmentations")),
                modality=modality,
                further=further,
                channelNames=channelNames,
            )
        if hasattr(labels, "GetCellText"):
            columns = takeTable(labels)
        else:
            rows = _asMany(nodes, labels, _("rows of labels"))
            columns = tuple(dict.fromkeys(column for row in rows for column in row))
            for node, row in zip(nodes, rows):
                for column, value in row.items():
                    setLabel(node, column, labelText(value))
        return LabelledSet(nodes, columns=columns, modality=modality)


def taskEntry(task: str) -> TaskEntry:
    """What the registry says of a task."""
    return TASKS.get(task, OF_NEWER_BACKEND)


def learnsSegments(task: str) -> bool:
    """Whether a task learns from segmentations; others learn from labels."""
    return taskEntry(task).answers == SEGMENT


def checkNetworks(chosen: LabelledSet, networks: int) -> None:
    """Whether there is a fold of patients for each network of an ensemble.

    Raises:
        CatalogError: there is not.
    """
    count = len(set(patients(chosen.volumes)))
    if networks > 1 and not chosen.path and count < networks:
        raise CatalogError(
            counted(count, _("{count} patient"), _("{count} patients")),
            _("cannot be split for {count} networks").format(count=networks),
            _("Take fewer networks, or tick volumes of further patients"), code="too-few-patients",
        )  # fmt: skip


def check(chosen: LabelledSet, task: str) -> None:
    """Whether a task can be trained on the choice.

    Raises:
        CatalogError, VolumeError: it cannot; value, rule and remedy are for the panel.
    """
    if chosen.path:
        return
    if not chosen.volumes:
        raise CatalogError(_("training set"), _("is empty"), _("Tick at least two volumes"), code="no-images")
    for number, volume in enumerate(chosen.volumes):
        if learnsSegments(task):
            _checkSegmentation(volume, chosen.segmentations[number])
            _checkChannels(volume, chosen.further[number] if chosen.further else ())
        else:
            _checkLabels(volume, chosen.columns)
    if not learnsSegments(task):
        _checkClasses(chosen)
    if len(set(patients(chosen.volumes))) < 2:
        rule = _("shows one patient: one is needed to train on and another to validate")
        raise CatalogError(_("training set"), rule, _("Tick a volume of another patient"))


def checkModel(model: dict[str, Any] | None, task: str, reference: str = "") -> None:
    """Whether a task can start from a model.

    Args:
        model: an entry of `GET /models`; None: a weight file, of which only the backend knows, or none.
        reference: what was chosen.

    Raises:
        WeightsError: a fine-tuned model of another task, or none where the task needs one.
    """
    if taskEntry(task).needs_model and not reference:
        raise WeightsError(
            _("model"),
            _("is missing: a probe looks into one"),
            _("Choose the model to start from"),
            code="model-missing",
        )
    known = purpose(model) if model is not None else ""
    if known not in ("", task, *METHODS):
        rule = _("is a model for {other}, not for {task}").format(other=methodTitle(known), task=methodTitle(task))
        raise WeightsError(model["name"], rule, _("Start from a pretrained model, one of this task, or from scratch"))


def checkColumn(name: str, others) -> None:
    """Whether a column of labels may be called so.

    Raises:
        CatalogError: it may not.
    """
    if not name or name.startswith("!") or any(sign in name for sign in UNFIT):
        rule = _("is no name for a column of labels: it is empty, begins with ! or holds one of {signs}")
        raise CatalogError(repr(name), rule.format(signs=" ".join(UNFIT)), _("Write another one, such as Pneumonia"))
    if name in others:
        raise CatalogError(name, _("is there already"), _("Write another name"))


def patients(nodes) -> list[str]:
    """Whose each is; where nobody knows, a volume is a patient, and names need not be unique."""
    names = Counter(node.GetName() for node in nodes)
    return [
        patientOf(node) or (node.GetName() if names[node.GetName()] == 1 else f"{node.GetName()} {node.GetID()}")
        for node in nodes
    ]


def _checkSegmentation(volume, segmentation) -> None:
    if segmentation is None:
        remedy = _("Segment it (module Segment Editor), choose a segmentation, or leave the volume out")
        raise CatalogError(volume.GetName(), _("has no segmentation"), remedy)
    names = Counter(facts.name for facts in segmentFacts(segmentation))
    if not names:
        rule, remedy = _("has no segments"), _("Add a segment and paint it, or choose another segmentation")
        raise CatalogError(segmentation.GetName(), rule, remedy)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        rule = _("has two segments called {name}").format(name=twice)
        raise CatalogError(segmentation.GetName(), rule, _("Give each a name of its own"))
    if isEmpty(segmentation):
        raise CatalogError(segmentation.GetName(), _("has only empty segments"), _("Paint a segment"))


def _checkChannels(volume, further) -> None:
    for number, node in enumerate(further, 2):
        if node is None:
            rule = _("has no image {number}").format(number=number)
            raise CatalogError(volume.GetName(), rule, _("Choose it, or leave the volume out"), code="channel-missing")
        if problem := channelProblem(volume, node):
            value = _("{node}, image {number} of {volume}").format(
                node=node.GetName(), number=number, volume=volume.GetName()
            )
            raise VolumeError(value, problem, _("Choose another image, or leave the volume out"), code="channels-apart")


def _checkLabels(volume, columns) -> None:
    if not columns:
        remedy = _("Add a column, such as Pneumonia, or take labels from a table")
        raise CatalogError(_("labels"), _("have no column"), remedy)
    if not labelsOf(volume, columns):
        rule = _("has no {columns}").format(columns=_(" or ").join(columns))
        raise CatalogError(volume.GetName(), rule, _("Leave the volume out or fill the field"))


def _checkClasses(chosen: LabelledSet) -> None:
    rows = [labelsOf(volume, chosen.columns) for volume in chosen.volumes]
    values = {column: {row[column] for row in rows if column in row} for column in chosen.columns}
    if len(rows) > 1 and all(len(known) < 2 for known in values.values()):
        rule = _("are the same for every volume")
        raise CatalogError(_("labels"), rule, _("Tick volumes of another class too"))


def _asMany(nodes, found, what: str) -> tuple:
    found = tuple(found)
    if len(found) != len(nodes):
        rule = counted(len(nodes), _("do not fit {count} volume"), _("do not fit {count} volumes"))
        raise CatalogError(f"{len(found)} {what}", rule, _("Give one for each"), code="counts-differ")
    return found
