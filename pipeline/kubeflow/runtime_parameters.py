"""Values of a compiled pipeline that a run may change.

TFX makes a runtime parameter of a whole exec property only, and most settings lie
inside of one that holds JSON. Such a setting travels to its step as a parameter of
its own, whose name spells the way: `custom_config--train--batch_size`. In the step
it is put where the executor looks for it.
"""

from __future__ import annotations

import json
from typing import Any

Path = tuple[str, ...]

_SEPARATOR = "--"
_INTEGER = "NUMBER_INTEGER"
_TYPES = {str: "STRING", int: _INTEGER, float: "NUMBER_DOUBLE"}

# Where the value of each runtime parameter goes: a step, a parameter of that step,
# and the keys inside of it if it holds JSON.
_TARGETS: dict[str, tuple[Path, ...]] = {
    "dataset": (
        ("TfdsExampleGen", "dataset"),
        ("ClassifierTrainer", "dataset"),
        ("GanEvaluator", "dataset"),
    ),
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
    ),
}


def expose(spec: dict[str, Any]) -> None:
    """Makes runtime parameters of some constants of a compiled pipeline.

    Each gets the constant as its default. A threshold that was turned off when
    the pipeline was compiled has none, and stays off.

    Args:
      spec: A `PipelineSpec` as JSON has it; changed in place.
    """
    parameters = (
        spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    )
    for name, targets in _TARGETS.items():
        default = _constant(spec, targets[0])
        if default is None:
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
    """Puts what `expose` took apart together again, in the step.

    Args:
      values: The step's parameters by name.
      definitions: Their definitions, as `PipelineSpec` has them.

    Returns:
      The parameters that the executor knows.
    """
    folded = {k: v for k, v in values.items() if _SEPARATOR not in k}
    for name in values.keys() - folded.keys():
        value = values[name]
        if definitions.get(name, {}).get("parameterType") == _INTEGER:
            value = int(value)  # JSON's numbers arrive as floats.
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
