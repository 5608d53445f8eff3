import io
import pathlib
import shutil
from collections import Counter

import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import tiny_datasets
from specs import FASHION
from tensorflow_datasets.core.download import downloader
from tfx.types import artifact_utils

from components.tfds_example_gen import component, executor
from components.tfds_example_gen.configs import DataConfig
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.data import preprocessing
from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.data.image_spec import ImageSpec


def ingested(examples):
    """The images and labels of `tf.Example`s, with how often each occurs."""
    return Counter(
        (
            example.features.feature["image"].bytes_list.value[0],
            example.features.feature["label"].int64_list.value[0],
        )
        for example in examples
    )


def stored(dataset, data_dir, split, keys=("image", "label")):
    """The same as TFDS itself reads it."""
    image, label = keys
    builder = tfds.builder(dataset, data_dir=data_dir)
    elements = builder.as_dataset(
        split=split, decoders={image: tfds.decode.SkipDecoding()}
    )
    return Counter(
        (element[image], int(element[label]))
        for element in elements.as_numpy_iterator()
    )


def label_of(example):
    return example.features.feature["label"].int64_list.value[0]


def label_names_of(example):
    return [
        name.decode()
        for name in example.features.feature["label_name"].bytes_list.value
    ]


def refusal(ingest, *args, **kwargs):
    with pytest.raises((ConfigError, RunError)) as caught:
        ingest(*args, **kwargs)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def assert_ingests(ingest, data_dir, dataset="swatches"):
    """A run with the same executor and directory goes well."""
    examples = ingest(dataset, data_dir, max_examples=4)
    assert examples.get_int_custom_property("train_num_examples") == 4


# What arrives


def test_every_example_arrives_once_in_its_split(ingest, read_split, garments_dir):
    examples = ingest("garments", garments_dir)

    for split, tfds_split in (("train", "train"), ("eval", "test")):
        arrived = ingested(read_split(examples, split))
        assert arrived.total() == 600
        assert arrived == stored("garments", garments_dir, tfds_split)


def test_an_example_is_an_encoded_image_and_a_label_and_its_name(
    ingest, read_split, garments_dir
):
    names = tfds.builder("garments", data_dir=garments_dir).info.features["label"].names

    examples = read_split(ingest("garments", garments_dir, max_examples=40), "train")

    assert len({label_of(example) for example in examples}) == 10
    for example in examples:
        feature = example.features.feature
        assert feature.keys() == {"image", "label", "label_name"}
        assert {len(f.bytes_list.value) for f in feature.values()} == {0, 1}
        assert feature["image"].bytes_list.value[0].startswith(b"\x89PNG")
        assert label_names_of(example) == [names[label_of(example)]]


def test_slices_of_one_split_are_disjoint_and_complete(
    ingest, read_split, garments_dir
):
    examples = ingest("garments", garments_dir, "train[:90%]", "train[90%:]")

    train = ingested(read_split(examples, "train"))
    evaluation = ingested(read_split(examples, "eval"))
    assert (train.total(), evaluation.total()) == (540, 60)
    assert not train & evaluation
    assert train + evaluation == stored("garments", garments_dir, "train")


def test_max_examples_keeps_the_first_of_each_split(ingest, read_split, garments_dir):
    examples = ingest("garments", garments_dir, "train", "test[:20]", max_examples=25)

    train = ingested(read_split(examples, "train"))
    evaluation = ingested(read_split(examples, "eval"))
    assert train == stored("garments", garments_dir, "train[:25]")
    assert evaluation == stored("garments", garments_dir, "test[:20]")


def test_slices_can_be_added(ingest, read_split, garments_dir):
    spec = "train[:50]+test[:20]"

    examples = ingest("garments", garments_dir, spec, "test[20:]")

    train = ingested(read_split(examples, "train"))
    assert train.total() == 70
    assert train == stored("garments", garments_dir, spec)


def test_chunks_that_cut_through_a_shard_lose_nothing(
    ingest, read_split, garments_dir, monkeypatch
):
    monkeypatch.setattr(executor, "_CHUNK_SIZE", 70)
    spec = "train[7:]+test[3:150]"

    held_out = "test[150:]"

    examples = ingest("garments", garments_dir, spec, held_out)

    train = ingested(read_split(examples, "train"))
    assert train == stored("garments", garments_dir, spec)
    assert ingested(read_split(examples, "eval")) == stored(
        "garments", garments_dir, held_out
    )


