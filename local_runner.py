"""Runs the pipeline on this machine: `uv run local_runner.py`."""

from __future__ import annotations

import sys

from pipeline import local_cli

if __name__ == "__main__":
    sys.exit(local_cli.main())
