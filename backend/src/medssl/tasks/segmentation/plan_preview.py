"""The plan of a segmentation before any training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.core.schema import build
from medssl.datasets.geometry import training_geometry
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.images.geometry_config import geometry_rule
from medssl.tasks.labelled_data import read_parts
from medssl.tasks.planning.fingerprint import take_fingerprint
from medssl.tasks.planning.plan_text import plan_rows, plan_text
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.planning import make_plan, setup_of
from medssl.tasks.segmentation.spacing import coarser
from medssl.tasks.train_and_test import open_start


def preview_plan(spec: JobSpec, run: Run) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """What the training of this specification would plan: table rows {"what", "which"}, and the plan with its fingerprint.

    Images are read into the cache, nothing is resampled and nothing is trained.

    Raises:
        CatalogError, VolumeError, ConfigError, WeightsError, ResourceError: what the training would refuse.
    """
    config = build(SegmentationConfig, spec.config)
    rule = geometry_rule(config.geometry, spec.version)
    seed = SPLIT_SEED
    parts = read_parts(spec.data, run, config.select, seed, orientation=rule.orientation)
    geometry = training_geometry(parts.training.images, rule)
    file = open_start(spec)
    setup = setup_of(config, parts, file, run.device)
    geometry, note = coarser(rule, setup, parts.training, geometry)
    fingerprint = take_fingerprint(parts.training.images, parts.training.masks, setup.classes, geometry.spacing)
    plan = make_plan(setup, fingerprint)
    plan = replace(plan, notes=(*plan.notes, note)) if note else plan
    method, arguments = setup.architecture(plan.width, plan.crop, plan.pooling)
    network = str(arguments.get("name", method))
    rows = [("network", network), *plan_rows(plan, fingerprint)]
    info = {
        "network": network, "plan": plan.as_dict(), "fingerprint": fingerprint.as_dict(),
        "text": plan_text(plan, fingerprint), "notes": list(plan.notes), "split": parts.sizes(),
    }  # fmt: skip
    return [{"what": what, "which": which} for what, which in rows], info
