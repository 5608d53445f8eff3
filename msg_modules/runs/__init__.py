"""The contents of a pipeline root: artifacts, evaluations, results."""
