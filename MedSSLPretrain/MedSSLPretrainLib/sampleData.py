"""Sample data of the extension in Slicer's Sample Data module; the backend knows the sources and checksums."""

from __future__ import annotations

from pathlib import Path

import slicer
from MedSSLLib.backend.sampleFetch import fetch
from slicer.i18n import tr as _

from medssl.core.errors import CancelledError, MedSSLError

ICONS = Path(__file__).resolve().parents[1] / "Resources" / "Icons"
SAMPLES = {
    "chest-ct": "MedSSLChestCT",
    "torso-mr": "MedSSLTorsoMR",
    "brain-mr": "MedSSLBrainMR",
    "lung-ct": "MedSSLLungCT",
    "chest-radiograph": "MedSSLChestRadiograph",
    "simulated-radiographs": "MedSSLSimulatedRadiographs",
}
STATUS_MS = 3000  # how long the status bar says that a sample is there
READABLE = (".nrrd", ".nii.gz", ".nii", ".mha", ".dcm", ".png")
CHOSEN = {"simulated-radiographs": "*_frontal_00_simulated.png"}  # one of each patient, of many poses


def registerSampleData() -> None:
    """Offer the samples; called when Slicer has started, since Sample Data is a module too."""
    try:
        import SampleData
    except ImportError:  # Slicer was built without that module
        return
    for name, sample in SAMPLES.items():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="MedSSL",
            sampleName=sample,
            uris=[],  # counted there, also where a function downloads
            fileNames=[],
            thumbnailFileName=str(ICONS / "MedSSLPretrain.png"),
            customDownloader=lambda _source, name=name: fetchForUser(name),
        )


def fetchForUser(name: str) -> list:
    """As `fetchAndLoad`, for a click: Sample Data itself would only print what goes wrong."""
    with slicer.util.tryWithErrorDisplay(_("The sample could not be loaded."), waitCursor=True):
        try:
            nodes = fetchAndLoad(name)
        except CancelledError:  # Slicer is being closed
            return []
        slicer.util.showStatusMessage(_("Loaded {name}").format(name=name), STATUS_MS)
        return nodes


def fetchAndLoad(name: str) -> list:
    """Fetch a sample through the backend's environment and load its images; returns the volume nodes.

    Raises:
        ResourceError: no environment, or the download failed; the error quotes its last line.
        StateError: another sample is on its way.
        CancelledError: Slicer is being closed.
    """
    slicer.util.showStatusMessage(_("Fetching {name}...").format(name=name))
    try:
        folder = fetch(name, slicer.util.showStatusMessage)
    except MedSSLError:
        slicer.util.showStatusMessage("")
        raise
    found = (folder / "images").glob(CHOSEN.get(name, "*"))
    files = sorted(p for p in found if p.name.lower().endswith(READABLE))
    nodes = [slicer.util.loadVolume(str(path), {"singleFile": True}) for path in files]
    for node in nodes:
        node.SetAttribute("MedSSL.Modality", modality(name))
        if name in CHOSEN:
            node.SetName(_("{name} (simulated)").format(name=node.GetName().replace("_simulated", "")))
    return nodes


def modality(name: str) -> str:
    """Of a sample's images, by its name."""
    if "radiograph" in name:
        return "CXR"
    return "MR" if name.endswith("-mr") else "CT"
