"""Evaluation metrics for generated images; independent of TFX."""
