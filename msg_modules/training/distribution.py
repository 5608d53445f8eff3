"""Distribution strategies, and coordination of several processes."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import tempfile
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from msg_modules.common import console
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.training import cluster

# Raised by a collective operation if a participating process has exited, restarted or
# stopped responding.
_PEER_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnavailableError,
)


def make_strategy(strategy: str, replicas: int | None) -> tf.distribute.Strategy:
    """Creates the distribution strategy.

    Args:
      strategy: `auto`, `one_device`, `mirrored`, `multi_worker` or `tpu`. `auto`
        is `multi_worker` if `TF_CONFIG` names several processes.
      replicas: Number of replicas for `mirrored`; if there are more than GPUs, they
        all run on logical CPU devices. None for one per GPU.

    Returns:
      The strategy; for one device TensorFlow's default strategy, without overhead.

    Raises:
      ConfigError: If the devices for the replicas are not available.
      RunError: If connecting to the other processes fails.
    """
    _check_replicas(strategy, replicas)
    if cluster.find(strategy):
        return _multi_worker()
    if strategy == "tpu":
        return _tpu()
    gpus = tf.config.list_logical_devices("GPU")
    if strategy == "one_device" or (strategy == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    if replicas is None or replicas <= len(gpus):
        return _mirrored(tuple(device.name for device in gpus[:replicas]))
    return _mirrored(_logical_cpus(replicas))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Returns one strategy per set of devices for all trainings in a process.

    A new strategy numbers its collective operations from the start, and the runtime
    would confuse them with those of the previous strategy.
    """
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Returns one strategy for all trainings in a process; waits for the others."""
    process = cluster.find("multi_worker")
    if process and process.is_chief and len(process.addresses) > 1:
        others = len(process.addresses) - 1
        console.say(f"  waiting for {others} other process(es) in TF_CONFIG")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as e:
        raise ConfigError(
            "train.strategy is 'multi_worker' but this process has already used"
            f" TensorFlow ({e}); call configure_devices first."
        ) from e
    except tf.errors.OpError as e:
        raise RunError(
            f"Cannot connect to the other processes in TF_CONFIG ({_first_line(e)});"
            " start all of them, then rerun the same command."
        ) from e


@functools.cache
def _tpu() -> tf.distribute.TPUStrategy:
    """Returns one strategy per process: connecting again would reset the TPU."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as e:
        raise ConfigError(
            f"train.strategy is 'tpu' but no TPU was found ({_first_line(e)}); set"
            " TPU_NAME (to 'local' on a TPU VM), or use --train.strategy auto."
        ) from e
    return tf.distribute.TPUStrategy(resolver)


def configure_devices(strategy: str, replicas: int | None) -> None:
    """Splits the CPU into logical devices, or connects to the other processes.

    TensorFlow only allows this before any operation has run, so call it first in a
    process that will train.

    Raises:
      ConfigError: If `mirrored` has neither GPUs nor a number of replicas, or
        `TF_CONFIG` does not match the strategy.
      RunError: If connecting to the other processes fails.
    """
    _check_replicas(strategy, replicas)
    if cluster.find(strategy):
        _multi_worker()
    elif strategy == "mirrored" and replicas is not None:
        physical = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            physical, [tf.config.LogicalDeviceConfiguration()] * replicas
        )


def _check_replicas(strategy: str, replicas: int | None) -> None:
    if (
        strategy == "mirrored"
        and replicas is None
        and not tf.config.list_physical_devices("GPU")
    ):
        raise ConfigError(
            "train.strategy is 'mirrored' but this machine has no GPU; set the number"
            " of replicas on the CPU with --train.replicas."
        )


def _logical_cpus(replicas: int) -> tuple[str, ...]:
    devices = tf.config.list_logical_devices("CPU")
    if len(devices) < replicas:
        try:
            configure_devices("mirrored", replicas)
        except RuntimeError as e:
            raise ConfigError(
                f"train.replicas is {replicas} but the CPU is already configured as"
                f" {len(devices)} device(s); call configure_devices first."
            ) from e
        devices = tf.config.list_logical_devices("CPU")
    return tuple(device.name for device in devices[:replicas])


