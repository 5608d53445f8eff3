"""Access to the contents of a pipeline root: artifacts, evaluations, results."""
