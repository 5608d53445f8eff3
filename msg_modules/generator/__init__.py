"""The generator as a SavedModel: export, loading, sampling, conversion."""
