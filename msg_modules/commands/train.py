"""`msg-gan train`."""

from __future__ import annotations

import pathlib

from msg_modules.common import signals
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig, require

_DEFAULT_MODEL, _DEFAULT_TRAIN = ModelConfig(), TrainConfig()


def train(
    examples: pathlib.Path,
    output: pathlib.Path,
    model: ModelConfig = _DEFAULT_MODEL,
    train: TrainConfig = _DEFAULT_TRAIN,
    checkpoints: pathlib.Path | None = None,
    code: str = "",
    serving_dir: str | None = None,
    class_names: tuple[str, ...] = (),
) -> None:
    """Trains without a pipeline, alone or as one process of a TF_CONFIG cluster.

    Rerun the same command to resume from the last checkpoint.

    Args:
      examples: Directory of transformed examples, e.g. one named Split-train.
      output: Output directory: the generator in `model/`, pictures and statistics in
        `run/`.
      model: Network settings.
      train: Training settings.
      checkpoints: Directory for checkpoints of unfinished training. Default:
        `checkpoints` in the output directory.
      code: Identifier of the code version; changing it starts training from scratch.
      serving_dir: Directory that generators are pushed to. Trainings of its versions
        keep their checkpoints, and --train.start-from served starts from the one that
        is served. The new generator is not pushed.
      class_names: Names of the classes, in the order of their labels, for the exported
        generator. Default: the numbers of the labels in the examples.
    """
    from msg_modules.training import cluster

    require(
        not train.starts_from_served or serving_dir is not None,
        "train.start_from",
        train.start_from,
        "used with --serving-dir, or be a directory",
    )
    cluster.find(train.strategy, train.workers)
    if not examples.is_dir():
        raise ConfigError(
            f"examples is {str(examples)!r}, which is not a directory; use one that"
            " Transform wrote, e.g."
            " output/quickstart/Transform/transformed_examples/5/Split-train."
        )
    from msg_modules.training import distribution, run_fn

    distribution.configure_devices(train.strategy, train.replicas)
    with signals.caught(signals.RESUME):
        run_fn.train_and_export(
            model,
            train,
            [f"{examples}/*"],
            model_dir=str(output / "model"),
            run_dir=str(output / "run"),
            checkpoint_root=str(checkpoints or output / "checkpoints"),
            code=code,
            serving_dir=serving_dir,
            class_names=class_names,
        )
