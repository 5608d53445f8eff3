"""TFX components of this project."""
