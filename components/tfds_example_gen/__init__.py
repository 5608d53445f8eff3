"""Ingestion of TFDS image-classification datasets."""
