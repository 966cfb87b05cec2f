"""A backend in memory that fine-tunes: jobs of tasks beside pretrainings, with the events and results of the contract."""

from __future__ import annotations

import json
from dataclasses import replace

import inference_fakes
import numpy as np
import pretrain_fakes
import slicer

from medssl.client.volumes import read_nrrd_bytes

REPORT = "results/report.html"
TERMINOLOGY = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~^^~Anatomic codes - DICOM master list~^^~^^"


class TaskJob(pretrain_fakes.FakeJob):
    """A fine-tuning, or a probe, which has no steps of training."""

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        steps = spec.config.get("training", {"steps": 1})["steps"]
        super().__init__(jobId, _withSteps(spec, steps), pace, failAt)
        self.spec = spec
        self.text = (
            f"All 38 tensors of {spec.start_from} matched; the head is new" if spec.start_from else "From scratch"
        )

    @property
    def method(self) -> str:
        return {"segmentation": "unet-segmenter", "classification": "unet-classifier", "probing": "probe"}[
            self.spec.method
        ]

    def plan(self) -> dict:
        task = {"name": self.spec.method}
        if self.spec.method == "segmentation":
            task["segments"] = json.loads(self.spec.config["classes"])
        return {"method": self.method, "task": task}

    def look(self) -> None:
        queued = self.state == "queued"
        super().look()
        if queued:
            self.emit("transfer", text=self.text, matched=38, new=2)

    def emit(self, kind: str, **fields) -> None:
        if kind == "metric":
            del fields["constant_mean_loss"]
            score = "validation_dice" if self.spec.method == "segmentation" else "validation_auc"
            fields[score] = 0.9 - 0.6 * 0.99 ** fields["step"]
        elif kind == "finished":
            super().emit("evaluation", validation={"dice": 0.81})
        super().emit(kind, **fields)

    def view(self):
        view = super().view()
        return replace(view, files=(*view.files, REPORT) if self.state == "finished" else view.files)


class CompareJob(pretrain_fakes.FakeJob):
    """A comparison: a step is a run."""

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        study = spec.config
        sizes = next(study[unit] for unit in ("patients", "fractions", "per_class") if unit in study)
        super().__init__(jobId, _withSteps(spec, len(study["arms"]) * len(sizes) * study["seeds"]), 1, failAt)
        self.spec = spec

    def _train(self) -> None:
        self.step += 1
        if self.step == self.steps:
            self.state = "finished"
            self.emit("finished", step=self.step, report=REPORT)

    def view(self):
        view = super().view()
        return replace(view, files=(*view.files, REPORT) if self.state == "finished" else view.files)


def _withSteps(spec, steps: int):
    return replace(spec, config={**spec.config, "training": {"steps": steps}})


class TaskServer(pretrain_fakes.FakeServer):
    """As FakeServer; what is submitted may be for a task."""

    def makeJob(self, spec):
        kinds = {"finetune": TaskJob, "probe": TaskJob, "compare": CompareJob}
        kind = kinds.get(spec.kind, pretrain_fakes.FakeJob)
        return kind(f"20261123-0930{len(self.jobs):02d}-{spec.method}", spec, self.pace, self.failAt)

    def mask(self, number: int, job: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """The label map that a volume of a job came with: array [k, j, i] and IJK-to-RAS."""
        ref = self.jobs[job].spec.data.volumes[number]
        return read_nrrd_bytes(self.volumes[ref.mask_sha256])


def segmented(name: str, names=("left lung", "right lung"), shape=(24, 20, 16), oblique: bool = False):
    """A phantom with a segmentation on it, a half of the volume for each name; returns both nodes."""
    volume = inference_fakes.phantom(name, shape, oblique)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} lungs")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for number, title in enumerate(names):
        paint(node, volume, addSegment(node, title), number)
    return volume, node


def addSegment(node, title: str) -> str:
    """An empty segment with a colour and a terminology; returns its ID."""
    colour = [(0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.8, 0.4)][node.GetSegmentation().GetNumberOfSegments() % 3]
    identifier = node.GetSegmentation().AddEmptySegment("", title, colour)
    segment = node.GetSegmentation().GetSegment(identifier)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    return identifier


def paint(node, volume, identifier: str, half: int) -> None:
    """Fill a block in the left (0) or right (1) half of the volume."""
    array = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    depth, height, width = array.shape
    start = width // 8 + half * width // 2
    array[depth // 4 : 3 * depth // 4, height // 4 : 3 * height // 4, start : start + width // 4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identifier, volume)
