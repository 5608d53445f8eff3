"""The model card of a pushed generator: written and read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from msg_modules.common.errors import ConfigError
from msg_modules.data.image_spec import ImageSpec
from msg_modules.report.rendering import render

# Dataset -> licence, and name on the Hugging Face Hub.
_DATASETS = {
    "fashion_mnist": ("MIT, Zalando SE", "zalando-datasets/fashion_mnist"),
    "garments": ("Apache-2.0, synthetic drawings", None),
}
# The Hugging Face Hub has no task for generators that take classes.
_UNCONDITIONAL = "unconditional-image-generation"
_CONDITIONAL = "class-conditional-image-generation"
_LICENCE = "apache-2.0"


def render_card(evaluation: dict[str, Any]) -> str:
    """Renders the model card in the format of the Hugging Face Hub.

    Args:
      evaluation: Content of `metrics.json`, of a generator that could be measured.

    Returns:
      Markdown with YAML front matter.
    """
    dataset = evaluation["dataset"].split(":")[0]
    licence, hub_name = _DATASETS.get(dataset, (None, None))
    classes = evaluation["classes"]
    task = _CONDITIONAL if classes else _UNCONDITIONAL
    metadata = {
        "license": _LICENCE,
        "library_name": "tensorflow",
        **({} if classes else {"pipeline_tag": task}),
        "tags": [
            "gan",
            "msg-gan",
            "saved-model",
            *(["class-conditional"] if classes else []),
        ],
        **({"datasets": [hub_name]} if hub_name else {}),
        "model-index": [
            {
                "name": f"msg-gan-{dataset}",
                "results": [
                    {
                        "task": {"type": task},
                        "dataset": {
                            "type": hub_name or dataset,
                            "name": evaluation["dataset"],
                            "split": evaluation["split"],
                        },
                        "metrics": [
                            {
                                "type": name,
                                "name": figure["label"].strip(),
                                "value": round(figure["value"], 6),
                            }
                            for name, figure in evaluation["figures"].items()
                        ],
                    }
                ],
            }
        ],
    }
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return render(
        "card.md",
        metadata=f"---\n{head}---\n",
        evaluation=evaluation,
        images=ImageSpec(**evaluation["images"]),
        classes=classes,
        data_licence=f" ({licence})" if licence else "",
    )


def read_front_matter(path: pathlib.Path) -> dict[str, Any]:
    """Reads the YAML front matter of a model card.

    Raises:
      ConfigError: If there is none, or it cannot be read.
    """
    try:
        _, front, _ = path.read_text("utf-8").split("---\n", 2)
        metadata = yaml.safe_load(front)
    except (OSError, ValueError, yaml.YAMLError) as e:
        raise ConfigError(f"{str(path)!r} has no front matter ({e}).") from e
    if not isinstance(metadata, dict):
        raise ConfigError(f"{str(path)!r} has {metadata!r} for its front matter.")
    return metadata


def figures(index: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields the dataset and the metrics in the `model-index` of a front matter."""
    for model in index:
        for result in model.get("results", []):
            if name := result.get("dataset", {}).get("name"):
                yield "dataset", name
            for metric in result.get("metrics", []):
                yield metric.get("name", metric.get("type")), metric.get("value")
