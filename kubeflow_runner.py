"""Compiles the pipeline for Kubeflow: `uv run kubeflow_runner.py compile`."""

from __future__ import annotations

import sys

from pipeline import kubeflow_cli

if __name__ == "__main__":
    sys.exit(kubeflow_cli.main())
