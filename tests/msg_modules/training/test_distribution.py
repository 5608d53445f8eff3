from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable

import pytest
import tensorflow as tf

from msg_modules.common.errors import ConfigError
from msg_modules.training import distribution

no_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU"
)

no_tpu = pytest.mark.skipif("TPU_NAME" in os.environ, reason="this machine has a TPU")

ONE_WORKER = json.dumps(
    {"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}
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


@no_tpu
@pytest.mark.parametrize("name", [None, "local", "no-such-tpu"])
def test_tpu_where_there_is_none_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, name: str | None
):
    monkeypatch.delenv("TPU_NAME", raising=False)
    if name:
        monkeypatch.setenv("TPU_NAME", name)

    with pytest.raises(ConfigError, match=r"no TPU was found.*TPU_NAME.*auto") as e:
        distribution.make_strategy("tpu", None)

    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "function", [distribution.make_strategy, distribution.configure_devices]
)
def test_multi_worker_needs_a_tf_config(
    monkeypatch: pytest.MonkeyPatch, function: Callable
):
    monkeypatch.delenv("TF_CONFIG", raising=False)

    with pytest.raises(ConfigError, match="TF_CONFIG is not set"):
        function("multi_worker", None)


def test_a_process_that_has_used_tensorflow_cannot_join_others(
    monkeypatch: pytest.MonkeyPatch,
):
    tf.zeros([])
    monkeypatch.setenv("TF_CONFIG", ONE_WORKER)

    with pytest.raises(ConfigError, match="has already used TensorFlow"):
        distribution.make_strategy("multi_worker", None)


def test_alone_a_process_writes_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
):
    monkeypatch.delenv("TF_CONFIG", raising=False)

    with distribution.working_directory("auto", tmp_path) as directory:
        assert directory == tmp_path


@no_gpu
def test_alone_a_process_agrees_with_itself():
    team = distribution.team_of(distribution.make_strategy("mirrored", 2))

    assert team.agree(7) == 7
