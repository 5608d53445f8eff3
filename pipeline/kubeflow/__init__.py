"""Compiles the pipeline for Kubeflow Pipelines v2 or Vertex AI, and runs it there."""
