"""Pretraining methods. One line registers a method: its config class, its implementation, what it trains on and begins with.

The network of a method stands under the same name in `medssl.networks.NETWORKS`, with what its models can be asked for.
"""

from medssl.core.registry import DATASET_SPECS, MethodEntry

METHODS = {
    "genesis": MethodEntry(
        "medssl.pretraining.genesis.config:GenesisConfig", "medssl.pretraining.genesis.method:Genesis",
        starts_from=("genesis",),
    ),
    "peac": MethodEntry(
        "medssl.pretraining.peac.config:PeacConfig", "medssl.pretraining.peac.method:Peac", starts_from=("peac",)
    ),
    "anatomy": MethodEntry(
        "medssl.pretraining.anatomy.config:AnatomyConfig", "medssl.pretraining.anatomy.method:Anatomy",
        starts_from=("anatomy", "peac"),
    ),
    "anatomy3d": MethodEntry(
        "medssl.pretraining.anatomy3d.config:Anatomy3DConfig", "medssl.pretraining.anatomy3d.method:Anatomy3D",
        starts_from=("anatomy3d", "genesis"),
    ),
    "ark": MethodEntry(
        "medssl.pretraining.ark.config:ArkConfig", "medssl.pretraining.ark.method:Ark", data=DATASET_SPECS,
        starts_from=("ark", "ark-cnn", "peac", "anatomy", "cnn-classifier"),
    ),
}  # fmt: skip
UNTRAINED_METHOD = "peac"  # whose presets `untrained:PRESET` names
