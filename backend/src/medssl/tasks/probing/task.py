"""Probing: what the embeddings of a model tell about findings, without training it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medssl.core.errors import CatalogError
from medssl.core.plan import Plan
from medssl.core.protocol import JobSpec
from medssl.core.run import Ended, Run
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.evaluation.metrics.classification_metrics import MEAN, classification_metrics
from medssl.images.geometry_config import STORED, GeometryConfig, geometry_rule
from medssl.images.intensity.config import NormalisationConfig
from medssl.inference.classification.probe import KNearest, LinearProbe, fit_linear
from medssl.inference.image_embedding import FRAMED, embed_images, whole_image
from medssl.networks.network import Network
from medssl.networks.weights.tensor_files import read_safetensors, write_safetensors
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.tasks.classification.results import as_predictions, calibrated, rescaled, write_results
from medssl.tasks.label_columns import attribute_groups
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits, check_groups, notify, read_parts
from medssl.tasks.probing.config import ProbingConfig
from medssl.tasks.rivals.classifiers import RivalClassifiers
from medssl.tasks.start import with_history
from medssl.tasks.truth import label_spec

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # of the linear probe, tried on validation
NEIGHBOURS = (1, 3, 5, 10, 20, 50)


@dataclass(frozen=True)
class Choice:
    """One probe, how it was chosen, and its AUC on validation images."""

    probe: LinearProbe | KNearest
    setting: str
    auc: float


def probing(spec: JobSpec, config: ProbingConfig, run: Run) -> dict[str, Any]:
    """Embed all images once, fit the probe, choose its strength on validation, measure on the test images.

    Leaves `results/model.safetensors`, which `predict` takes, the tables and the report; the embeddings are kept for a second
    run on the same model and images.

    Raises:
        CatalogError, VolumeError, InputError, WeightsError: data, labels or model cannot be used; or rows name places, which an
            embedding of a whole image knows nothing of.
    """
    labels = label_spec(config, spec.version)
    net = load_weights(spec.start_from).to(run.device)
    source: Plan = net.plan  # type: ignore[assignment]
    orientation = geometry_rule(GeometryConfig(), spec.version).orientation if source.geometry.recorded else STORED
    parts = read_parts(spec.data, run, config.select, SPLIT_SEED, labels, orientation)
    check_groups(parts, attribute_groups(config.groups))
    _check_no_places(parts)
    parts = with_history(parts, spec, run)
    named = {"training": parts.training, "validation": parts.validation, "test": parts.test}
    run.emit("started", device=run.device, precision="fp32", steps=1, **parts.sizes(), config={})
    for warning in parts.warnings():
        run.emit("warning", step=0, **warning)
    kind = "" if config.features == "auto" else config.features
    features = {name: _embedded(part, name, net, source, kind, run) for name, part in named.items()}
    chosen = choose(config, parts, features)
    probabilities = {
        name: chosen.probe.probabilities(found, parts.kind) for name, found in features.items() if len(found)
    }
    targets = parts.validation.targets
    temperatures, thresholds = calibrated(
        probabilities["validation"], parts, targets, config.threshold, config.specificity
    )
    plan = Plan(
        method="probe",
        network={},
        normalisation=source.normalisation,
        input_size=tuple(source.input_size),
        modality=parts.modality,
        task={
            "name": "probing", "kind": parts.kind, "labels": config.labels, "classes": list(parts.names), "probe": config.probe,
            "features": kind, "setting": chosen.setting, "model": spec.start_from, "model_sha256": source.sha256, **({"framing": FRAMED} if _framed(source) else {}),
            "thresholds": thresholds, "temperature": temperatures, **chosen.probe.about(),
        },
        provenance={"job": run.folder.name, "images": len(parts.training), "start_from": spec.start_from},
        licence=source.licence,
        geometry=source.geometry,
    )  # fmt: skip
    save_weights(run.folder / "results" / "model.safetensors", chosen.probe.tensors(), plan)
    calm = {name: rescaled(values, temperatures, parts) for name, values in probabilities.items()}
    tables = {
        name: as_predictions(named[name], parts, calm[name]) if name in calm else None
        for name in ("validation", "test")
    }
    seen = NormalisationConfig(**source.normalisation) if source.normalisation else NormalisationConfig()
    rivals = RivalClassifiers(seen, Ended(run, 1)).answers(parts) if spec.rivals else None
    headline = write_results(
        run.folder / "results",
        tables,
        parts,
        thresholds,
        config.specificity,
        config.groups,
        rivals,
    )
    verdict = headline.pop("verdict")
    run.emit("metric", step=1, validation_loss=1.0 - chosen.auc, validation_auc=chosen.auc)
    run.emit("evaluation", **headline)
    run.emit("verdict", **verdict)
    run.emit("finished", step=1, model="results/model.safetensors", validation_loss=1.0 - chosen.auc)
    return headline


def choose(config: ProbingConfig, parts: LabelledSplits, features: dict[str, np.ndarray]) -> Choice:
    """The probe whose mean AUC on validation images is largest; of equals the simplest."""
    fit: Callable[[float], LinearProbe | KNearest]
    x, y = features["training"], parts.training.targets
    if config.probe == "linear":
        tried: Sequence[float] = [config.regularisation] if config.regularisation else PENALTIES[::-1]
        fit, what = (lambda penalty: fit_linear(x, y, parts.kind, penalty)), "L2 penalty"
    else:
        tried = [config.neighbours] if config.neighbours else [n for n in NEIGHBOURS if n <= len(x)][::-1]
        fit, what = (lambda count: KNearest.of(x, y, int(count))), "neighbours"
    found = []
    for value in tried:
        probe = fit(value)
        scores = probe.probabilities(features["validation"], parts.kind)
        metrics = classification_metrics(parts.validation.targets, scores, parts.kind, parts.names)
        auc = metrics[MEAN if MEAN in metrics else parts.names[0]]["auc"]
        found.append(Choice(probe, f"{what} {value:g}", auc if auc is not None else 0.5))
    return max(found, key=lambda choice: choice.auc)


def _check_no_places(parts: LabelledSplits) -> None:
    """Refuse rows about places: all of one volume would have the same embedding under different labels."""
    every = [entry for part in (parts.training, parts.validation, parts.test) for entry in part.entries]
    placed = [entry.name for entry in every if entry.point]
    if placed:
        raise CatalogError(
            f"{len(placed)} of {len(every)} rows, such as {placed[0]}",
            "name a place (x, y, z), and a probe sees whole volumes only",
            "Fine-tune instead, or leave these columns out where labels are about whole volumes",
            code="point-unsupported",
        )


def _embedded(part: LabelledSplit, name: str, net: Network, plan: Plan, kind: str, run: Run) -> np.ndarray:
    """(N, D) embeddings of one part, from the home folder's cache where this model has seen the same images before."""
    if not len(part):
        return np.empty((0, 0), np.float32)
    kept = run.home / "cache" / f"embeddings-{_key(part, plan, kind)}.safetensors"
    if kept.is_file():
        return read_safetensors(kept)[0]["features"].numpy()
    images = _Images(part, net, run, name)
    features = embed_images(images, net, features=kind)
    write_safetensors(kept, {"features": torch.from_numpy(features)}, {})
    return features


def _framed(plan: Plan) -> bool:
    """Whether volumes are fitted into what the network sees."""
    return len(plan.input_size) == 3 and plan.geometry.recorded


def _key(part: LabelledSplit, plan: Plan, kind: str) -> str:
    names = [
        plan.sha256,
        str(plan.provenance.get("part", "")),
        kind,
        str(plan.normalisation),
        plan.fidelity,
        *([str(plan.geometry)] if plan.geometry.recorded else ()),
        *[FRAMED] * _framed(plan),
        *(image.path.stem for image in part.images),
    ]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


class _Images(Sequence):
    """Images of a part as the network takes them, read when they are asked for."""

    def __init__(self, part: LabelledSplit, net: Network, run: Run, name: str) -> None:
        self._part, self._net, self._run, self._name = part, net, run, name

    def __len__(self) -> int:
        return len(self._part)

    def __getitem__(self, n: int) -> np.ndarray:  # type: ignore[override]
        notify(self._run, n, len(self), f"embedding {self._name} image {n + 1} of {len(self)}")
        return whole_image(self._part.images[n].whole(), self._net)
