"""TensorFlow Serving's gRPC service, as far as a generator's clients see it.

It takes what its client sends apart as TensorFlow Serving does, and runs the graph by
the names of its tensors, in a session. Statuses and messages are those of
tensorflow_serving/servables/tensorflow/predict_util.cc and of its model manager.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import pathlib
from collections.abc import Iterator
from typing import NoReturn

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """One version of one model."""

    def __init__(self, name: str, version: pathlib.Path):
        self._name, self._version = name, int(version.name)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(version)
            )
        self._signatures = meta_graph.signature_def

    def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        def refuse(code: grpc.StatusCode, reason: str) -> NoReturn:
            context.abort(code, reason)
            raise AssertionError("abort raises")

        asked = request.model_spec
        if asked.name != self._name:
            reason = f"Servable not found for request: Latest({asked.name})"
            refuse(grpc.StatusCode.NOT_FOUND, reason)
        if asked.HasField("version") and asked.version.value != self._version:
            reason = f"Servable not found for request: Specific({asked.name})"
            refuse(grpc.StatusCode.NOT_FOUND, reason)
        key = asked.signature_name or "serving_default"
        if key not in self._signatures:
            reason = f'Serving signature key "{key}" not found.'
            refuse(grpc.StatusCode.FAILED_PRECONDITION, reason)
        signature = self._signatures[key]
        inputs = {**signature.defaults, **request.inputs}
        if set(inputs) != set(signature.inputs):
            reason = (
                f"input size does not match signature: {len(request.inputs)}"
                f"!={len(signature.inputs)}"
            )
            refuse(grpc.StatusCode.INVALID_ARGUMENT, reason)
        feeds = {}
        for name, value in inputs.items():
            info = signature.inputs[name]
            if value.dtype != info.dtype:
                # The session would convert what came from Python.
                reason = f"Expects {name} to be {info.dtype} but {value.dtype} is given"
                refuse(grpc.StatusCode.INVALID_ARGUMENT, reason)
            feeds[info.name] = tf.make_ndarray(value)
        wanted = {name: info.name for name, info in signature.outputs.items()}
        try:
            outputs = self._session.run(wanted, feeds)
        except (ValueError, tf.errors.InvalidArgumentError) as e:
            refuse(grpc.StatusCode.INVALID_ARGUMENT, str(e))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self._name
        response.model_spec.signature_name = key
        response.model_spec.version.value = self._version
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@contextlib.contextmanager
def serving(version: pathlib.Path, name: str = "msg_gan") -> Iterator[str]:
    """Serves a version directory; yields the address."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(name, version), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(grace=None).wait()
