"""The wiring of the pipeline and its settings."""
