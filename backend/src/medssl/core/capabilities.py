"""What a model can be asked for, whichever method made it. The registries list these words; standard library only."""

from __future__ import annotations

RESTORE = "restore"  # give distorted sub-volumes back as they were
PATCHES = "patches"  # describe each patch of a radiograph: corresponding places, parts, patch maps, landmarks
VOXELS = "voxels"  # describe each place of a 3D volume: corresponding places in two CTs or MRs
EMBED = "embed"  # describe a whole image by one vector: similar cases, probes
HEADS = "heads"  # predict findings by heads with names
CLASSES = "classes"  # predict the classes that it was fine-tuned or probed for
SEGMENT = "segment"  # label each voxel or pixel
EXPLAIN = "explain"  # map where in a radiograph a probability comes from
CAPABILITIES = (RESTORE, PATCHES, VOXELS, EMBED, HEADS, CLASSES, SEGMENT, EXPLAIN)


def starts(method: str) -> str:
    """The capability of being what a pretraining by this method begins with."""
    return f"start:{method}"
