"""A backend in memory with fine-tuned models and an Ark: lungs are found by their air, findings are made up."""

from __future__ import annotations

import types

import numpy as np
import qt
import slicer

from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes
from scaffold import restoring
from scaffold.phantoms import TERMINOLOGY
from scaffold.radiographs import plane
from scaffold.restoring import RestoreServer

SEGMENTS = [
    {"value": 1, "name": "left lung", "colour": "#cc3333", "terminology": TERMINOLOGY},
    {"value": 2, "name": "right lung", "colour": "#3366cc", "terminology": TERMINOLOGY},
    {"value": 7, "name": "nodule", "colour": "#33cc66", "terminology": ""},
]
HEADS = {  # an Ark's, with made-up probabilities
    "chexpert": {"Cardiomegaly": 0.91, "Edema": 0.34, "Pneumonia": 0.62, "Pleural Effusion": 0.83},
    "chestxray14": {"Cardiomegaly": 0.88, "Effusion": 0.79, "Hernia": 0.02},
    "shenzhen": {"TB": 0.07},
}
ARK = "/models/ark.safetensors"
ARK_MODEL = {"model": ARK, "name": "ark", "method": "ark", "created": 4.0,
             "plan": {"method": "ark", "network": {"sets": [{"name": n, "classes": list(c)} for n, c in HEADS.items()]}}}  # fmt: skip
LUNGS, FINDINGS = "20261123-lungs-a1", "20261123-findings-b2"
MODELS = [
    {"model": LUNGS, "name": "lungs", "method": "unet-segmenter", "created": 3.0,
     "plan": {"method": "unet-segmenter", "task": {"name": "segmentation", "segments": SEGMENTS}}},
    {"model": FINDINGS, "name": "findings", "method": "probe", "created": 2.0,
     "plan": {"method": "probe", "task": {"name": "probing", "classes": ["Pneumonia", "Effusion"]}}},
    *restoring.MODELS,
]  # fmt: skip


class TaskServer(RestoreServer):
    """Answers segmentations and predictions too.

    Attributes:
        looks: how many looks a prediction averages over; 1: no interval.
        similarity: of saliency maps to those of random networks.
        shortened: whether uncertainty maps lack a slice.
    """

    def __init__(self, models=MODELS, **options) -> None:
        super().__init__(models=models, **options)
        self.looks, self.similarity, self.shortened = 10, 0.12, False

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
        files = {"segmentation.nrrd": nrrd_bytes(labels, geometry)}
        if request.uncertainty:  # where air begins
            unsure = np.clip(1 - np.abs(array + 600) / 300, 0, 1).astype(np.float32)
            files["uncertainty.nrrd"] = nrrd_bytes(unsure[1:] if self.shortened else unsure, geometry)
        return table, info, files

    def _predict(self, request):
        if request.model == ARK:
            return self._predict_heads(request)
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

    def _predict_heads(self, request):
        table = [
            {"image": number, "name": ref.name, "head": head, "class": name, "probability": max(0.0, p - 0.2 * number),
             "low": None, "high": None, "threshold": None, "positive": None}
            for number, ref in enumerate(request.images) for head, classes in HEADS.items() for name, p in classes.items()
        ]  # fmt: skip
        for finding in request.findings:
            table.append({**table[0], "head": "chexpert + chestxray14", "class": finding, "probability": 0.81})
        return table, {"classes": [row["class"] for row in table], "notes": [], "model": request.model}, {}

    def _plane(self, request):
        return plane(self, request)

    def _saliency(self, request):
        """Bright in the left of the picture's lower half, as an effusion would be."""
        array, geometry = read_nrrd_bytes(self.volumes[request.volume.sha256])
        v, u = np.meshgrid(*(np.linspace(0, 1, side) for side in array.shape[-2:]), indexing="ij")
        heat = np.exp(-(((u - 0.3) / 0.12) ** 2) - ((v - 0.7) / 0.1) ** 2).astype(np.float32)
        passed, head = self.similarity < 0.5, request.head or "chexpert"
        check = (
            f"{'differs' if passed else 'does NOT differ'} from random weights (rank correlation {self.similarity:.2f})"
        )
        title = {"grad-cam": "Integrated Grad-CAM", "occlusion": "Occlusion"}[request.method]
        info = {"method": request.method, "finding": request.finding, "head": head, "probability": 0.83, "notes": [],
                "text": f"{title} of {request.finding} ({head}), probability 0.83; {check}", "passed": passed,
                "similarity": self.similarity, "check": check}  # fmt: skip
        return [], info, {"saliency.nrrd": nrrd_bytes(heat[None], geometry)}


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
    """The setters of a qMRMLSegmentEditorWidget."""

    segmentation = volume = None

    def setSegmentationNode(self, node) -> None:
        self.segmentation = node

    def setSourceVolumeNode(self, node) -> None:
        self.volume = node
