"""Choosing where the replicas run."""

from __future__ import annotations

import functools

import tensorflow as tf

from msg_modules.errors import ConfigError


def make_strategy(strategy: str, replicas: int | None) -> tf.distribute.Strategy:
    """Creates the distribution strategy.

    Args:
      strategy: `auto`, `one_device` or `mirrored`.
      replicas: Replicas of `mirrored`; more than there are GPUs are put on as
        many logical CPU devices. None for one on each GPU.

    Returns:
      The strategy; for one device TensorFlow's default one, which costs nothing.

    Raises:
      ConfigError: If the replicas cannot be had.
    """
    _check_replicas(strategy, replicas)
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


def configure_devices(strategy: str, replicas: int | None) -> None:
    """Divides the CPU into logical devices, if the replicas need them.

    TensorFlow lets this happen only before anything has run on a device: call
    it first in a process that trains later.

    Raises:
      ConfigError: If `mirrored` has neither GPUs nor a number of replicas.
    """
    _check_replicas(strategy, replicas)
    if strategy == "mirrored" and replicas is not None:
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
            " replicas shall share the CPU with --train.replicas."
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
