"""A Pusher that pushes the model card with the model."""
