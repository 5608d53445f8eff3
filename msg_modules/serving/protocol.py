"""The part of TensorFlow Serving's REST API that a generator needs.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from msg_modules.common.errors import ConfigError
from msg_modules.configs import require
from msg_modules.data.image_spec import image_key
from msg_modules.generator import codes
from msg_modules.generator.sampling import Generator

_CONTENT_TYPE = b"content-type"
_Rows = list[list[float]]


class _Part(BaseModel):
    # Keys that are not known are ignored, as TensorFlow Serving does.
    model_config = ConfigDict(strict=True)


class PredictRequest(_Part):
    """A predict request: `instances` in row format, `inputs` in column format."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"signature_name": "sample", "inputs": {"num_images": 1, "seed": 7}}
            ]
        }
    )

    signature_name: str = ""
    """Empty for `serving_default`."""

    instances: list[Any] | None = None
    inputs: Any = None


class _Inputs(_Part):
    """The inputs of a signature, in column format."""

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """Extracts or draws the codes.

        Raises:
          ConfigError: If the generator does not take the inputs.
        """
        raise NotImplementedError


class _Latents(_Inputs):
    """Of `serving_default`, if the generator is unconditional."""

    latents: _Rows

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        _check_count("The number of latents", len(self.latents), max_images)
        return generator.check_latents(self.latents)


class _LabelledLatents(_Latents):
    """Of `serving_default`, if the generator is conditional."""

    labels: list[int]

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        latents = super().to_codes(generator, max_images)
        _check_lengths("labels", self.labels, latents)
        num_classes = len(generator.classes)
        for label in self.labels:
            _check_label(label, num_classes)
        return codes.to_codes(latents, np.array(self.labels), num_classes)


class _WeightedLatents(_Latents):
    """Of `blend`."""

    class_weights: _Rows

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        latents = super().to_codes(generator, max_images)
        _check_lengths("class_weights", self.class_weights, latents)
        rows = zip(self.latents, self.class_weights, strict=True)
        return generator.check_codes([[*row, *weights] for row, weights in rows])


class _Sample(_Inputs):
    """Of `sample`."""

    num_images: int
    seed: int

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        _check_count("num_images", self.num_images, max_images)
        return generator.draw_codes(self.num_images, self.seed)


class _SampleClass(_Sample):
    """Of `sample_class`."""

    label: int

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        _check_count("num_images", self.num_images, max_images)
        _check_label(self.label, len(generator.classes))
        return generator.draw_codes(self.num_images, self.seed, label=self.label)


_UNCONDITIONAL: dict[str, type[_Inputs]] = {
    "serving_default": _Latents,
    "sample": _Sample,
}
# Without `classes`: TensorFlow Serving's REST API refuses signatures without inputs.
_CONDITIONAL: dict[str, type[_Inputs]] = {
    "serving_default": _LabelledLatents,
    "sample": _Sample,
    "sample_class": _SampleClass,
    "blend": _WeightedLatents,
}


def _check_count(name: str, count: int, max_images: int) -> None:
    require(0 < count <= max_images, name, count, f"between 1 and {max_images}")


def _check_lengths(name: str, values: Sequence[Any], latents: np.ndarray) -> None:
    count, wanted = len(values), f"{len(latents)}, the number of latents"
    require(count == len(latents), f"The number of {name}", count, wanted)


def _check_label(label: int, num_classes: int) -> None:
    wanted = f"between 0 and {num_classes - 1}"
    require(0 <= label < num_classes, "label", label, wanted)


