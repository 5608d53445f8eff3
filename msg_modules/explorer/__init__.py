"""The latent-space explorer, a web page."""
