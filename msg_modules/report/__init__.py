"""The HTML report of an evaluation, and the model card."""
