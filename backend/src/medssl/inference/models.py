"""Models that stay loaded between inspections, and what they said of images; the least recently used leave first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from medssl.core.files import expanded
from medssl.inference.untrained import split_reference, untrained_of_preset, untrained_presets, untrained_twin
from medssl.jobs.models.packaged_weights import packaged_weights

if TYPE_CHECKING:
    from medssl.networks.network import Network

KEPT = 3
LARGEST = 512 * 2**20  # bytes of embeddings
ModelKey = tuple[str, int, str, str, str]  # file or untrained reference, the file's time, fidelity, device, part


class WarmModels:
    """Loads models by job id or path; a file that changes is loaded again.

    Attributes:
        home: the home folder, where job ids are looked up.
    """

    def __init__(self, home: Path, load: Callable[[str, str, str, str], Network] | None = None) -> None:
        self.home, self._load = home, load or self._read
        self._warm: OrderedDict[ModelKey, Network] = OrderedDict()

    def key(self, reference: str, fidelity: str, device: str, part: str = "") -> ModelKey:
        """What tells one model from another, and from a later one in the same file.

        Raises:
            NotFoundError: no such job or file.
        """
        parts = split_reference(reference)
        if parts and parts[0] in untrained_presets():
            return reference, 0, fidelity, device, part
        path = model_path(self.home, parts[0] if parts else reference, bool(parts))
        return reference if parts else str(path), path.stat().st_mtime_ns, fidelity, device, part

    def get(self, reference: str, fidelity: str, device: str, part: str = "") -> Network:
        """The model, in evaluation mode on the device.

        Args:
            reference: a job id or the path of a weight file; `untrained:PRESET[:seed]`, `untrained:MODEL[:seed]`.
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
            self._warm[key] = self._load(key[0], fidelity, device, part)
        self._warm.move_to_end(key)
        return self._warm[key]

    def _read(self, reference: str, fidelity: str, device: str, part: str) -> Network:
        from medssl.jobs.devices import claims

        parts, where = split_reference(reference), claims(device)[0].device
        if parts is None:
            return _load(Path(reference), part, fidelity).to(where)
        name, seed = parts
        network = (
            untrained_of_preset(name, seed)
            if name in untrained_presets()
            else untrained_twin(model_path(self.home, name, True), seed)
        )
        return network.to(where)


class Sized(Protocol):
    """What knows the memory that it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes."""


T = TypeVar("T", bound=Sized)


class WarmEmbeddings:
    """Patch grids and indexes by what they were made from, the least recently used leaving first."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest, self._warm = largest, OrderedDict[Hashable, Sized]()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What belongs to `key`, made where it is not there."""
        if key not in self._warm:
            self._warm[key] = make()
        self._warm.move_to_end(key)
        while len(self._warm) > 1 and sum(one.nbytes for one in self._warm.values()) > self._largest:
            self._warm.popitem(last=False)
        return cast(T, self._warm[key])


def model_path(home: Path, reference: str, untrained: bool = False) -> Path:
    """The weight file that a job id or a path names; `untrained`: whose twin is asked for, so that a preset would do too.

    Raises:
        NotFoundError: there is none. StateError: the job has not finished. InputError: its kind leaves none.
        WeightsError: a package's weights, and the package is not installed.
    """
    from medssl.jobs.models.missing_model import missing_model
    from medssl.jobs.store import model_of_job

    if known := model_of_job(home, reference) or packaged_weights(reference):
        return known
    path = expanded(reference)
    if not path.is_file():
        also = f"untrained:PRESET (of {', '.join(untrained_presets())}) is a network before any training"
        raise missing_model(home, reference, also=also if untrained else "")
    return path.resolve()


def _load(path: Path, part: str, fidelity: str) -> Network:
    from medssl.networks.weights.weight_files import load_weights

    network = load_weights(path, part or None, fidelity or None)
    if any(parameter.ndim == 5 for parameter in network.parameters()):
        import torch

        network = network.to(memory_format=torch.channels_last_3d)  # 1.5 times as fast on a processor, the same answers
    return network
