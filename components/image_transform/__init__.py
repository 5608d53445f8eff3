"""A Transform that makes the images that the dataset was settled to have."""
