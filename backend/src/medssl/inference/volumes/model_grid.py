"""A volume as a model expects it, and what the model says of it back on the volume's own grid: the one road of all volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from medssl.core.geometry import Geometry, geometry_notes
from medssl.core.plan import Plan
from medssl.images.geometry import Turn, orientation_of_volume, turn_to, turned
from medssl.images.planes import as_plane, is_flat
from medssl.images.radiograph import plane_notes
from medssl.images.resampling import StreamReader, array_reader, resample, resample_slabs
from medssl.images.volume import Volume

AS_STORED = Turn((0, 1, 2), (False, False, False))


@dataclass(frozen=True, eq=False)
class ModelGrid:
    """One volume in two places.

    Attributes:
        turn: from the volume's axes to the model's.
        ordered: the volume in the model's orientation, its voxels untouched; a view.
        volume: the same in the model's spacing, what the network sees; `ordered` itself where nothing is resampled. It is in
            the stored type: beside it only a few slices are ever resampled at a time.
        interpolation: of images.
    """

    turn: Turn
    ordered: Volume
    volume: Volume
    interpolation: str

    @property
    def resampled(self) -> bool:
        """Whether the network sees other voxels than those of the volume."""
        return self.volume.shape != self.ordered.shape

    def slabs_back(self, slabs: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Probabilities (C, i, j, slices) of the model's grid on the voxels of `ordered`, slab by slab; they stay of sum 1."""
        if not self.resampled:
            return slabs
        return resample_slabs(StreamReader(slabs), self.volume.shape, self.ordered.shape, smooth=False)

    def image_back(self, image: np.ndarray) -> np.ndarray:
        """An image (i, j, k) of the model's grid on the source's own voxels, float32 within its range."""
        if not self.resampled:
            return np.ascontiguousarray(self.turn.back(image))
        low, high = float(image.min()), float(image.max())
        out = np.empty(self.ordered.shape, np.float32)
        for first, slab in resample_slabs(
            array_reader(image), self.volume.shape, self.ordered.shape, self.interpolation
        ):
            out[:, :, first : first + slab.shape[3]] = slab[0].clamp(low, high).numpy()
        return np.ascontiguousarray(self.turn.back(out))


def turn_of(volume: Volume, plan: Plan) -> Turn:
    """From a volume's axes to those that a model was trained with, as far as its file records them."""
    return turn_to(volume.direction, plan.geometry.orientation) if plan.geometry.recorded else AS_STORED


def on_model_grid(volume: Volume, plan: Plan) -> ModelGrid:
    """Bring a 3D volume, and its further channels on its grid, to the orientation and spacing that a model was trained with, as far as its file records them.

    A file that records nothing gets the volume as it is stored.
    """
    geometry, turn = plan.geometry, turn_of(volume, plan)
    ordered = turned(volume, turn)
    fitted = resample(ordered, geometry.spacing, geometry.interpolation) if geometry.spacing else ordered
    return ModelGrid(turn, ordered, fitted, geometry.interpolation)


def image_notes(volume: Volume, plan: Plan, view: str = "", inverted: bool = False) -> tuple[str, ...]:
    """What to know before a model sees an image of any kind: of 2D ones and views what `as_radiograph` notes of them."""
    if not (view or is_flat(volume.shape)):
        return notes_before(volume, plan)
    if len(plan.input_size) == 3:  # such a model refuses it
        return volume.notes
    if plan.modality and not volume.modality and is_flat(volume.shape):
        volume = replace(volume, modality=plan.modality)
    return plane_notes(as_plane(volume, view, inverted), view)


def notes_before(volume: Volume, plan: Plan) -> tuple[str, ...]:
    """What to know before a model sees a 3D volume: what its reader changed, and what sets it apart from the training images."""
    here, learnt = (volume.spacing.tolist(), volume.direction.tolist()), plan.task.get("spacing")
    notes = geometry_notes(*here, plan.geometry)
    if learnt and not plan.geometry.recorded:  # earlier segmentation models kept the median spacing of training alone
        notes += geometry_notes(
            *here, Geometry(orientation_of_volume(volume), finest=learnt, coarsest=learnt, tilt=90.0)
        )
    further = (note for one in volume.further for note in one.notes)
    return (*volume.notes, *further, *notes)