class AnyContentType:
    """ASGI middleware that ignores a request's content type; all bodies are JSON."""

    def __init__(self, app: ASGIApp):
        """Wraps an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""
        if scope["type"] == "http":
            others = [item for item in scope["headers"] if item[0] != _CONTENT_TYPE]
            scope["headers"] = [*others, (_CONTENT_TYPE, b"application/json")]
        await self._app(scope, receive, send)


class Refusal(BaseModel):
    """An error response."""

    error: str


def to_codes(
    request: PredictRequest, generator: Generator, max_images: int
) -> np.ndarray:
    """Extracts or draws the codes of a request.

    Args:
      request: A parsed request.
      generator: The generator that will take the codes.
      max_images: Maximum number of images per request.

    Returns:
      float32 `[num_images, latent_dim + num_classes]`.

    Raises:
      ConfigError: If the request does not match its signature or the generator.
    """
    if (request.instances is None) == (request.inputs is None):
        raise ConfigError("A request must have either 'instances' or 'inputs'.")
    signatures = _CONDITIONAL if len(generator.classes) else _UNCONDITIONAL
    name = request.signature_name or "serving_default"
    wanted = f"one of {', '.join(signatures)}"
    require(name in signatures, "signature_name", name, wanted)
    signature = signatures[name]
    columns = _to_columns(request, name, list(signature.model_fields))
    try:
        inputs = signature.model_validate(columns)
    except ValidationError as e:
        place = "inputs" if request.instances is None else "instances"
        raise ConfigError(f"{place}.{explain(e.errors())}") from e
    return inputs.to_codes(generator, max_images)


def _to_columns(
    request: PredictRequest, signature: str, names: list[str]
) -> dict[str, Any]:
    """Returns the inputs by name, in column format; only a single one needs no name."""
    wanted = ", ".join(f"{name!r}: ..." for name in names)
    reason = f"The signature {signature!r} takes {{{wanted}}}"
    is_single = len(names) == 1
    if request.instances is None:
        if isinstance(request.inputs, dict):
            return request.inputs
        if is_single:
            return {names[0]: request.inputs}
        raise ConfigError(f"{reason} as 'inputs'.")
    rows = request.instances
    if is_single and not any(isinstance(row, dict) for row in rows):
        return {names[0]: rows}
    if not all(isinstance(row, dict) and set(row) == set(names) for row in rows):
        raise ConfigError(f"{reason} as each of the 'instances'.")
    return {name: [row[name] for row in rows] for name in names}


def explain(errors: Sequence[Any]) -> str:
    """Returns the place and the reason of the first validation error."""
    place = ".".join(str(part) for part in errors[0]["loc"])
    return f"{place}: {errors[0]['msg']}"


def to_json(pyramid: tuple[np.ndarray, ...], is_row: bool) -> bytes:
    """Encodes the response to a request.

    Args:
      pyramid: `[num_images, size, size, channels]` for each scale, smallest first.
      is_row: Row format, with an object per image, rather than column format, with an
        array per scale.
    """
    answer: dict[str, Any]
    keys = [image_key(scale.shape[1]) for scale in pyramid]
    if is_row:
        images = zip(*(map(_fragment, scale) for scale in pyramid), strict=True)
        answer = {"predictions": [dict(zip(keys, i, strict=True)) for i in images]}
    else:
        answer = {"outputs": dict(zip(keys, map(_fragment, pyramid), strict=True))}
    return orjson.dumps(answer)


def _fragment(images: np.ndarray) -> orjson.Fragment:
    """Encodes an array `[..., channels]` as nested lists.

    For grayscale, the brackets of the last axis are inserted afterwards: orjson takes
    three times as long for lists of one number as for the numbers, and this is most of
    the server's work besides the generator.
    """
    if images.shape[-1] > 1:
        colours = np.ascontiguousarray(images)
        return orjson.Fragment(orjson.dumps(colours, option=orjson.OPT_SERIALIZE_NUMPY))
    numbers = np.ascontiguousarray(images[..., 0])
    content = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
    return orjson.Fragment(b"[" + content.replace(b",", b"],[") + b"]")


def status(version: str) -> dict[str, Any]:
    """Returns the status of the served version."""
    return {
        "model_version_status": [
            {
                "version": version,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def signatures(graph: MetaGraphDef) -> dict[str, Any]:
    """Returns the signatures in a graph, as TensorFlow Serving describes them."""
    return {
        # By position: include default values (which protobuf 5 renamed), and keep the
        # names of fields.
        key: json_format.MessageToDict(signature, True, True)
        for key, signature in graph.signature_def.items()
    }


def metadata(name: str, version: str, signatures: dict[str, Any]) -> dict[str, Any]:
    """Returns the description of a model."""
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
