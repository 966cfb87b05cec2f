"""Models that stay loaded between inspections, the least recently used leaving first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medssl.errors import NotFoundError

if TYPE_CHECKING:
    from torch import nn

KEPT = 3
ModelKey = tuple[str, int, str, str, str]  # file, its time, fidelity, device, part


class WarmModels:
    """Loads models by job id or path; a file that changes is loaded again.

    Attributes:
        home: the home folder, where job ids are looked up.
    """

    def __init__(self, home: Path, load: Callable[[Path, str, str, str], nn.Module] | None = None) -> None:
        self.home, self._load = home, load or _load
        self._warm: OrderedDict[ModelKey, nn.Module] = OrderedDict()

    def key(self, reference: str, fidelity: str, device: str, part: str = "") -> ModelKey:
        """What tells one model from another, and from a later one in the same file.

        Raises:
            NotFoundError: no such job or file.
        """
        path = model_path(self.home, reference)
        return str(path), path.stat().st_mtime_ns, fidelity, device, part

    def get(self, reference: str, fidelity: str, device: str, part: str = "") -> nn.Module:
        """The model, in evaluation mode on the device.

        Args:
            reference: a job id or the path of a weight file.
            fidelity: paper, released or "" (as the file says).
            device: auto or a torch device.
            part: student or teacher where the file has both; "" takes the student.

        Raises:
            NotFoundError: no such job or file.
            WeightsError: the file cannot be used.
        """
        key = self.key(reference, fidelity, device, part)
        if key not in self._warm:
            while len(self._warm) >= KEPT:  # before the next one is loaded: there may be no room for both
                self._warm.popitem(last=False)
            self._warm[key] = self._load(Path(key[0]), fidelity, device, part)
        self._warm.move_to_end(key)
        return self._warm[key]


def model_path(home: Path, reference: str) -> Path:
    """The weight file that a job id or a path names.

    Raises:
        NotFoundError: there is none.
    """
    from medssl.jobs.store import SAFE_ID

    of_job = home / "jobs" / reference / "results" / "model.safetensors"
    if SAFE_ID.fullmatch(reference) and of_job.is_file():
        return of_job
    path = Path(reference).expanduser()
    if not path.is_file():
        raise NotFoundError(
            f"model {reference!r}", "is neither a finished job nor a weight file", "See `medssl jobs list`"
        )
    return path.resolve()


def _load(path: Path, fidelity: str, device: str, part: str) -> nn.Module:
    from medssl.jobs.devices import claims
    from medssl.networks.memory import channels_last
    from medssl.networks.weights import load_weights

    return channels_last(load_weights(path, part or None, fidelity or None).to(claims(device)[0].device))