@pytest.mark.slow
def test_chunks_over_several_shards_lose_nothing(
    ingest, read_split, tmp_path, monkeypatch
):
    monkeypatch.setattr(executor, "_CHUNK_SIZE", 9)
    builder = tfds.builder("swatches", data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=4)
    )
    assert len(builder.info.splits["train"].shard_lengths) == 4

    examples = ingest("swatches", tmp_path)

    assert ingested(read_split(examples, "train")) == stored(
        "swatches", tmp_path, "train", ("photo", "kind")
    )


def test_the_artifact_tells_which_data_it_holds(ingest, garments_dir):
    examples = ingest("garments:2.0.0", garments_dir, "train[:90%]", "train[-50:]", 100)

    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval"]
    text = examples.get_string_custom_property
    assert text("payload_format") == "FORMAT_TF_EXAMPLE"
    assert text("dataset") == "garments"
    assert text("dataset_version") == "2.0.0"
    assert text("train_split") == "train[0:100]"
    assert text("eval_split") == "train[550:600]"
    assert examples.get_int_custom_property("train_num_examples") == 100
    assert examples.get_int_custom_property("eval_num_examples") == 50


def test_the_artifact_tells_what_was_settled(ingest, tmp_path):
    examples = ingest("named_swatches", tmp_path)

    assert DatasetSpec.of(examples) == DatasetSpec(
        name="named_swatches:2.1.0",
        images=ImageSpec(24, 3, 3),
        preparation="24x24 RGB at 6, 12, 24 pixels; cropped to the centre square from"
        " 24x32",
        num_classes=3,
        class_names=("calm", "loud", "écru"),
    )


def test_another_schema_does_not_ingest_again():
    properties = [
        component.TfdsExampleGen(DataConfig(schema=schema)).exec_properties
        for schema in (None, "other.pbtxt")
    ]

    assert properties[0] == properties[1]


# Other datasets


def test_colour_images_of_another_size_arrive_as_they_are(
    ingest, read_split, swatches_dir
):
    examples = read_split(ingest("swatches:2.1.0", swatches_dir), "train")

    assert ingested(examples) == stored(
        "swatches", swatches_dir, "train", ("photo", "kind")
    )
    photo = PIL.Image.open(
        io.BytesIO(examples[0].features.feature["image"].bytes_list.value[0])
    )
    assert photo.format == "JPEG"
    assert photo.mode == "RGB"
    assert photo.size == (tiny_datasets.WIDTH, tiny_datasets.HEIGHT)


def test_a_dataset_is_prepared_when_it_is_not(ingest, read_split, tmp_path):
    examples = ingest("swatches", tmp_path)

    assert len(read_split(examples, "train")) == tiny_datasets.SIZES["train"]
    assert len(read_split(examples, "eval")) == tiny_datasets.SIZES["test"]
    assert tfds.builder("swatches", data_dir=tmp_path).is_prepared()


def test_only_an_example_with_a_class_gets_the_name_of_it(ingest, read_split, tmp_path):
    examples = read_split(ingest("named_swatches", tmp_path), "train")

    names = Counter((label_of(e), *label_names_of(e)) for e in examples)
    assert names == {(-1,): 1, (0, "calm"): 9, (1, "loud"): 10, (2, "écru"): 10}


def test_a_label_without_names_arrives_as_a_number(ingest, read_split, tmp_path):
    artifact = ingest("spoken_swatches", tmp_path, label_key="number", num_classes=3)
    examples = read_split(artifact, "train")

    assert Counter(map(label_of, examples)) == {0: 10, 1: 10, 2: 10}
    assert not any(map(label_names_of, examples))
    assert DatasetSpec.of(artifact).label_names == ("0", "1", "2")


def test_the_supervised_keys_choose_between_two_images(ingest, read_split, tmp_path):
    examples = read_split(ingest("supervised_swatch_pairs", tmp_path), "train")

    assert ingested(examples) == stored(
        "supervised_swatch_pairs", tmp_path, "train", ("right", "kind")
    )


def test_images_without_labels_arrive_alone(ingest, read_split, tmp_path):
    examples = read_split(ingest("unlabelled_swatches", tmp_path), "train")

    assert len(examples) == tiny_datasets.SIZES["train"]
    for example in examples:
        assert example.features.feature.keys() == {"image"}