class Team:
    """Coordinates the processes of a training; free if there is only one.

    All processes run the same loop. The chief decides what must not differ between
    them: the initial state, and the number of steps per call.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        """Wraps a strategy.

        Args:
          strategy: The result of `make_strategy`.
        """
        self._strategy = strategy
        self._is_alone = not isinstance(
            strategy, tf.distribute.MultiWorkerMirroredStrategy
        )
        self._broadcast = tf.function(self._from_first_replica)
        self._sum = tf.function(self._over_all_replicas)

    def agree(self, number: int) -> int:
        """Broadcasts the chief's number to all processes.

        Collective operations in a `tf.function` are matched by loop iteration, so all
        processes must call it with the same number of steps. That number depends on
        measured time, which differs between processes.

        Args:
          number: This process's number; only the chief's is used.

        Returns:
          The chief's number.
        """
        if self._is_alone:
            return number
        (agreed,) = self._broadcast([tf.constant(number, tf.int64)])
        return int(agreed)

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process; all processes must call this.

        Args:
          flag: Whether it is set in this process.
        """
        if self._is_alone:
            return flag
        return int(self._sum(tf.constant(int(flag), tf.int64))) > 0

    def copy_from_chief(self, state: Sequence[tf.Module | tf.Variable]) -> None:
        """Broadcasts the chief's state to all processes.

        Only the chief restores a checkpoint, so the other processes need not see the
        directory, or may see an outdated listing of it.

        Args:
          state: Objects whose checkpointed variables are copied; they must have the
            same variables in every process.
        """
        if self._is_alone:
            return
        variables = [
            node.value if isinstance(node, keras.Variable) else node
            for root in state
            for node in tf.train.TrackableView(root).descendants()
            if isinstance(node, (keras.Variable, tf.Variable))
        ]
        # Collective operations do not support unsigned integers.
        values = self._broadcast(
            [
                tf.cast(v, tf.int64) if v.dtype.is_integer else tf.convert_to_tensor(v)
                for v in variables
            ]
        )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(tf.cast(value, variable.dtype))

    def _from_first_replica(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        def share(values: list[tf.Tensor]) -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group == 0
            return [
                context.all_reduce(
                    tf.distribute.ReduceOp.SUM,
                    tf.where(is_first, value, tf.zeros_like(value)),
                )
                for value in values
            ]

        shared = self._strategy.run(share, (values,))
        return [self._strategy.experimental_local_results(v)[0] for v in shared]

    def _over_all_replicas(self, value: tf.Tensor) -> tf.Tensor:
        def share(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # Copied, because a tensor made outside the replicas is on none of their
            # devices.
            own = tf.identity(value)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        shared = self._strategy.run(share, (value,))
        return self._strategy.experimental_local_results(shared)[0]


@functools.cache
def team_of(strategy: tf.distribute.Strategy) -> Team:
    """Returns the team of a strategy, cached so that its functions are traced once."""
    return Team(strategy)


@contextlib.contextmanager
def working_directory(strategy: str, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Provides the directory to write to: only the chief's files are kept.

    All processes leave the block together: if the chief fails while it alone exports
    the model, the others fail too, and the whole job is restarted.

    Args:
      strategy: `train.strategy`.
      directory: Where the chief writes.

    Yields:
      That directory in the chief; in the other processes, whose output is suppressed
      meanwhile, a temporary directory that is removed at the end.

    Raises:
      RunError: If another process was lost.
    """
    process = cluster.find(strategy)
    if process is None:
        yield directory
        return
    with contextlib.ExitStack() as stack:
        if not process.is_chief:
            scratch = tempfile.TemporaryDirectory(prefix="msg-gan-")
            directory = pathlib.Path(stack.enter_context(scratch))
            stack.enter_context(console.silenced())
        try:
            yield directory
            team_of(_multi_worker()).agree(0)
        except _PEER_LOST as e:
            raise RunError(
                f"Process {process.name!r} lost another process in TF_CONFIG, which was"
                " stopped or cannot be reached; rerun the same command in all of them"
                " to resume from the last checkpoint."
            ) from e


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
