"""The command that trains without a pipeline."""

from __future__ import annotations

import pathlib

from msg_modules.common import signals
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig

_DEFAULT_MODEL, _DEFAULT_TRAIN = ModelConfig(), TrainConfig()


def train(
    examples: pathlib.Path,
    output: pathlib.Path,
    model: ModelConfig = _DEFAULT_MODEL,
    train: TrainConfig = _DEFAULT_TRAIN,
    checkpoints: pathlib.Path | None = None,
    code: str = "",
) -> None:
    """Trains on what Transform wrote; in several processes where TF_CONFIG names them.

    The same command resumes an interrupted training from its last checkpoint.

    Args:
      examples: Directory of transformed examples, such as one named Split-train.
      output: Directory that gets the generator in `model/`, pictures and statistics
        in `run/`.
      model: The networks.
      train: The recipe.
      checkpoints: Directory that keeps unfinished training. Default: `checkpoints`
        in the output.
      code: A name for the version of the code; another one begins another training.
    """
    from msg_modules.training import cluster

    cluster.find(train.strategy, train.workers)
    if not examples.is_dir():
        raise ConfigError(
            f"examples is {str(examples)!r}, which is not a directory; name one that"
            " Transform wrote, such as"
            " output/quickstart/Transform/transformed_examples/5/Split-train."
        )
    from msg_modules.training import distribution, run_fn

    distribution.configure_devices(train.strategy, train.replicas)
    with signals.caught():
        run_fn.train_and_export(
            model,
            train,
            [f"{examples}/*"],
            model_dir=str(output / "model"),
            run_dir=str(output / "run"),
            checkpoint_root=str(checkpoints or output / "checkpoints"),
            code=code,
        )
