"""Experiments and presets; their trials, records and store; the check that trains a record again."""
