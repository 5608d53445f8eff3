"""Requests images from TensorFlow Serving over gRPC: `python grpc_client.py --help`.

Meant to be copied. It needs `pip install tensorflow-serving-api`, which also installs
grpcio, NumPy and TensorFlow.
"""

import argparse
import json
import os

import grpc


class Client:
    """A reusable connection to a server."""

    def __init__(self, server: str, model: str = "msg_gan", timeout: float = 30):
        """Creates the client; it connects on the first call.

        Args:
          server: Address, such as `127.0.0.1:8500`.
          model: Name of the model on the server.
          timeout: Time limit of a call in seconds.
        """
        # Slow to import, and not needed for `--help`.
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._server, self._model, self._timeout = server, model, timeout
        # By default gRPC rejects responses above 4 MiB, about a thousand images.
        options = [("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(server, options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, signature: str, **inputs) -> dict:
        """Calls a signature.

        Args:
          signature: `sample` or `serving_default`; `sample_class` or `classes` if
            the model is conditional.
          **inputs: Inputs of the signature, as NumPy arrays or scalars of its types.

        Returns:
          `image_7`, `image_14` and `image_28`, each float32
          `[num_images, size, size, 1]` in [-1, 1]; `classes` returns `names` and
          `shares`.

        Raises:
          RuntimeError: If the server is unreachable or returns an error.
        """
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            answer = self._stub.Predict(request, self._timeout)
        except grpc.RpcError as e:
            if e.code() == grpc.StatusCode.UNAVAILABLE:
                reason = f"{self._server} cannot be reached: {e.details()}"
            else:
                reason = f"{self._server} answers {e.code().name}: {e.details()}"
            raise RuntimeError(reason) from e
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def sample(self, num_images: int, seed: int, label: int | None = None) -> dict:
        """Generates the images of a seed, or of a seed and a class; see `predict`."""
        import numpy as np

        inputs = {"num_images": np.int32(num_images), "seed": np.int64(seed)}
        if label is None:
            return self.predict("sample", **inputs)
        return self.predict("sample_class", **inputs, label=np.int64(label))

    def generate(self, latents, labels=None) -> dict:
        """Generates images from latents `[num_images, latent_dim]`; see `predict`.

        A conditional model needs labels `[num_images]`, numbers of classes.

        Raises:
          ValueError: If a latent is NaN or infinite, which TensorFlow Serving would
            accept.
        """
        import numpy as np

        latents = np.asarray(latents, np.float32)
        if not np.all(np.isfinite(latents)):
            raise ValueError("latents hold NaN or infinite values")
        inputs = {"latents": latents}
        if labels is not None:
            inputs["labels"] = np.asarray(labels, np.int64)
        return self.predict("serving_default", **inputs)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prints an image of a served model.")
    parser.add_argument("server", nargs="?", default="127.0.0.1:8500")
    parser.add_argument("--model", default="msg_gan", help="its name on the server")
    parser.add_argument("--seed", type=int, default=1, help="the image to draw")
    parser.add_argument("--latents", type=json.loads, help="instead: '[0.5, -1, ...]'")
    parser.add_argument("--label", type=int, help="class of a conditional model")
    args = parser.parse_args()
    labels = None if args.label is None else [args.label]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    client = Client(args.server, args.model)
    try:
        if args.latents is None:
            images = client.sample(1, args.seed, args.label)
        else:
            images = client.generate([args.latents], labels)
    except (OverflowError, RuntimeError, ValueError) as e:
        parser.exit(1, f"error: {e}\n")
    shades = " .:-=+*#%@"
    for row in images["image_28"][0, ..., 0]:
        print("".join(shades[round((value + 1) / 2 * 9)] for value in row))
