"""Pretraining methods. One line registers a method: its config class and its implementation, as import strings."""

METHODS = {
    "genesis": ("medssl.methods.genesis_config:GenesisConfig", "medssl.methods.genesis:Genesis"),
    "peac": ("medssl.methods.peac_config:PeacConfig", "medssl.methods.peac:Peac"),
    "ark": ("medssl.methods.ark_config:ArkConfig", "medssl.methods.ark:Ark"),
}
