"""A schema that is given as text."""
