"""Publishes a schema given as text."""
