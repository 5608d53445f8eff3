"""A classifier of the dataset, in whose features generators are judged."""
