from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.common.errors import RunError
from msg_modules.data import reading
from msg_modules.data.batches import training_dataset
from msg_modules.data.examples import Examples
from msg_modules.data.image_spec import ImageSpec


def _numbered(num_images: int) -> Examples:
    """Images whose first pixels are the image's number, base 256."""
    images = np.zeros([num_images, 8, 8, 1], np.uint8)
    for place in range(3):
        images[:, 0, place, 0] = np.arange(num_images) // 256**place % 256
    return Examples(images, None, ImageSpec(8, 1, 2))


def _numbers(images: np.ndarray) -> list[int]:
    levels = np.rint((images[:, 0, :3, 0] + 1) * 127.5).astype(int)
    return (levels @ [1, 256, 256**2]).tolist()


def _stream(num_images: int, batches: int, **options: object) -> list[list[int]]:
    """Numbers of the images in the first batches of a stream."""
    settings = {"replica_batch_size": 4, "num_replicas": 1, "seed": 0, **options}
    stream = training_dataset(_numbered(num_images), **settings)
    return [
        _numbers(pyramid[-1]) for pyramid, _ in stream.take(batches).as_numpy_iterator()
    ]


def _flat(batches: Iterable[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(batches))


@pytest.mark.parametrize(("num_images", "batch"), [(12, 4), (10, 4), (7, 7), (1, 1)])
def test_every_epoch_holds_every_image_once(num_images: int, batch: int):
    epochs = 6
    batches = -(-epochs * num_images // batch)

    seen = _flat(_stream(num_images, batches, replica_batch_size=batch))

    for epoch in range(epochs):
        part = seen[epoch * num_images : (epoch + 1) * num_images]
        assert sorted(part) == list(range(num_images))


def test_every_epoch_has_an_order_of_its_own():
    seen = np.reshape(_flat(_stream(40, 50)), [5, 40])

    assert len({tuple(order) for order in seen}) == 5
    assert not np.any(np.all(seen == np.arange(40), axis=1))


def test_the_seed_decides_the_order():
    assert _stream(40, 20, seed=5) == _stream(40, 20, seed=5)
    assert _stream(40, 10, seed=5) != _stream(40, 10, seed=6)


def test_every_image_has_its_turn_at_the_beginning_of_an_epoch():
    # Each of 10 images is first in about 40 of 400 epochs; 6 deviations allowed.
    firsts = np.reshape(_flat(_stream(10, 1000)), [400, 10])[:, 0]

    counts = np.bincount(firsts, minlength=10)
    assert np.all(np.abs(counts - 40) < 6 * np.sqrt(400 * 0.1 * 0.9))


@pytest.mark.parametrize("num_images", [600, 60_000])
def test_an_order_has_no_pattern(num_images: int):
    # Of a random order, the steps from each image to the next are spread evenly:
    # about one of each length, and never 20 times the same one.
    stream = _stream(num_images, 3, replica_batch_size=num_images)

    for order in stream:
        assert sorted(order) == list(range(num_images))
        lengths = np.bincount(np.diff(order) % num_images)
        assert lengths.max() < 20


def test_images_that_meet_in_a_batch_are_parted_in_the_next_epoch():
    epochs = np.reshape(_flat(_stream(640, 200, replica_batch_size=64)), [20, 10, 64])

    met_again = [
        len(set(before[batch]) & set(after[batch]))
        for before, after in itertools.pairwise(epochs)
        for batch in range(10)
    ]

    # A tenth of 64 on average; the mean of 190 such counts varies by about 0.2.
    assert np.mean(met_again) == pytest.approx(6.4, abs=1.0)


@pytest.mark.parametrize("spec", [FASHION, ImageSpec(64, 3, 5)])
def test_batches_are_the_pyramids_of_their_images(spec: ImageSpec):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [10, spec.size, spec.size, spec.channels])
    examples = Examples(images.astype(np.uint8), None, spec)
    stream = training_dataset(examples, replica_batch_size=4, num_replicas=1, seed=0)

    for batch, _ in stream.take(6):
        assert [tuple(scale.shape) for scale in batch] == [
            (4, *shape) for shape in spec.shapes.values()
        ]
        levels = np.rint((batch[-1].numpy() + 1) * 127.5)
        indices = [
            int(np.flatnonzero((images == image).all(axis=(1, 2, 3))).item())
            for image in levels
        ]
        for scale, wanted in zip(batch, examples.pyramid(indices), strict=True):
            assert scale.dtype == tf.float32
            np.testing.assert_array_equal(scale.numpy(), wanted)


@pytest.mark.parametrize("replicas", [2, 4])
def test_replicas_see_in_each_step_what_one_replica_would(replicas: int):
    alone = _stream(30, 12, replica_batch_size=8, num_replicas=1)
    shared = _stream(
        30, 12 * replicas, replica_batch_size=8 // replicas, num_replicas=replicas
    )

    steps = [
        _flat(shared[step * replicas : (step + 1) * replicas]) for step in range(12)
    ]
    assert steps == alone


def test_input_pipelines_see_in_each_step_what_one_replica_would():
    alone = _stream(30, 12, replica_batch_size=8, num_replicas=1)
    # Two workers with two replicas each.
    workers = [
        _stream(
            30,
            24,
            replica_batch_size=2,
            num_replicas=4,
            context=tf.distribute.InputContext(
                num_input_pipelines=2, input_pipeline_id=worker, num_replicas_in_sync=4
            ),
        )
        for worker in range(2)
    ]

    steps = [
        _flat(batches[2 * step] + batches[2 * step + 1] for batches in workers)
        for step in range(12)
    ]
    assert steps == alone


def test_mirrored_replicas_get_the_batch_in_their_order():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    stream = iter(
        strategy.distribute_datasets_from_function(
            lambda context: training_dataset(
                _numbered(30),
                replica_batch_size=4,
                num_replicas=2,
                seed=0,
                context=context,
            )
        )
    )

    steps = []
    for _ in range(10):
        parts = strategy.experimental_local_results(next(stream)[0][-1])
        steps.append(_flat(_numbers(part.numpy()) for part in parts))
    assert steps == _stream(30, 10, replica_batch_size=8)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_stream_can_begin_at_any_step(replicas: int):
    options = {"replica_batch_size": 4, "num_replicas": replicas}

    whole = _stream(30, 20 * replicas, **options)

    for first in (1, 7, 19):
        rest = _stream(30, (20 - first) * replicas, first_step=first, **options)
        assert rest == whole[first * replicas :]


def test_a_stream_can_begin_after_billions_of_images():
    first = 2**33 // 4

    seen = _flat(_stream(20, 10, first_step=first))

    # An epoch begins 8 images later: 2**33 + 8 is a multiple of 20.
    assert (2**33 + 8) % 20 == 0
    assert sorted(seen[8:28]) == list(range(20))


def test_a_batch_may_hold_all_images():
    (batch,) = _stream(8, 1, replica_batch_size=8)
    assert sorted(batch) == list(range(8))


@pytest.mark.parametrize(
    ("batch", "replicas", "wanted"), [(11, 1, 10), (6, 2, 5), (4, 20, 1)]
)
def test_a_batch_beyond_the_images_is_refused_with_the_numbers(
    batch: int, replicas: int, wanted: int
):
    with pytest.raises(RunError) as caught:
        training_dataset(
            _numbered(10), replica_batch_size=batch, num_replicas=replicas, seed=0
        )

    message = str(caught.value)
    assert f"train.batch_size is {batch} on {replicas} replica(s)" in message
    assert "10 training images" in message
    assert f"--train.batch-size {wanted} " in message


def test_classes_are_those_of_the_images():
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones(
        [1, 28, 28, 1], np.uint8
    )
    labels = np.arange(10) % 3
    stream = training_dataset(
        Examples(images, labels, FASHION),
        replica_batch_size=4,
        num_replicas=1,
        seed=0,
        num_classes=3,
    )

    for pyramid, classes in stream.take(5).as_numpy_iterator():
        numbers = np.rint((pyramid[-1][:, 0, 0, 0] + 1) * 127.5).astype(int)
        np.testing.assert_array_equal(classes, np.eye(3)[labels[numbers]])


def test_examples_are_read_as_they_were_written(
    tmp_path: pathlib.Path, make_examples: Callable, write_examples: Callable
):
    # More than one file, and more examples than are parsed at once.
    wanted = make_examples(1100)
    pyramids = wanted.pyramid(slice(None))
    write_examples(tmp_path / "part-0.gz", [scale[:300] for scale in pyramids])
    write_examples(tmp_path / "part-1.gz", [scale[300:] for scale in pyramids])

    read = reading.load_examples(str(tmp_path / "part-*"))

    assert read.spec == FASHION
    assert read.images.dtype == np.uint8
    np.testing.assert_array_equal(read.images, wanted.images)
    np.testing.assert_array_equal(read.labels, np.zeros(1100, np.int64))
    for scale, written in zip(read.pyramid(slice(None)), pyramids, strict=True):
        np.testing.assert_array_equal(scale, written)


def test_several_patterns_are_read_in_the_order_of_the_names(
    tmp_path: pathlib.Path, make_examples: Callable, write_examples: Callable
):
    wanted = make_examples(5)
    for name, part in (("b", slice(3, None)), ("a", slice(3))):
        write_examples(tmp_path / name / "part.gz", wanted.pyramid(part))
    patterns = [str(tmp_path / "b/*"), str(tmp_path / "a/*")]

    read = reading.load_examples(patterns)

    np.testing.assert_array_equal(read.images, wanted.images)
    first = reading.load_examples(patterns, max_examples=4)
    np.testing.assert_array_equal(first.images, wanted.images[:4])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-40],
        lambda content: content[:200] + b"\0" * 50 + content[250:],
        lambda content: b"no gzip at all" + content,
    ],
    ids=["half", "end-cut", "zeros-inside", "not-gzip"],
)
def test_a_damaged_file_is_named(
    tmp_path: pathlib.Path,
    make_examples: Callable,
    write_examples: Callable,
    damage: Callable[[bytes], bytes],
):
    path = tmp_path / "part.gz"
    write_examples(path, make_examples(10).pyramid(slice(None)))
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(RunError, match="cannot be read") as caught:
        reading.load_examples(str(tmp_path / "*"))

    assert str(tmp_path) in str(caught.value)


def test_examples_without_the_pyramid_are_refused(tmp_path: pathlib.Path):
    with tf.io.TFRecordWriter(str(tmp_path / "part.gz"), "GZIP") as writer:
        writer.write(tf.train.Example().SerializeToString())

    with pytest.raises(RunError, match="cannot be read"):
        reading.load_examples(str(tmp_path / "*"))


@pytest.mark.parametrize("with_empty_file", [False, True])
def test_no_examples_are_told(
    tmp_path: pathlib.Path, write_examples: Callable, with_empty_file: bool
):
    if with_empty_file:
        write_examples(tmp_path / "part.gz", [np.zeros([0, 1])] * 3)

    with pytest.raises(RunError, match="no transformed examples") as caught:
        reading.load_examples(str(tmp_path / "*"))

    assert str(tmp_path) in str(caught.value)
