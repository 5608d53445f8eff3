"""An ExampleValidator that stops the run."""
