"""Fetches public sample images through the backend's Python, which knows their sources and checksums."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from slicer.i18n import tr as _

from medssl.core.errors import ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder
from MedSSLLib.backend.backendProcess import variablesOf
from MedSSLLib.install.environments import chosenEnvironment
from MedSSLLib.steps import patientSleep

COMMAND_LINE = "import sys; from medssl.cli import main; sys.exit(main())"


def fetch(name: str) -> Path:
    """Run `medssl samples fetch`, keeping Slicer responsive; returns the sample's folder."""
    environment = chosenEnvironment()
    if environment is None:
        remedy = _("Create one in the Backend section of MedSSL Pretrain")
        raise ResourceError(_("backend environment"), _("does not exist yet"), remedy, code="environment-missing")
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
            env=variablesOf(environment),
            **hidden,
        )
        while child.poll() is None:
            patientSleep(0.1)
    if child.returncode != 0:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        raise ResourceError(name, _("cannot be fetched ({reason})").format(reason=lines[-1] if lines else ""), str(log))
    return home / "samples" / name
