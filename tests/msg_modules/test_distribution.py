from __future__ import annotations

import pytest
import tensorflow as tf

from msg_modules import distribution
from msg_modules.errors import ConfigError

no_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU"
)


@pytest.mark.parametrize("name", ["one_device", pytest.param("auto", marks=no_gpu)])
def test_one_device_is_one_replica(name: str):
    strategy = distribution.make_strategy(name, None)

    assert strategy.num_replicas_in_sync == 1
    assert strategy is tf.distribute.get_strategy()


@no_gpu
def test_mirrored_replicas_run_on_logical_cpus():
    strategy = distribution.make_strategy("mirrored", 2)

    assert strategy.num_replicas_in_sync == 2

    @tf.function
    def devices() -> tuple[tf.Tensor, ...]:
        return strategy.experimental_local_results(
            strategy.run(
                lambda: tf.distribute.get_replica_context().replica_id_in_sync_group
            )
        )

    assert [int(replica) for replica in devices()] == [0, 1]


@no_gpu
def test_mirrored_without_gpu_asks_for_the_number_of_replicas():
    with pytest.raises(ConfigError, match=r"no GPU.*--train\.replicas"):
        distribution.make_strategy("mirrored", None)


@no_gpu
def test_more_replicas_than_the_process_was_set_up_for_are_refused():
    tf.zeros([])  # From now on devices are fixed.

    with pytest.raises(ConfigError, match=r"train\.replicas is 5.*2 device"):
        distribution.make_strategy("mirrored", 5)


@no_gpu
def test_trainings_of_one_process_share_their_strategy():
    # Collectives that clash break the process: the strategies are only compared.
    first = distribution.make_strategy("mirrored", 2)

    assert distribution.make_strategy("mirrored", 2) is first