def test_a_dataset_with_two_images_and_no_choice_is_refused(ingest, tmp_path):
    message = refusal(ingest, "swatch_pairs", tmp_path)

    assert "swatch_pairs/2.1.0 has the image features ['left', 'right']" in message
    assert_ingests(ingest, tmp_path)


def test_the_wrong_kind_of_dataset_is_not_to_be_prepared_again(ingest, tmp_path):
    message = refusal(ingest, "swatch_pairs", tmp_path)

    assert "delete" not in message


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"dataset": "fashion_mnits"}, ["'fashion_mnits'", "Did you mean fashion_mn"]),
        ({"dataset": "swatches:9.9.9"}, ["'swatches:9.9.9'", "only: 2.1.0"]),
        ({"train_split": "valid"}, ["'valid'", "its splits are test, train"]),
        ({"eval_split": "test[:"}, ["'test[:'", "such as train[:90%]"]),
        ({"train_split": "train[:99]"}, ["'train[:99]'", "30 examples"]),
        ({"eval_split": "test[5:5]"}, ["'test[5:5]'", "choose a larger slice"]),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_wrong_argument_is_refused_and_a_right_one_then_works(
    arguments, expected, ingest, swatches_dir
):
    message = refusal(
        ingest, **{"dataset": "swatches", "data_dir": swatches_dir, **arguments}
    )

    for part in expected:
        assert part in message
    assert_ingests(ingest, swatches_dir)


@pytest.mark.parametrize("where", ["data_dir", "TFDS_DATA_DIR"])
def test_a_directory_that_is_none_is_refused_until_it_is_there(
    where, ingest, tmp_path, swatches_dir, monkeypatch
):
    path = tmp_path / "elsewhere"
    path.touch()
    if where == "TFDS_DATA_DIR":
        monkeypatch.setenv(where, str(path))

    message = refusal(ingest, "swatches", path if where == "data_dir" else None)

    assert f"{where} is {str(path)!r}, which is not a directory" in message
    assert "create it, or use" in message
    path.unlink()
    shutil.copytree(swatches_dir, path)
    assert_ingests(ingest, path)


def test_a_data_dir_that_cannot_be_written_is_refused(ingest, swatches_dir):
    message = refusal(ingest, "swatches", "/proc")

    assert "swatches/2.1.0 could not be prepared in '/proc'" in message
    assert "set --data.data-dir to a writable directory" in message
    assert_ingests(ingest, swatches_dir)


def test_a_dataset_that_cannot_be_downloaded_is_refused(
    ingest, swatches_dir, monkeypatch
):
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)  # TFDS waits minutes else.
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url", "http://127.0.0.1:9/a.zip")

    message = refusal(ingest, "remote_swatches", swatches_dir)

    assert "remote_swatches/2.1.0 could not be downloaded" in message
    assert "--data.data-dir" in message
    assert_ingests(ingest, swatches_dir)


# Broken files


def encode(mode, kind, **options):
    image = PIL.Image.effect_noise((24, 32), 60).convert("RGB").convert(mode)
    with io.BytesIO() as buffer:
        image.save(buffer, kind, **options)
        return buffer.getvalue()


def put_first(shard, images):
    """Replaces the first images of a shard."""
    records = tiny_datasets.read_records(shard)
    for place, image in enumerate(images):
        example = tf.train.Example.FromString(records[place])
        example.features.feature["photo"].bytes_list.value[0] = image
        records[place] = example.SerializeToString()
    tiny_datasets.write_records(shard, records)


def cut_inside_a_record(shard):
    shard.write_bytes(shard.read_bytes()[:-100])


def cut_between_records(shard):
    tiny_datasets.write_records(shard, tiny_datasets.read_records(shard)[:-4])


def write_every_record_twice(shard):
    tiny_datasets.write_records(shard, tiny_datasets.read_records(shard) * 2)


def flip_a_byte(shard):
    content = bytearray(shard.read_bytes())
    content[500] ^= 0xFF
    shard.write_bytes(content)


def drop_the_labels(shard):
    records = []
    for record in tiny_datasets.read_records(shard):
        example = tf.train.Example.FromString(record)
        del example.features.feature["kind"]
        records.append(example.SerializeToString())
    tiny_datasets.write_records(shard, records)


def break_an_image(shard):
    put_first(shard, [b"no image at all"])


def break_the_second_image(shard):
    put_first(shard, [encode("RGB", "png"), b"no image"])


def cut_an_image(shard):
    put_first(shard, [encode("RGB", "png")[:-100]])


