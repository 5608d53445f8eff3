"""Shared utilities: console output, errors, files, signals, optional extras."""
