"""The networks, their losses and penalties, and one training step."""
