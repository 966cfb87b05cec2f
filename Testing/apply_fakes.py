"""A backend in memory with fine-tuned models: one finds lungs by their air, one classifies by mean intensity."""

from __future__ import annotations

import json
import types

import finetune_fakes
import inference_fakes
import numpy as np
import qt
import slicer

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from medssl.inspection_requests import PredictRequest, images_from_json, segment_from_json
from medssl.protocol import ResultStatus

SEGMENTS = [
    {"value": 1, "name": "left lung", "colour": "#cc3333", "terminology": finetune_fakes.TERMINOLOGY},
    {"value": 2, "name": "right lung", "colour": "#3366cc", "terminology": finetune_fakes.TERMINOLOGY},
    {"value": 7, "name": "nodule", "colour": "#33cc66", "terminology": ""},
]
LUNGS, FINDINGS, GENESIS = "20261123-lungs-a1", "20261123-findings-b2", "20261123-genesis-a1"
MODELS = [
    {"model": LUNGS, "name": "lungs", "method": "unet-segmenter", "created": 3.0,
     "plan": {"method": "unet-segmenter", "task": {"name": "segmentation", "segments": SEGMENTS}}},
    {"model": FINDINGS, "name": "findings", "method": "probe", "created": 2.0,
     "plan": {"method": "probe", "task": {"name": "probing", "classes": ["Pneumonia", "Effusion"]}}},
    *inference_fakes.MODELS,
]  # fmt: skip


class TaskBackend(inference_fakes.FakeBackend):
    """Answers segmentations and predictions too.

    Attributes:
        asked: every such request so far.
        looks: how many looks a prediction averages over; 1: no interval.
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.models, self.asked, self.looks, self._answer = MODELS, [], 10, None

    def answer(self, call) -> tuple[int, bytes]:
        readers = {
            "/inspect/segment": segment_from_json,
            "/inspect/predict": lambda body: images_from_json(PredictRequest, body),
        }
        if call.path not in readers:
            return super().answer(call)
        self.calls.append(f"{call.method} {call.path}")
        request = readers[call.path](json.loads(call.body))
        self.asked.append(request)
        self._answer = self._segment if call.path.endswith("segment") else self._predict
        self.status, self._polled = ResultStatus("r1", "task", "queued"), 0
        return self._told(202)

    def _finish(self) -> None:
        if self._answer is None:
            super()._finish()
            return
        table, info, self.files = self._answer(self.asked[-1])
        self.status = ResultStatus("r1", "task", "finished", 1.0, "", tuple(self.files), tuple(table), info)

    def _segment(self, request):
        array, geometry = read_nrrd_bytes(self.volumes[request.volume.sha256])
        air = (array < -600) & (array > -950)
        labels = np.zeros(array.shape, np.uint8)
        half = array.shape[2] // 2
        labels[..., :half][air[..., :half]], labels[..., half:][air[..., half:]] = 2, 1
        voxel = abs(np.linalg.det(geometry[:3, :3])) / 1000
        counts = {one["value"]: int((labels == one["value"]).sum()) for one in SEGMENTS}
        table = [
            {"class": one["name"], "value": one["value"], "colour": one["colour"], "voxels": counts[one["value"]],
             "volume_ml": counts[one["value"]] * voxel}
            for one in SEGMENTS
        ]  # fmt: skip
        info = {"segments": SEGMENTS, "notes": [], "model": request.model}
        return table, info, {"segmentation.nrrd": nrrd_bytes(labels, geometry)}

    def _predict(self, request):
        table = []
        for number, ref in enumerate(request.images):
            for shift, name in enumerate(("Pneumonia", "Effusion")):
                p = 0.8 - 0.25 * shift - 0.2 * number
                low, high = (p - 0.05, p + 0.05) if self.looks > 1 else (None, None)
                table.append(
                    {"image": number, "name": ref.name, "class": name, "probability": p, "low": low, "high": high,
                     "threshold": 0.41, "positive": p >= 0.41}
                )  # fmt: skip
        notes = [f"Intervals: mean -+ t over {self.looks} looks"] if self.looks > 1 else []
        return table, {"classes": ["Pneumonia", "Effusion"], "notes": notes, "model": request.model}, {}


class MainWindow(qt.QWidget):
    """As slicer.util looks for it; choosing a module enters its panel.

    Attributes: `entered`, names of the modules that were chosen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.objectName, self.entered = "qSlicerMainWindow", []

    def moduleSelector(self):
        return self

    def selectModule(self, name: str) -> None:
        self.entered.append(name)
        slicer.util.getModuleWidget(name).enter()


def segmentEditorModule() -> types.ModuleType:
    """A scripted module in place of Slicer's Segment Editor."""
    from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget

    class SegmentEditor(ScriptedLoadableModule):
        pass

    class SegmentEditorWidget(ScriptedLoadableModuleWidget):
        def setup(self) -> None:
            self.editor = Editor()

        def enter(self) -> None:
            self.editor.setSegmentationNode(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode"))

    module = types.ModuleType("SegmentEditor")
    module.SegmentEditor, module.SegmentEditorWidget = SegmentEditor, SegmentEditorWidget
    return module


class Editor:
    """What qMRMLSegmentEditorWidget is told."""

    segmentation = volume = None

    def setSegmentationNode(self, node) -> None:
        self.segmentation = node

    def setSourceVolumeNode(self, node) -> None:
        self.volume = node
