"""From encoded images to batches of image pyramids."""