def empty_an_image(shard):
    put_first(shard, [b""])


def shard_of(data_dir, split):
    directory = pathlib.Path(data_dir) / "swatches" / "2.1.0"
    return directory / f"swatches-{split}.tfrecord-00000-of-00001"


@pytest.mark.parametrize(
    ("damage", "split", "complaint"),
    [
        (pathlib.Path.unlink, "train", "No such file"),
        (cut_inside_a_record, "train", "truncated record"),
        (write_every_record_twice, "train", "contain 30 elements but"),
        (drop_the_labels, "train", "kind"),
        (
            break_the_second_image,
            "train",
            "label 0 and 8 bytes cannot be decoded as PNG or JPEG (Unknown image",
        ),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (
                    cut_between_records,
                    "train",
                    "contain 30 elements but contained only 26",
                ),
                (flip_a_byte, "train", "corrupted record"),
                (break_an_image, "train", "label 1 and 15 bytes"),
                (break_an_image, "test", "image of split 'eval'"),
                (cut_an_image, "train", "decode"),
                (empty_an_image, "train", "and 0 bytes"),
            )
        ),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_broken_data_ends_the_run_and_the_remedy_mends_it(
    damage, split, complaint, ingest, swatches_dir
):
    shard = shard_of(swatches_dir, split)
    damage(shard)

    message = refusal(ingest, "swatches", swatches_dir)

    assert "swatches/2.1.0 could not be read" in message
    assert complaint in message
    assert f"delete {str(shard.parent)!r}" in message
    shutil.rmtree(shard.parent)
    assert_ingests(ingest, swatches_dir)


@pytest.mark.parametrize("dataset", ["swatches", "swatches:2.1.0"])
def test_half_prepared_data_ends_the_run_and_the_remedy_mends_it(
    dataset, ingest, swatches_dir
):
    directory = shard_of(swatches_dir, "train").parent
    (directory / "dataset_info.json").unlink()

    message = refusal(ingest, dataset, swatches_dir)

    assert "delete" in message
    assert str(swatches_dir) in message
    shutil.rmtree(directory)
    assert_ingests(ingest, swatches_dir)


def test_broken_data_outside_of_the_slice_does_no_harm(ingest, swatches_dir):
    cut_between_records(shard_of(swatches_dir, "test"))

    examples = ingest("swatches", swatches_dir, "train[:20]", "train[20:]")

    assert examples.get_int_custom_property("eval_num_examples") == 10


def test_a_message_on_broken_files_names_no_graph_node(ingest, swatches_dir):
    cut_inside_a_record(shard_of(swatches_dir, "train"))

    assert "{{" not in refusal(ingest, "swatches", swatches_dir)


def test_a_message_on_a_broken_image_names_no_python_object(ingest, swatches_dir):
    break_an_image(shard_of(swatches_dir, "train"))

    assert "0x" not in refusal(ingest, "swatches", swatches_dir)


# What Transform will meet


def _decode_later(images: list[bytes]) -> None:
    preparation = preprocessing.Preparation(FASHION, "crop", (0, 0, 0))
    preprocessing.decode_images(tf.constant(images), preparation)


def test_every_kind_of_png_and_jpeg_can_be_decoded_later(
    ingest, read_split, swatches_dir
):
    kinds = [
        *(encode(mode, "png") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
        *(encode(mode, "jpeg") for mode in ("RGB", "L")),
        encode("RGB", "jpeg", progressive=True),
        encode("RGB", "png") + b"and more",
    ]
    put_first(shard_of(swatches_dir, "train"), kinds)

    examples = ingest("swatches", swatches_dir, max_examples=len(kinds))

    images = [image for image, _ in ingested(read_split(examples, "train"))]
    assert sorted(images) == sorted(kinds)
    _decode_later(images)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(encode("RGB", "png")[:-12], id="png-without-end"),
        pytest.param(encode("CMYK", "jpeg"), id="cmyk-jpeg"),
        pytest.param(encode("RGB", "bmp"), id="bmp"),
        pytest.param(encode("RGB", "webp"), id="webp"),
    ],
)
def test_an_image_that_cannot_be_decoded_later_is_refused(
    image, ingest, read_split, swatches_dir
):
    put_first(shard_of(swatches_dir, "train"), [image])

    try:
        ingest("swatches", swatches_dir, max_examples=1)
    except RunError as refused:
        assert "decode" in str(refused)
    else:
        _decode_later([image])
