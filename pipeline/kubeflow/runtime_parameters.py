"""Values of a compiled pipeline that can be changed per run.

TFX supports runtime parameters only for whole exec properties, but most settings are
nested in one that holds JSON. Such a setting is passed to its step as a separate
parameter, named by its path: `custom_config--train--batch_size`. In the step it is
merged back into the JSON that the executor reads.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

Path = tuple[str, ...]

_SEPARATOR = "--"
_INTEGER = "NUMBER_INTEGER"
_TYPES = {str: "STRING", int: _INTEGER, float: "NUMBER_DOUBLE"}

# Targets of each runtime parameter: a step, a parameter of that step, and the path of
# keys inside it if it holds JSON.
_TARGETS: dict[str, tuple[Path, ...]] = {
    "dataset": (("TfdsExampleGen", "config", "dataset"),),
    "train_steps": (("Trainer", "train_args", "num_steps"),),
    **{
        name: (("Trainer", "custom_config", "train", name),)
        for name in (
            "batch_size",
            "generator_learning_rate",
            "discriminator_learning_rate",
            "seed",
        )
    },
    **{
        name: (("GanEvaluator", "config", name),)
        for name in (
            "max_frechet",
            "max_frechet_share",
            "min_coverage",
            "max_class_distance",
            "max_worsening",
        )
    },
    "serving_dir": (
        ("Pusher", "push_destination", "filesystem", "base_directory"),
        ("GanEvaluator", "serving_dir"),
        ("Trainer", "custom_config", "serving_dir"),
    ),
}


def expose(spec: dict[str, Any], without: Collection[str] = ()) -> None:
    """Turns constants of a compiled pipeline into runtime parameters.

    The constants become their defaults. A threshold that was disabled at compile time
    gets no runtime parameter and stays disabled.

    Args:
      spec: A `PipelineSpec` as JSON; changed in place.
      without: Names of parameters that would have no effect.
    """
    parameters = (
        spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    )
    for name, targets in _TARGETS.items():
        default = _constant(spec, targets[0])
        if default is None or name in without:
            continue
        type_name = _TYPES[type(default)]
        parameters[name] = {
            "parameterType": type_name,
            "defaultValue": default,
            "isOptional": True,
        }
        for step, *path in targets:
            parameter = _SEPARATOR.join(path)
            _inputs(spec, step)[parameter] = {"componentInputParameter": name}
            definitions = spec["components"][step]["inputDefinitions"]["parameters"]
            definitions[parameter] = {"parameterType": type_name}


def fold(values: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Merges the parameters that `expose` split off back into their JSON, in the step.

    Args:
      values: The step's parameters by name.
      definitions: Their definitions, as in `PipelineSpec`.

    Returns:
      The parameters that the executor expects.
    """
    folded = {k: v for k, v in values.items() if _SEPARATOR not in k}
    for name in values.keys() - folded.keys():
        value = values[name]
        if definitions.get(name, {}).get("parameterType") == _INTEGER:
            value = int(value)  # Numbers in JSON arrive as floats.
        parameter, *path = name.split(_SEPARATOR)
        content = json.loads(folded[parameter])
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        folded[parameter] = json.dumps(content, sort_keys=True)
    return folded


def _inputs(spec: dict[str, Any], step: str) -> dict[str, Any]:
    return spec["root"]["dag"]["tasks"][step]["inputs"]["parameters"]


def _constant(spec: dict[str, Any], target: Path) -> Any:
    step, parameter, *path = target
    value = _inputs(spec, step)[parameter]["runtimeValue"]["constant"]
    if path:
        value = json.loads(value)
    for key in path:
        value = value[key]
    return value
