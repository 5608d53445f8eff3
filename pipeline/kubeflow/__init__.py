"""Compiling the pipeline for Kubeflow Pipelines v2 or Vertex AI, and its runs there."""
