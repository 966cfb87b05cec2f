"""Pretraining methods. One line registers a method: its config class and its implementation, as import strings."""

METHODS = {
    "genesis": ("medssl.pretraining.genesis.config:GenesisConfig", "medssl.pretraining.genesis.method:Genesis"),
    "peac": ("medssl.pretraining.peac.config:PeacConfig", "medssl.pretraining.peac.method:Peac"),
    "ark": ("medssl.pretraining.ark.config:ArkConfig", "medssl.pretraining.ark.method:Ark"),
}
