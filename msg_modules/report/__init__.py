"""What people read about a generator: the page of a run, and the model card."""
