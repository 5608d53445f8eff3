"""Choosing where the replicas run, and keeping several processes together."""

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

# What a collective operation raises when a process that takes part is gone, has
# been started again, or does not answer.
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
        is `multi_worker` where `TF_CONFIG` names several processes.
      replicas: Replicas of `mirrored`; more than there are GPUs are put on as
        many logical CPU devices. None for one on each GPU.

    Returns:
      The strategy; for one device TensorFlow's default one, which costs nothing.

    Raises:
      ConfigError: If the replicas cannot be had.
      RunError: If the other processes cannot be joined.
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
    """One strategy for all trainings of a process on the same devices.

    Each new one numbers its collective operations from the start, and the
    runtime takes them for those of the one before.
    """
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker() -> tf.distribute.MultiWorkerMirroredStrategy:
    """One strategy for all trainings of a process; it waits for the others."""
    process = cluster.find("multi_worker")
    if process and process.is_chief and len(process.addresses) > 1:
        others = len(process.addresses) - 1
        console.say(f"  waiting for the {others} other process(es) of TF_CONFIG")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as e:
        raise ConfigError(
            "train.strategy is 'multi_worker' and this process has used TensorFlow"
            f" before ({e}); call configure_devices first."
        ) from e
    except tf.errors.OpError as e:
        raise RunError(
            f"The other processes of TF_CONFIG cannot be joined ({_first_line(e)});"
            " start all of them, and give the same command again."
        ) from e


@functools.cache
def _tpu() -> tf.distribute.TPUStrategy:
    """One strategy for a process: to connect again would reset the TPU."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as e:
        raise ConfigError(
            f"train.strategy is 'tpu' and no TPU was found ({_first_line(e)}); set"
            " TPU_NAME, to 'local' on the TPU's own machine, or use --train.strategy"
            " auto."
        ) from e
    return tf.distribute.TPUStrategy(resolver)


def configure_devices(strategy: str, replicas: int | None) -> None:
    """Divides the CPU into logical devices, or joins the other processes.

    TensorFlow lets this happen only before anything has run on a device: call
    it first in a process that trains later.

    Raises:
      ConfigError: If `mirrored` has neither GPUs nor a number of replicas, or
        `TF_CONFIG` does not fit the strategy.
      RunError: If the other processes cannot be joined.
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
            "train.strategy is 'mirrored' and this machine has no GPU; say how many"
            " replicas should share the CPU with --train.replicas."
        )


def _logical_cpus(replicas: int) -> tuple[str, ...]:
    devices = tf.config.list_logical_devices("CPU")
    if len(devices) < replicas:
        try:
            configure_devices("mirrored", replicas)
        except RuntimeError as e:
            raise ConfigError(
                f"train.replicas is {replicas} and the CPU was set up as"
                f" {len(devices)} device(s) before; call configure_devices first."
            ) from e
        devices = tf.config.list_logical_devices("CPU")
    return tuple(device.name for device in devices[:replicas])


class Team:
    """The processes that train together. To one alone it costs nothing.

    They run the same loop. What must not differ between them is the chief's: the
    state that the training begins with, and how many steps a call runs.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        """Looks at who takes part.

        Args:
          strategy: What `make_strategy` returns.
        """
        self._strategy = strategy
        self._is_alone = not isinstance(
            strategy, tf.distribute.MultiWorkerMirroredStrategy
        )
        self._broadcast = tf.function(self._from_first_replica)
        self._sum = tf.function(self._over_all_replicas)

    def agree(self, number: int) -> int:
        """Tells everybody the chief's number.

        The collective operations within a `tf.function` are matched by the turn of
        the loop they are in, so that all must call it with the same number of
        steps. It is measured with a clock, and clocks differ.

        Args:
          number: What this process would take; ignored but for the chief's.

        Returns:
          The chief's number.
        """
        if self._is_alone:
            return number
        (agreed,) = self._broadcast([tf.constant(number, tf.int64)])
        return int(agreed)

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in one of the processes; all must ask.

        Args:
          flag: Whether it is set in this one.
        """
        if self._is_alone:
            return flag
        return int(self._sum(tf.constant(int(flag), tf.int64))) > 0

    def copy_from_chief(self, state: Sequence[tf.Module | tf.Variable]) -> None:
        """Gives every process the chief's state.

        Only the chief reads a checkpoint. What another process sees of the
        directory, an older listing or nothing at all, then does not matter.

        Args:
          state: All variables that a checkpoint of these would hold are copied;
            they must be the same ones in every process.
        """
        if self._is_alone:
            return
        variables = [
            node.value if isinstance(node, keras.Variable) else node
            for root in state
            for node in tf.train.TrackableView(root).descendants()
            if isinstance(node, (keras.Variable, tf.Variable))
        ]
        # Collective operations take no unsigned integers.
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
            # A copy of its own: what no replica has made is on none of their devices.
            own = tf.identity(value)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        shared = self._strategy.run(share, (value,))
        return self._strategy.experimental_local_results(shared)[0]


@functools.cache
def team_of(strategy: tf.distribute.Strategy) -> Team:
    """The team of a strategy, one for all trainings: its functions are traced once."""
    return Team(strategy)


@contextlib.contextmanager
def working_directory(strategy: str, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Where this process writes: only the chief's files are kept.

    All processes leave together, so that none is missing when one fails in what it
    alone does at the end, and the whole job is started again.

    Args:
      strategy: `train.strategy`.
      directory: Where the chief writes.

    Yields:
      That directory; in the other processes, which say nothing meanwhile, scratch
      that is removed at the end.

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
                f"The {process.name} lost another process of TF_CONFIG, which was"
                " stopped or cannot be reached; give the same command again in all of"
                " them: training resumes from the last checkpoint."
            ) from e


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
