"""A Trainer that knows the names of the classes."""
