"""Evaluates the generator, and decides whether it is pushed."""
