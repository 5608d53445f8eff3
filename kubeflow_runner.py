"""Compiles the pipeline for Kubeflow: `uv run kubeflow_runner.py compile`."""

from __future__ import annotations

import sys

from pipeline.kubeflow import command

if __name__ == "__main__":
    sys.exit(command.main())
