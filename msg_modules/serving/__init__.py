"""`msg-gan serve`: TensorFlow Serving's REST API for development."""
