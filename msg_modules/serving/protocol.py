"""The part of TensorFlow Serving's REST API that a generator needs.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from google.protobuf import json_format
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from msg_modules.data.image_spec import image_key

_CONTENT_TYPE = b"content-type"


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


def explain(errors: Sequence[Any]) -> str:
    """Returns the place and the reason of the first validation error."""
    place = ".".join(str(part) for part in errors[0]["loc"])
    return f"{place}: {errors[0]['msg']}"


def name_images(pyramid: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """Returns images by the names that they have as outputs of a signature.

    Args:
      pyramid: `[num_images, size, size, channels]` for each scale, smallest first.
    """
    return {image_key(scale.shape[1]): scale for scale in pyramid}


def to_json(outputs: Mapping[str, Sequence[Any] | np.ndarray], is_row: bool) -> bytes:
    """Encodes the response to a request.

    Args:
      outputs: The outputs of the signature by name: lists, or images
        `[num_images, size, size, channels]`, all of the same length.
      is_row: Row format, with an object per image or class, rather than column
        format, with an array per output.
    """
    answer: dict[str, Any]
    if is_row:
        rows = zip(*outputs.values(), strict=True)
        answer = {"predictions": [dict(zip(outputs, r, strict=True)) for r in rows]}
    else:
        answer = {"outputs": outputs}
    return orjson.dumps(answer, default=_fragment)


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
