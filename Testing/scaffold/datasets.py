"""What a backend in memory answers about dataset specs, and a job that trains on several datasets in turn."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

from PIL import Image, ImageDraw

from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import parse_dataset_spec, read_dataset_spec, ready_made, to_yaml
from scaffold.jobs import FakeJob, TrainingServer

HOSPITAL = {
    "name": "hospital-a",
    "root": "/data/a",
    "tables": ["a.csv"],
    "kind": "multi-label",
    "labels": ["Nodule", "Mass"],
    "attributes": {"sex": "sex"},
}
CLINIC = {
    "name": "clinic-b", "root": "/data/b", "tables": ["b.csv"], "kind": "multi-class", "split": "fold",
    "labels": {"normal": {"column": "type", "equals": "n"}, "viral": {"column": "type", "equals": "v"},
               "bacterial": {"column": "type", "equals": "b"}},
}  # fmt: skip
TB = {
    "name": "tb", "root": "/data/tb", "kind": "binary", "images": "CXR_png/*.png", "patient": {"pattern": "_(\\d+)_"},
    "labels": {"TB": {"pattern": "_1\\.png$"}},
}  # fmt: skip


class SetsServer(TrainingServer):
    """Reads, checks and trains on dataset specs."""

    def _route(self, call, parts, query):
        if parts[0] == "dataset-specs":
            return 200, answer(call.method, parts, call.body)
        return super()._route(call, parts, query)

    def _check(self, request):
        if not request.data.sets:
            return super()._check(request)
        reports, files = check(request.data.sets)
        return (), {"sets": reports}, files

    def makeJob(self, spec) -> FakeJob:
        if not spec.data.sets:
            return super().makeJob(spec)
        return SetsJob(f"20261123-0930{len(self.jobs):02d}-{spec.method}", spec, self.pace, self.failAt)


def answer(method: str, parts: list[str], body: bytes | None):
    """`/dataset-specs` and what lies below it."""
    if method == "GET":
        return [dict(name=n, title=one.title, spec=one.as_dict()) for n, one in ready_made().items()]
    asked = json.loads(body)
    if parts[1] == "text":
        return {"text": to_yaml(DatasetSpec.from_dict(asked["spec"]))}
    if asked.get("path"):
        return read_dataset_spec(Path(asked["path"])).as_dict()
    return parse_dataset_spec(asked["text"], Path("/")).as_dict()


def check(sets) -> tuple[list[dict], dict[str, bytes]]:
    """The reports of `POST /inspect/check` for dataset specs, and a contact sheet of each."""
    reports, files = [], {}
    for values in sets:
        spec, count = DatasetSpec.from_dict(values), 400 + 100 * len(values["name"])
        counts = {split: share * count // 10 for split, share in (("training", 7), ("validation", 1), ("test", 2))}
        warnings = [{
            "value": f"set {spec.name}: {spec.classes[-1]}", "rule": "is positive in 3 training images only",
            "remedy": "Do not trust its AUC",
        }]  # fmt: skip
        reports.append({
            "name": spec.name, "images": count, "patients": count // 2, "splits": counts, "errors": [],
            "warnings": warnings if spec.kind == "multi-label" else [], "kind": spec.kind,
            "attributes": {"sex": {"F": count // 2, "M": count - count // 2}} if spec.attributes else {},
            "classes": [_counts(name, n, *split) for split in counts.items() for n, name in enumerate(spec.classes)],
        })  # fmt: skip
        files[f"sheet-{spec.name}.png"] = sheet(spec.classes)
    return reports, files


def _counts(name: str, n: int, split: str, size: int) -> dict:
    parts = (("positive", 3 + n), ("uncertain", n), ("missing", 2))
    counts = {what: size * part // 30 for what, part in parts}
    return {"class": name, "split": split, **counts, "negative": size - sum(counts.values())}


def sheet(classes) -> bytes:
    """Two rows of grey pictures with a class's name under each."""
    image = Image.new("L", (640, 260), 255)
    draw = ImageDraw.Draw(image)
    for n in range(8):
        x, y = 160 * (n % 4), 130 * (n // 4)
        draw.ellipse((x + 20, y + 8, x + 70, y + 105), fill=60 + 10 * n)
        draw.ellipse((x + 90, y + 8, x + 140, y + 105), fill=70 + 10 * n)
        draw.text((x + 20, y + 110), classes[n % len(classes)], fill=0)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class SetsJob(FakeJob):
    """Visits its sets in turn, a pass of 20 steps each, and validates all of them after each round."""

    PASS = 20

    def __init__(self, jobId: str, spec, pace: int, failAt: int = 0) -> None:
        super().__init__(jobId, spec, pace, failAt)
        self.names = [values["name"] for values in spec.data.sets]
        self.steps = 4 * self.PASS * len(self.names)

    def plan(self) -> dict:
        heads = [DatasetSpec.from_dict(values) for values in self.spec.data.sets]
        sets = [{"name": head.name, "kind": head.kind, "classes": list(head.classes)} for head in heads]
        return {"method": self.method, "task": {}, "network": {"sets": sets}}

    def emit(self, kind: str, **fields) -> None:
        turn = (self.step - 1) // self.PASS
        if kind == "loss":
            which = turn % len(self.names)
            seen = self.PASS * (turn // len(self.names)) + (self.step - 1) % self.PASS
            fields["loss"] = 0.69 * math.exp(-seen / (60 + 30 * which)) + 0.02 * math.sin(self.step**2)
            fields |= {"prediction": fields["loss"], "consistency": 0.01, f"loss_{self.names[which]}": fields["loss"]}
        elif kind == "metric":
            fields = {"step": fields["step"], "validation_loss": 0.7 * math.exp(-self.step / 150)}
            for n, name in enumerate(self.names):
                fields[f"loss_{name}"] = 0.7 * math.exp(-self.step / (120 + 40 * n))
                fields[f"auc_{name}"] = 0.95 - 0.05 * n - 0.4 * math.exp(-self.step / (80 + 20 * n))
                fields[f"student_auc_{name}"] = fields[f"auc_{name}"] - 0.02
        super().emit(kind, **fields)
