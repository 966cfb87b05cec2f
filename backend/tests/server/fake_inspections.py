"""Inspections without torch, and the token of the server under test: the request's model says how they behave. The worker imports this."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from medssl import handlers as registered
from medssl.core.errors import WeightsError

TOKEN = "a-token"
seen = []


def restore(request, context):
    """Do what the request's model names."""
    seen.append(request.model)
    if request.model == "crash":
        print("about to crash", flush=True)
        os._exit(9)
    if request.model == "foreign":
        raise WeightsError("foreign.pt", "is of another method", "Choose another file")
    if request.model == "bug":
        raise RuntimeError("unexpected")
    if request.model == "deaf":
        time.sleep(60)
    if request.model.startswith("slow"):
        steps = int(request.model.partition(" ")[2] or 2000)
        for step in range(steps):
            context.progress(step / steps, "working")
            time.sleep(0.02)
    (context.folder / "restored.nrrd").write_bytes(b"voxels")
    context.finish(
        ["restored.nrrd"], [{"image": "restored", "psnr": float("inf")}], {"pid": os.getpid(), "seen": len(seen)}
    )


def similarity(request, context):
    """Tell a coordinate, or do what the request's model names."""
    if request.model != "m":
        restore(request, context)
        return
    context.finish([], [], {"x": request.x})


def nothing(request, context):
    """Find nothing."""


KINDS = ("restore", "similarity", "check", "correspond", "cosegment", "patchmap", "landmarks", "segment", "predict")
INSPECTIONS = {
    name: replace(
        registered.INSPECTIONS[name],
        handler=f"fake_inspections:{name if name in ('restore', 'similarity') else 'nothing'}",
    )
    for name in KINDS
}
