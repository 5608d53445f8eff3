"""The TFX pipeline, its settings and its runners."""
