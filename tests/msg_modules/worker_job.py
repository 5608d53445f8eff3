"""Processes that train together on loopback, as the pods of a TFJob do."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import signal
import socket
import sys
import time
from collections.abc import Sequence

import numpy as np

from msg_modules.configs import ModelConfig, TrainConfig

# Its server imports TensorFlow once and runs nothing on it; each process is then
# a fork of it, without 14 s of imports.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["msg_modules.training"])
_SECONDS = 540.0


def state(gan: object) -> list[np.ndarray]:
    """All that training changes, the moments of both optimisers included."""
    return [
        *gan.generator.get_weights(),
        *gan.discriminator.get_weights(),
        *gan.ema_generator.get_weights(),
        *(
            variable.numpy()
            for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer)
            for variable in optimizer.variables
            if "momentum" in variable.path or "velocity" in variable.path
        ),
    ]


class WorkerJob:
    """Two workers in one directory; what exits with an error is started again."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.work_dir = directory / "work"
        self._addresses = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
        self.work_dir.mkdir()

    def run(
        self,
        model: ModelConfig,
        recipes: Sequence[TrainConfig],
        pyramids: Sequence[np.ndarray],
        kill: Sequence[int] = (),
    ) -> list[list[int]]:
        """Trains, one recipe after the other in the same directory.

        Args:
          model: The networks.
          recipes: Strategy and batch size as a worker has them.
          pyramids: The images.
          kill: Workers to kill one after the other, each after a checkpoint that
            was made since.

        Returns:
          The exit statuses of each worker, the last of them 0.
        """
        statuses: list[list[int]] = [[], []]
        processes = [self._start(i, model, recipes, pyramids) for i in range(2)]
        kills, seen = list(kill), 0
        deadline = time.monotonic() + _SECONDS
        try:
            while any(not s or s[-1] for s in statuses):
                assert time.monotonic() < deadline, self.logs()
                time.sleep(0.01)
                newest = max(self.checkpoint_steps(), default=0)
                if kills and newest > seen and all(p.is_alive() for p in processes):
                    os.kill(processes[kills.pop(0)].pid, signal.SIGKILL)
                    seen = newest
                for i, process in enumerate(processes):
                    if process.exitcode is None or len(statuses[i]) > 20:
                        continue
                    if statuses[i] and statuses[i][-1] == 0:
                        continue
                    statuses[i].append(process.exitcode)
                    if process.exitcode:
                        processes[i] = self._start(i, model, recipes, pyramids)
        finally:
            for process in processes:
                process.kill()
                process.join()
        return statuses

    def checkpoint_steps(self) -> list[int]:
        """Steps of the checkpoints that the chief keeps."""
        paths = self.work_dir.glob("checkpoints/ckpt-*.index")
        return sorted(int(path.stem.rsplit("-", 1)[1]) for path in paths)

    def state(self, worker: int, steps: int) -> list[np.ndarray]:
        """What `state` says of a worker's networks after a training."""
        with np.load(self.directory / f"state-{worker}-{steps}.npz") as arrays:
            return list(arrays.values())

    def log(self, worker: int, stream: str = "stdout") -> str:
        """What a worker printed, over all its starts."""
        return (self.directory / f"{stream}-{worker}").read_text()

    def logs(self) -> str:
        """All that was printed."""
        return "\n".join(
            f"{stream} of worker {i}:\n{self.log(i, stream)}"
            for i in range(2)
            for stream in ("stdout", "stderr")
        )

    def _start(self, worker: int, *what: object) -> multiprocessing.process.BaseProcess:
        task = {"type": "worker", "index": worker}
        tf_config = {"cluster": {"worker": self._addresses}, "task": task}
        process = _PROCESSES.Process(
            target=_work, args=(worker, json.dumps(tf_config), self.directory, *what)
        )
        process.start()
        return process


def _work(
    worker: int,
    tf_config: str,
    directory: pathlib.Path,
    model: ModelConfig,
    recipes: Sequence[TrainConfig],
    pyramids: Sequence[np.ndarray],
) -> None:
    """What a worker process does."""
    for stream, number in (("stdout", 1), ("stderr", 2)):
        with (directory / f"{stream}-{worker}").open("ab") as f:
            os.dup2(f.fileno(), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    os.environ["TF_CONFIG"] = tf_config
    import tensorflow as tf

    from msg_modules import console, distribution, training
    from msg_modules.errors import RunError

    console.quiet_libraries()
    # Then a run can be compared bit for bit with one that was not disturbed.
    tf.config.experimental.enable_op_determinism()
    try:
        distribution.configure_devices("auto", None)
        for recipe in recipes:
            gan = training.train(model, recipe, pyramids, directory / "work")
            np.savez(directory / f"state-{worker}-{recipe.steps}.npz", *state(gan))
    except RunError as e:
        console.fail(str(e))
        sys.exit(1)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
