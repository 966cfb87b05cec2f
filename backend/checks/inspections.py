"""Each inspection by its route, on fixed inputs; what it leaves in its result folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from digests import Texts, folder_texts
from inputs import Inputs
from masks import Masks
from product import Product, Server

Asked = tuple[str, str, dict[str, Any]]  # name of the item, inspection, request


def answers(server: Server, asked: Iterable[Asked], masks: Masks) -> Texts:
    """Ask one thing after another; what each leaves in its folder."""
    texts: Texts = {}
    for name, kind, request in asked:
        texts |= folder_texts(server.inspect(kind, request), f"inspections/{name}", masks)
    return texts


def data(product: Product, inputs: Inputs) -> Iterator[Asked]:
    """What needs no model."""
    sets = json.loads((product.folder("ark") / "spec.json").read_text(encoding="utf-8"))["data"]["sets"]
    genesis = json.loads((product.folder("genesis") / "spec.json").read_text(encoding="utf-8"))["config"]
    peac = json.loads((product.folder("peac") / "spec.json").read_text(encoding="utf-8"))["config"]
    ark = json.loads((product.folder("ark") / "spec.json").read_text(encoding="utf-8"))["config"]
    volumes, pictures = {"path": str(inputs.volumes)}, {"path": str(inputs.pictures)}
    yield "catalog", "check", {"data": volumes}
    yield "catalog-pictures", "check", {"data": {**pictures, "exclude": ["sex=F"], "test_fraction": 0.2}}
    yield "catalog-sets", "check", {"data": {"sets": sets}, "read_all": True}
    yield "preview", "preview", {"data": volumes, "method": "genesis", "config": genesis, "count": 3, "seed": 1}
    yield "preview-peac", "preview", {"data": pictures, "method": "peac", "config": peac, "count": 2}
    yield "preview-ark", "preview", {"data": {"sets": sets}, "method": "ark", "config": ark, "count": 2}
    for view in ("frontal", "lateral", "k:9"):
        yield (
            f"plane-{view.replace(':', '')}",
            "plane",
            {"volume": {"path": inputs.volume(1), "modality": "CT", "view": view}},
        )


def pretrained(product: Product, inputs: Inputs) -> Iterator[Asked]:
    """What is asked of Models Genesis and PEAC."""
    genesis, peac = product.job("genesis"), product.job("peac")
    volume = {"path": inputs.volume(6), "modality": "CT"}
    for distortion in ("random", "none", "shuffle", "bezier", "inpaint", "outpaint"):
        asked = {"volume": volume, "model": genesis, "distortion": distortion, "seed": 2, "device": "cpu"}
        yield f"restore-{distortion}", "restore", asked
    part = {"roi": [[4, 30], [2, 34], [0, 20]], "overlap": 0.5, "strength": 0.5, "fidelity": "released"}
    yield (
        "restore-part",
        "restore",
        {"volume": volume, "model": genesis, "distortion": "shuffle", "device": "cpu", **part},
    )
    images = [{"path": inputs.picture(n), "modality": "CXR"} for n in (6, 7)]
    images.append({"path": inputs.volume(2), "modality": "CT", "view": "frontal"})
    common = {"images": images, "model": peac, "device": "cpu"}
    yield "correspond", "correspond", {**common, "count": 8, "dense": 2}
    yield "correspond-teacher", "correspond", {**common, "part": "teacher"}
    yield "correspond-untrained", "correspond", {**common, "model": "untrained:laptop"}
    yield "similarity", "similarity", {**common, "x": 40.0, "y": 70.0, "files": True}
    yield "similarity-quick", "similarity", {**common, "x": 90.5, "y": 30.0, "source": 1, "dense": 4}
    yield "similarity-radius", "similarity", {**common, "x": 60.0, "y": 60.0, "search_radius": 20.0, "refine": True}
    corners = [(30.0, 30.0), (70.0, 32.0), (31.0, 70.0), (68.0, 71.0)]
    points = [{"x": x, "y": y, "target_x": x + 3, "target_y": y - 2} for x, y in corners]
    yield "warp", "warp", {"images": images[:2], "points": points}
    yield "cosegment", "cosegment", {**common, "parts": 4}
    yield "cosegment-elbow", "cosegment", {**common, "dense": 1}
    yield "patchmap", "patchmap", {**common, "perplexity": 12.0}
    yield "patchmap-pca", "patchmap", {**common, "method": "pca"}
    models = [named_copy(product, name) for name in ("peac", "peac-released")]
    asked = {"data": {"path": str(inputs.pictures)}, "models": models, "device": "cpu"}
    yield "landmarks", "landmarks", {**asked, "landmarks": str(inputs.landmarks), "groups": ["sex"]}


def named_copy(product: Product, name: str) -> str:
    """A job's weights under a name that stays: pictures show it, and in pixels no id can be masked."""
    copy = product.home.parent / "models" / f"{name}.safetensors"
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(product.folder(name) / "results" / "model.safetensors", copy)
    return str(copy)


def finetuned(product: Product, inputs: Inputs) -> Iterator[Asked]:
    """What is asked of fine-tuned models and of an Ark; and three that must fail, with their errors."""
    ark, classifier = product.job("ark"), product.job("classification")
    picture = {"path": inputs.picture(7), "modality": "CXR"}
    images = [picture, {"path": inputs.picture(6), "modality": "CXR", "inverted": True}]
    volume = {"path": inputs.volume(7), "modality": "CT"}
    cpu = {"device": "cpu"}
    yield "segment", "segment", {"volume": volume, "model": product.job("segmentation"), "mirror": True, **cpu}
    yield "segment-2d", "segment", {"volume": picture, "model": product.job("segmentation-2d"), "overlap": 0.5, **cpu}
    yield "predict", "predict", {"images": images, "model": classifier, "test_time": "ten-crop", **cpu}
    yield "predict-3d", "predict", {"images": [volume], "model": product.job("classification-3d"), **cpu}
    yield "predict-probe", "predict", {"images": images, "model": product.job("probe"), **cpu}
    yield "predict-knn", "predict", {"images": images, "model": product.job("knn"), **cpu}
    yield "predict-ark", "predict", {"images": images, "model": ark, **cpu}
    findings = {"findings": ["Bright", "Pale=shades:Light"], "part": "student"}
    yield "predict-ark-findings", "predict", {"images": images, "model": ark, **findings, **cpu}
    found = {"volume": picture, "data": {"path": str(inputs.pictures)}, "count": 4, **cpu}
    yield "retrieve-ark", "retrieve", {**found, "model": ark}
    yield "retrieve-ark-again", "retrieve", {**found, "model": ark, "same_patient": True}
    yield "retrieve-encoder", "retrieve", {**found, "model": ark, "features": "encoder", "part": "student"}
    yield "retrieve-peac", "retrieve", {**found, "model": product.job("peac"), "features": "encoder"}
    asked = {"volume": picture, "model": ark, "finding": "Bright", **cpu}
    yield "saliency-ark", "saliency", asked
    yield "saliency-ark-head", "saliency", {**asked, "finding": "Light", "head": "shades", "part": "student"}
    yield "saliency-occlusion", "saliency", {**asked, "method": "occlusion", "check": False}
    yield "saliency", "saliency", {**asked, "model": classifier}
    yield "fails-finding", "saliency", {**asked, "finding": "Brigth"}
    yield "fails-model", "saliency", {**asked, "model": product.job("genesis")}
    yield "fails-file", "restore", {"volume": {"path": inputs.picture(99)}, "model": product.job("genesis"), **cpu}
