"""Predict requests: the inputs of the signatures, in row and in column format.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    WithJsonSchema,
)

from msg_modules.common.errors import ConfigError
from msg_modules.configs import require
from msg_modules.data.class_spec import ClassSpec
from msg_modules.generator import codes
from msg_modules.generator.sampling import Generator
from msg_modules.serving import protocol

_Rows = list[list[float]]


class _Part(BaseModel):
    # Keys that are not known are ignored, as TensorFlow Serving does.
    model_config = ConfigDict(strict=True)


class ClassesInputs(_Part):
    """The inputs of `classes`, in column format."""

    labels: list[int]
    """Empty for all classes."""

    def describe(self, classes: ClassSpec, max_labels: int) -> dict[str, list[Any]]:
        """Returns the outputs of the signature.

        Raises:
          ConfigError: If a label is out of range, or there are too many.
        """
        count = len(self.labels)
        require(
            count <= max_labels, "The number of labels", count, f"at most {max_labels}"
        )
        for label in self.labels:
            _check_label(label, len(classes))
        labels = self.labels or range(len(classes))
        return {
            "names": [classes.names[label] for label in labels],
            "shares": [classes.shares[label] for label in labels],
        }


class ImagesInputs(_Part):
    """The inputs of a signature that returns images, in column format."""

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """Extracts or draws the codes.

        Raises:
          ConfigError: If the generator does not take the inputs.
        """
        raise NotImplementedError


class LatentsInputs(ImagesInputs):
    """The inputs of `serving_default`, if the generator is unconditional."""

    latents: _Rows

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """See `Inputs`."""
        _check_count("The number of latents", len(self.latents), max_images)
        return generator.check_latents(self.latents)


class LabelledInputs(LatentsInputs):
    """The inputs of `serving_default`, if the generator is conditional."""

    labels: list[int]

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """See `Inputs`."""
        latents = super().to_codes(generator, max_images)
        _check_lengths("labels", self.labels, latents)
        num_classes = len(generator.classes)
        for label in self.labels:
            _check_label(label, num_classes)
        return codes.to_codes(latents, np.array(self.labels), num_classes)


class BlendInputs(LatentsInputs):
    """The inputs of `blend`."""

    class_weights: _Rows

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """See `Inputs`."""
        latents = super().to_codes(generator, max_images)
        _check_lengths("class_weights", self.class_weights, latents)
        rows = zip(self.latents, self.class_weights, strict=True)
        return generator.check_codes([[*row, *weights] for row, weights in rows])


class SampleInputs(ImagesInputs):
    """The inputs of `sample`."""

    num_images: int
    seed: int

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """See `Inputs`."""
        _check_count("num_images", self.num_images, max_images)
        return generator.draw_codes(self.num_images, self.seed)


class SampleClassInputs(SampleInputs):
    """The inputs of `sample_class`."""

    label: int

    def to_codes(self, generator: Generator, max_images: int) -> np.ndarray:
        """See `Inputs`."""
        _check_count("num_images", self.num_images, max_images)
        _check_label(self.label, len(generator.classes))
        return generator.draw_codes(self.num_images, self.seed, label=self.label)


Inputs = ClassesInputs | ImagesInputs
_UNCONDITIONAL: dict[str, type[Inputs]] = {
    "serving_default": LatentsInputs,
    "sample": SampleInputs,
}
_CONDITIONAL: dict[str, type[Inputs]] = {
    "serving_default": LabelledInputs,
    "sample": SampleInputs,
    "sample_class": SampleClassInputs,
    "blend": BlendInputs,
    "classes": ClassesInputs,
}
_ALL = dict.fromkeys([*_CONDITIONAL.values(), *_UNCONDITIONAL.values()])


# A request is validated when its signature is known; these only describe it.
def _describe_inputs() -> dict[str, Any]:
    kinds: list[dict[str, Any]] = []
    for inputs in _ALL:
        schema = inputs.model_json_schema()
        kinds += [schema, *_unnamed(schema["properties"])]
    return {"anyOf": [*kinds, {"type": "null"}]}


def _describe_instances() -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for inputs in _ALL:
        if not issubclass(inputs, (ClassesInputs, LatentsInputs)):
            continue
        schema = inputs.model_json_schema()
        items = {name: of["items"] for name, of in schema["properties"].items()}
        # Other keys are refused in this format.
        closed = {"properties": items, "additionalProperties": False}
        required = {"required": schema["required"]}
        rows += [{"type": "object", **required, **closed}, *_unnamed(items)]
    instances = {"type": "array", "minItems": 1, "items": {"anyOf": rows}}
    return {"anyOf": [instances, {"type": "null"}]}


def _unnamed(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Only a single input needs no name."""
    return list(inputs.values()) if len(inputs) == 1 else []


class PredictRequest(_Part):
    """A predict request: `instances` in row format, `inputs` in column format."""

    signature_name: str = ""
    """Empty for `serving_default`."""

    instances: Annotated[list[Any] | None, WithJsonSchema(_describe_instances())] = None
    inputs: Annotated[Any, WithJsonSchema(_describe_inputs())] = None


def _check_count(name: str, count: int, max_images: int) -> None:
    require(0 < count <= max_images, name, count, f"between 1 and {max_images}")


def _check_lengths(name: str, values: Sequence[Any], latents: np.ndarray) -> None:
    count, wanted = len(values), f"{len(latents)}, the number of latents"
    require(count == len(latents), f"The number of {name}", count, wanted)


def _check_label(label: int, num_classes: int) -> None:
    wanted = f"between 0 and {num_classes - 1}"
    require(0 <= label < num_classes, "label", label, wanted)


def read_inputs(request: PredictRequest, generator: Generator) -> Inputs:
    """Extracts the inputs of a request's signature.

    Args:
      request: A parsed request.
      generator: The generator that has the signature.

    Raises:
      ConfigError: If the generator has no such signature, or the request does not match
        it.
    """
    if (request.instances is None) == (request.inputs is None):
        raise ConfigError("A request must have either 'instances' or 'inputs'.")
    require(request.instances != [], "instances", [], "a list of at least one item")
    signatures = _CONDITIONAL if len(generator.classes) else _UNCONDITIONAL
    name = request.signature_name or "serving_default"
    wanted = f"one of {', '.join(signatures)}"
    require(name in signatures, "signature_name", name, wanted)
    signature = signatures[name]
    columns = _to_columns(request, name, list(signature.model_fields))
    try:
        return signature.model_validate(columns)
    except ValidationError as e:
        place = "inputs" if request.instances is None else "instances"
        raise ConfigError(f"{place}.{protocol.explain(e.errors())}") from e


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
