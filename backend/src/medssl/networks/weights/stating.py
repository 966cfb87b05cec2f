"""Orientation and spacing of models whose files do not record them: stated afterwards, by who knows the training images."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import WeightsError
from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.networks.network import Network
from medssl.networks.weights.tensor_files import read_safetensors, write_safetensors
from medssl.networks.weights.weight_files import convert_weights, open_weights

NEARLY = 0.005  # of a spacing, which people write with three digits
STATED = {"geometry": "stated afterwards"}


def state_geometry(source: str | Path, target: str | Path, geometry: Geometry, again: bool = False) -> Plan:
    """Write a checkpoint that records orientation and spacing; the tensors stay as they are.

    Args:
        source: a MedSSL checkpoint, or any file that `convert_weights` turns into one.
        target: may be the source, where that is a MedSSL checkpoint; replaced only once the new file is complete.
        geometry: of the images that the model learnt from.
        again: replace what a file records.

    Raises:
        WeightsError: the file cannot be read, or records its geometry already.
    """
    source, target = Path(source), Path(target)
    if source.suffix != ".safetensors":
        if target.suffix != ".safetensors":
            raise WeightsError(
                target,
                "is no name of a MedSSL checkpoint, which a foreign file is turned into",
                "Name a .safetensors file to write",
                code="weights-not-safetensors",
            )
        _stated(open_weights(source).plan, geometry, again)  # before anything is written
        convert_weights(source, target)
        source = target
    tensors, metadata = read_safetensors(source)
    plan = Plan.from_metadata(metadata)
    if plan is None:
        raise WeightsError(
            source, "carries no plan", "Convert it first: `medssl weights convert`", code="weights-without-plan"
        )
    plan = replace(_stated(plan, geometry, again), provenance={**plan.provenance, **STATED})
    write_safetensors(target, tensors, plan.to_metadata())
    return plan


def with_geometry(network: Network, geometry: Geometry) -> Network:
    """The same network, its tensors shared, with a geometry for images that its file does not record; itself for none.

    Raises:
        WeightsError: the file records another one.
    """
    if not geometry.recorded:
        return network
    other = copy.copy(network)
    other.plan = _stated(network.plan, geometry, again=False)
    return other


def _stated(plan: Plan, geometry: Geometry, again: bool) -> Plan:
    known = plan.geometry
    same = (
        known.orientation == geometry.orientation
        and len(known.spacing) == len(geometry.spacing)
        and all(math.isclose(a, b, rel_tol=NEARLY) for a, b in zip(known.spacing, geometry.spacing))
    )
    if known.recorded and not (again or same):
        raise WeightsError(
            f"orientation and spacing {geometry.text()}",
            f"differ from what the model's file records ({known.text()})",
            "Leave them out, or replace what it records with `medssl weights state --again`",
            code="geometry-recorded",
        )
    return plan if same else replace(plan, geometry=geometry)
