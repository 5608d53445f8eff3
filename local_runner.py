"""Runs the pipeline on this machine: `uv run local_runner.py`."""

from __future__ import annotations

import sys

from pipeline.local import command

if __name__ == "__main__":
    sys.exit(command.main())
