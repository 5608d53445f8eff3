"""An ExampleValidator that fails the run on anomalies."""
