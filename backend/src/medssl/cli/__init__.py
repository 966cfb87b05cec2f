"""The command line: `medssl …`. Every verb is a thin face over the package; heavy imports wait until a verb needs them."""

from medssl.cli.app import main

__all__ = ["main"]
