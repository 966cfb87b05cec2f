"""Demonstrations on public data. One line registers a method's: (output folder, preset, settings) -> DemoResult."""

DEMOS = {
    "genesis": "medssl.cli.demos.genesis:run",
    "peac": "medssl.cli.demos.peac:run",
    "ark": "medssl.cli.demos.ark:run",
}
