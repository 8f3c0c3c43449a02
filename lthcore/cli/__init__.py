"""The command line: ``python -m lthcore``, or ``lthcore`` where the package is installed."""

from lthcore.cli.commands import app, main

__all__ = ["app", "main"]
