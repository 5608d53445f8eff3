"""How good generated images are; needs TensorFlow and NumPy, nothing of TFX."""
