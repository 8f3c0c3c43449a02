"""Diagrams of networks, of loops and of the package itself, drawn by code."""
