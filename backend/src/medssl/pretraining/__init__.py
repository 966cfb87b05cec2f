"""Pretraining methods. One line registers a method: its config class, its implementation, and what it trains on."""

from medssl.core.registry import DATASET_SPECS, RegistryEntry

METHODS = {
    "genesis": RegistryEntry(
        "medssl.pretraining.genesis.config:GenesisConfig", "medssl.pretraining.genesis.method:Genesis"
    ),
    "peac": RegistryEntry("medssl.pretraining.peac.config:PeacConfig", "medssl.pretraining.peac.method:Peac"),
    "ark": RegistryEntry(
        "medssl.pretraining.ark.config:ArkConfig", "medssl.pretraining.ark.method:Ark", data=DATASET_SPECS
    ),
}
