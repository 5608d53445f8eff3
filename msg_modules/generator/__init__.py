"""The exported generator: SavedModel, sampling, conversion."""
