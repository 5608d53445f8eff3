"""How does training time per image scale with the number of devices?

`uv run benchmarks/scaling.py` trains on 1, 2 and 4 logical devices of one process, and
on 1 and 2 worker processes on loopback, in alternating turns, so that drifting machine
speed affects all of them equally. The batch size is per device, as with
`--train.batch-size`: more devices mean a larger global batch.

Efficiency is the throughput relative to that of one device times the number of devices.
Devices that share the cores of one CPU cannot scale: if one device already uses all
cores, sharing them without loss gives 50% for 2 devices and 25% for 4. GPUs are used if
there are enough of them.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import socket
import statistics
import time
from typing import Literal

import timing
import tyro

from msg_modules.common import console

# The fork server imports TensorFlow once but runs nothing on it. TensorFlow fixes a
# process's devices on first use, so each setting needs its own processes.
_PROCESSES = multiprocessing.get_context("forkserver")


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    network: Literal["compact", "tutorial"] = "compact"
    """Networks to train."""

    batch_size: int = 64
    """Images per device and step."""

    rounds: int = 5
    """Number of turns per setting."""

    seconds: float = 5.0
    """Approximate duration of a turn, in seconds."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A number of devices and how they are distributed."""

    name: str
    devices: int
    workers: int = 0
    """Worker processes of one device; 0 for logical devices of one process."""


_SETTINGS = (
    Setting("1 device", 1),
    Setting("2 devices", 2),
    Setting("4 devices", 4),
    Setting("1 worker", 1, workers=1),
    Setting("2 workers", 2, workers=2),
)


def main() -> None:
    """Measures and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    _PROCESSES.set_forkserver_preload(["msg_modules.training.loop"])
    contenders = {}
    try:
        for setting in _SETTINGS:
            console.say(f"preparing {setting.name}")
            contenders[setting.name] = _Contender(setting, args)
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(args.rounds):
            for name, contender in contenders.items():
                seconds[name].append(contender.seconds_per_image(args.seconds))
    finally:
        for contender in contenders.values():
            contender.stop()
    _print(args, seconds, {c.kind for c in contenders.values()})


def _print(args: Args, seconds: dict[str, list[float]], kinds: set[str]) -> None:
    import rich.table

    table = rich.table.Table(
        title=f"{args.network}, {args.batch_size} images per device and step,"
        f" {args.rounds} rounds: min / median / max",
        title_justify="left",
    )
    for column in ("", "ms per image", "images/s", "efficiency"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    alone = seconds[_SETTINGS[0].name]
    for setting in _SETTINGS:
        seen = seconds[setting.name]
        efficiency = [
            one / (setting.devices * this)
            for one, this in zip(alone, seen, strict=True)
        ]
        table.add_row(
            setting.name,
            timing.spread([1000 * s for s in seen], ".1f"),
            timing.spread([1 / s for s in seen], ".0f"),
            timing.spread(efficiency, ".0%"),
        )
    console.console.print(table)
    cores = len(os.sched_getaffinity(0))
    console.say(f"Devices: {', '.join(sorted(kinds))}; {cores} CPU cores.")
    fastest = min(seconds, key=lambda name: statistics.median(seconds[name]))
    console.say(f"Fewest milliseconds per image: {fastest}.")
    if kinds == {"CPU"}:
        console.say(
            "All devices share this CPU's cores: the results show the cost of"
            " coordination, not how separate devices would scale."
        )


class _Contender:
    """The processes of a setting, which train on command."""

    def __init__(self, setting: Setting, args: Args):
        addresses = [f"127.0.0.1:{_free_port()}" for _ in range(setting.workers)]
        self._images_per_step = args.batch_size * setting.devices
        self._processes = []
        self._connections = []
        for index in range(max(1, setting.workers)):
            ours, theirs = _PROCESSES.Pipe()
            process = _PROCESSES.Process(
                target=_train,
                args=(theirs, setting, args, addresses, index),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
        kinds = [connection.recv() for connection in self._connections]
        self.kind = kinds[0]
        self._seconds_per_step = self._run(2) / 2

    def seconds_per_image(self, seconds: float) -> float:
        """Trains for about `seconds`; returns the time per image."""
        steps = max(2, round(seconds / self._seconds_per_step))
        self._seconds_per_step = self._run(steps) / steps
        return self._seconds_per_step / self._images_per_step

    def stop(self) -> None:
        """Kills the processes."""
        for process in self._processes:
            process.kill()
            process.join()

    def _run(self, steps: int) -> float:
        start = time.perf_counter()
        for connection in self._connections:
            connection.send(steps)
        for connection in self._connections:
            connection.recv()
        return time.perf_counter() - start


def _train(
    connection: multiprocessing.connection.Connection,
    setting: Setting,
    args: Args,
    addresses: list[str],
    index: int,
) -> None:
    """Main loop of a process: receives a number of steps, trains, and reports."""
    console.quiet_libraries()
    os.environ.pop("TF_CONFIG", None)
    if setting.workers:
        task = {"type": "worker", "index": index}
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": addresses}, "task": task}
        )
        strategy_name, replicas = "multi_worker", None
    elif setting.devices > 1:
        strategy_name, replicas = "mirrored", setting.devices
    else:
        strategy_name, replicas = "one_device", None
    import tensorflow as tf

    from msg_modules.configs import ModelConfig, TrainConfig
    from msg_modules.data.batches import training_dataset
    from msg_modules.gan.compiled_steps import compile_steps
    from msg_modules.gan.step import Gan
    from msg_modules.training import distribution

    with console.silenced():
        distribution.configure_devices(strategy_name, replicas)
        strategy = distribution.make_strategy(strategy_name, replicas)
    train = TrainConfig(batch_size=args.batch_size)
    if args.network == "tutorial":
        # The article's recipe has no penalty and no average.
        train = dataclasses.replace(train, r1_gamma=0.0, ema_half_life=0)
    with strategy.scope():
        gan = Gan(
            ModelConfig(network=args.network), train, timing.FASHION, setting.devices
        )
    examples = timing.noise_examples()
    batches = iter(
        strategy.distribute_datasets_from_function(
            lambda context: training_dataset(
                examples,
                replica_batch_size=args.batch_size,
                num_replicas=setting.devices,
                seed=0,
                context=context,
            )
        )
    )
    run_steps = compile_steps(strategy, gan, train, has_clock=True)
    run_steps(batches, tf.constant(2)).sums.numpy()  # traces
    weight = strategy.experimental_local_results(gan.generator.variables[0].value)[0]
    connection.send("GPU" if "GPU" in weight.device else "CPU")
    while True:
        steps = connection.recv()
        run_steps(batches, tf.constant(steps)).sums.numpy()
        connection.send(None)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


if __name__ == "__main__":
    main()
