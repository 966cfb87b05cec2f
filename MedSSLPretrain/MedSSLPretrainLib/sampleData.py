"""Sample data of the extension in Slicer's Sample Data module; the backend knows the sources and checksums."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import slicer
from MedSSLLib.backend.environments import SLICER, environments
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.steps import patientSleep
from slicer.i18n import tr as _

from medssl.client import backend
from medssl.core.errors import ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder

ICONS = Path(__file__).resolve().parents[1] / "Resources" / "Icons"
SAMPLES = {
    "chest-ct": "MedSSLChestCT",
    "torso-mr": "MedSSLTorsoMR",
    "brain-mr": "MedSSLBrainMR",
    "lung-ct": "MedSSLLungCT",
    "chest-radiograph": "MedSSLChestRadiograph",
    "simulated-radiographs": "MedSSLSimulatedRadiographs",
}
COMMAND_LINE = "import sys; from medssl.cli import main; sys.exit(main())"
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
            customDownloader=lambda _source, name=name: fetchAndLoad(name),
        )


def fetchAndLoad(name: str) -> list:
    """Fetch a sample through the backend's environment and load its images; returns the volume nodes.

    Raises:
        ResourceError: no environment, or the download failed; the error quotes its last line.
    """
    folder = fetch(name)
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


def fetch(name: str) -> Path:
    """Run `medssl samples fetch`, keeping Slicer responsive; returns the sample's folder."""
    environment = next((e for e in environments() if e.exists and e.key != SLICER), None)
    if environment is None:
        remedy = _("Create one in the Backend section of MedSSL Pretrain")
        raise ResourceError(_("backend environment"), _("does not exist yet"), remedy, code="environment-missing")
    variables = backend.environment(slicer.util.startupEnvironment())
    variables["PYTHONPATH"] = str(backendFolder() / "src")
    home = home_folder()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "samples.log"
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    with log.open("wb") as output:
        command = [environment.python, "-c", COMMAND_LINE, "samples", "fetch", name, "--home", str(home)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=NEUTRAL_FOLDER,
            env=variables,
            **hidden,
        )
        while child.poll() is None:
            patientSleep(0.1)
    if child.returncode != 0:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        raise ResourceError(name, _("cannot be fetched ({reason})").format(reason=lines[-1] if lines else ""), str(log))
    return home / "samples" / name
