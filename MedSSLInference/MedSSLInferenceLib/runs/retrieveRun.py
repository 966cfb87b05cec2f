"""Similar cases of an image of the scene, as runs: find them, load one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import greyVoxels, uploadSteps
from MedSSLLib.steps import Steps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.core.requests import PlaneRequest, RetrieveRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.radiographImages import viewOf
from MedSSLInferenceLib.scene.folders import createFolder, folderName, placeInFolder
from MedSSLInferenceLib.scene.presence import requireGiven, requirePresent
from MedSSLInferenceLib.scene.results import CASES, joinResult, mark
from MedSSLInferenceLib.scene.tableNodes import createTable
from MedSSLInferenceLib.views.caseNodes import createFromBytes, isCase, loadedBefore, loadFile, markCase

SPEC_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Retrieved:
    """The cases most similar to an image."""

    volume: Any  # the node that was asked about
    tableNode: Any  # vtkMRMLTableNode with the rows below
    table: tuple[dict[str, Any], ...]  # a row per case: rank, name, patient, path, similarity, distance, findings, ...
    pictures: tuple[bytes, ...]  # a small PNG of each
    info: dict[str, Any]
    local: bool  # whether the paths are those of this computer
    folder: int  # the subject hierarchy's item that loaded cases come into


def retrieveRun(
    node, among, model: str, view: str = "", onProgress: Callable = lambda *_: None, **options: Any
) -> InspectionRun:
    """A search for similar cases; its nodes are Retrieved.

    Args:
        node: a volume node, 3D or 2D. Its attribute MedSSL.Patient says whose other images do not count.
        among: path of a folder, a catalogue CSV or a dataset spec (.yaml) on the backend's machine, or a DataSpec.
        model: a job id, or the path of a weight file that the backend can read.
        view: how a 3D node becomes 2D where the model looks at radiographs: "frontal", "lateral", "red", "k:57".
        onProgress: called with a fraction 0...1 and a message.
        options: further fields of RetrieveRequest: count, features, same_patient, part, device.

    Raises:
        InputError: no volume, set or model, or the red view shows no slice of the volume.
        VolumeError: no voxels, or colours.
    """
    requireGiven(
        (node, _("volume"), _("Choose a loaded volume")),
        (among, _("set of images"), _("Choose a folder, a table or a dataset spec")),
        (model, _("model"), _("Choose a pretrained model")),
    )
    greyVoxels(node)
    seen = viewOf(node, view)

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        shared = sharesFiles(transport.address)
        data = among if isinstance(among, DataSpec) else (yield from dataSteps(os.fspath(among)))
        volume = yield from uploadSteps(node, shared, seen)
        volume = replace(volume, patient=node.GetAttribute("MedSSL.Patient") or "")
        status = yield api.retrieve(RetrieveRequest(volume, data, model, **options))
        status = yield from resultSteps(status, stopped, onProgress)
        pictures = []
        for row in status.table:
            pictures.append((yield api.result_file(status.id, f"case-{row['rank']}.png")))
        return status, tuple(pictures), shared

    def createNodes(value) -> Retrieved:
        requirePresent([node], _("Load it and search again"))
        status, pictures, shared = value
        folder = createFolder(_("Cases similar to {name}").format(name=node.GetName()), node)
        tableNode = createTable(status.table, folderName(folder))
        tableNode.SetAttribute("MedSSL.model", model)
        placeInFolder(tableNode, folder)
        mark({"table": tableNode}, CASES, [node])
        return Retrieved(node, tableNode, tuple(status.table), pictures, status.info, shared, folder)

    return InspectionRun(conversation, createNodes)


def dataSteps(path: str) -> Steps:
    """A folder or a table as such; a dataset spec is read by the backend, since Slicer's Python knows no YAML."""
    if Path(path).suffix.lower() in SPEC_ENDINGS:
        return DataSpec(sets=((yield api.read_dataset_spec(path=path)),))
    return DataSpec(path=path)


def caseRun(found: Retrieved, rank: int, onProgress: Callable = lambda *_: None) -> InspectionRun:
    """Bring one of the cases into the scene; its node is a volume node in the search's folder.

    The file itself is loaded where this computer has it; the 2D image comes from the backend where that is on another one, or
    reads formats that Slicer does not.

    Args:
        rank: of the case, from 1.

    Raises:
        InputError: no such rank, or the image that was asked about is gone.
    """
    if not 1 <= rank <= len(found.table):
        rule = _("is none of {count} cases").format(count=len(found.table))
        raise InputError(_("rank {rank}").format(rank=rank), rule, _("Choose one of them"), code="rank-unknown")
    requirePresent([found.volume], _("Load it and search again"))
    row = found.table[rank - 1]

    def conversation(transport, stopped) -> Steps:
        node = loadedBefore(row["path"])
        if node is None and found.local:
            node = loadFile(row["path"], row["name"])
        if node is not None:
            return node
        onProgress(0.0, _("Fetching {name}").format(name=row["name"]))
        asked = yield api.plane(PlaneRequest(VolumeRef(path=row["path"])))
        status = yield from resultSteps(asked, stopped, onProgress)
        return createFromBytes((yield api.result_file(status.id, status.files[0])), row["name"])

    def createNodes(node):
        if not isCase(node):
            markCase(node, row, found.volume)
            placeInFolder(node, found.folder)
            joinResult(node, found.tableNode, "case")
        return node

    return InspectionRun(conversation, createNodes)
