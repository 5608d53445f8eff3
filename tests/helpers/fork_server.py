"""Starts trainings in processes of their own, without importing TensorFlow for each.

It imports everything once, runs no operation, and forks a process for each line
that it reads: a directory. It answers with the process's id, and when that has ended
with its status. The process trains in the directory, and at the end writes all
that training changes into `result.npz` there.
"""

from __future__ import annotations

import os
import pathlib
import sys

from msg_modules.common import console

console.quiet_libraries()

import numpy as np  # noqa: E402
from specs import FASHION  # noqa: E402

from msg_modules.configs import ModelConfig, TrainConfig  # noqa: E402
from msg_modules.data.class_spec import ClassSpec  # noqa: E402
from msg_modules.data.examples import Examples  # noqa: E402
from msg_modules.training import loop  # noqa: E402

# A checkpoint at every second step: a kill comes often while one is written. Without
# the penalty, whose second derivatives double the time of each start.
RECIPE = TrainConfig(
    steps=180,
    batch_size=4,
    r1_gamma=0.0,
    strategy="one_device",
    seed=5,
    report_every=5,
    sample_every=20,
    checkpoint_every=2,
    checkpoint_seconds=1e9,
    deterministic=True,
)


def _train(directory: pathlib.Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, [50, 28, 28, 1], np.uint8)
    labels = np.arange(len(images)) % 3
    classes = ClassSpec.of_labels(labels, ["first", "second", "third"])
    examples = Examples(images, labels, FASHION)
    gan = loop.train(ModelConfig(latent_dim=8), RECIPE, examples, directory, classes)
    variables = (
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema_generator.variables,
        *gan.generator_optimizer.variables,
        *gan.discriminator_optimizer.variables,
        gan.step,
    )
    np.savez(directory / "result.npz", *(variable.numpy() for variable in variables))


def main() -> None:
    """Serves until its input ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            # Its lines are not the server's answers.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _train(pathlib.Path(line.strip()))
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
