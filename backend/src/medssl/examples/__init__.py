"""Demonstrations on public data. One line registers a method's: (output folder, preset, settings) -> DemoResult."""

DEMOS = {
    "genesis": "medssl.examples.genesis_demo:run",
    "peac": "medssl.examples.peac_demo:run",
    "ark": "medssl.examples.ark_demo:run",
}
