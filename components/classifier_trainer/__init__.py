"""Trains a classifier of the dataset, whose features are used for evaluation."""
