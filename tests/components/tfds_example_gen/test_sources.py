import functools
import hashlib
import http.server
import tempfile
import threading

import pytest
import tensorflow_datasets as tfds
import tiny_datasets
from tensorflow_datasets.core.download import checksums, downloader

from components.tfds_example_gen import sources
from msg_modules.common.errors import Interrupted, RunError

REFUSING_URL = "http://127.0.0.1:9/swatches.zip"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def web_dir(tmp_path):
    directory = tmp_path / "web"
    directory.mkdir()
    return directory


@pytest.fixture
def web_url(web_dir, monkeypatch):
    """Address under which the files of `web_dir` can be had."""
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(QuietHandler, directory=web_dir)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "tfds"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def garments(garments_dir):
    """A prepared dataset: 600 examples in `train`, 600 in `test`."""
    return sources.load_builder("garments", str(garments_dir))


@pytest.fixture
def swatches(swatches_dir):
    """A prepared dataset: 30 examples in `train`, 12 in `test`."""
    return sources.load_builder("swatches", str(swatches_dir))


def refusal(function, *args):
    with pytest.raises(RunError) as caught:
        function(*args)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def files_in(directory):
    return {p: p.stat().st_mtime_ns for p in directory.rglob("*") if p.is_file()}


# load_builder


@pytest.mark.parametrize(
    "name", ["swatches", "swatches:2.1.0", "swatches:2.*.*", "Swatches"]
)
def test_a_dataset_is_found_by_any_of_its_spellings(name, data_dir):
    builder = sources.load_builder(name, str(data_dir))

    assert builder.info.full_name == "swatches/2.1.0"
    assert not builder.is_prepared()


def test_loading_leaves_no_temporary_files(tmp_path, data_dir, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    assert not sources.load_builder("swatches", str(data_dir)).is_prepared()

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("fashion_mnits", "fashion_mnist"),
        ("fashion_mnits:3.0.1", "fashion_mnist"),
        ("garmets", "garments"),
        ("swatchs/large", "swatches"),
    ],
)
def test_a_typo_is_answered_with_the_name_that_was_meant(typo, meant, data_dir):
    message = refusal(sources.load_builder, typo, str(data_dir))

    assert f"no dataset {typo!r}" in message
    assert "Did you mean" in message
    assert meant in message


def test_a_name_like_no_other_gets_no_hint(data_dir):
    message = refusal(sources.load_builder, "qqqqzzzz", str(data_dir))

    assert message == "TFDS has no dataset 'qqqqzzzz'."


@pytest.mark.parametrize("name", ["", "a b!", "../swatches", "swatches/", "a:b:c"])
def test_a_name_that_is_none_is_refused(name, data_dir):
    assert repr(name) in refusal(sources.load_builder, name, str(data_dir))


def test_an_unknown_version_is_refused_with_those_there_are(data_dir):
    message = refusal(sources.load_builder, "swatches:9.9.9", str(data_dir))

    assert "'swatches:9.9.9'" in message
    assert "only: 2.1.0" in message


def test_an_unknown_config_is_refused(data_dir):
    message = refusal(sources.load_builder, "swatches/huge", str(data_dir))

    assert "'swatches/huge'" in message
    assert "BuilderConfig huge not found" in message


def test_a_data_dir_must_be_a_directory(tmp_path):
    file = tmp_path / "file"
    file.touch()

    for path in (file, file / "below", tmp_path / "missing"):
        message = refusal(sources.load_builder, "swatches", str(path))
        assert f"data.data_dir is {str(path)!r}" in message
        assert "create it, or use" in message
    assert not (tmp_path / "missing").exists()


def test_tfds_data_dir_must_be_a_directory(tmp_path, data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "missing"))

    message = refusal(sources.load_builder, "swatches", None)

    assert f"TFDS_DATA_DIR is {str(tmp_path / 'missing')!r}" in message
    # What the user names on the command line counts instead.
    assert sources.load_builder("swatches", str(data_dir)).name == "swatches"


def description_of(data_dir):
    return data_dir / "swatches" / "2.1.0" / "dataset_info.json"


@pytest.mark.parametrize(
    ("dataset", "content"),
    [
        ("swatches:2.1.0", None),
        ("swatches:2.1.0", '{"name": "swat'),
        ("swatches", '{"name": "swat'),
        ("swatches", ""),
    ],
)
def test_a_lost_or_cut_description_is_refused_with_a_remedy(
    dataset, content, swatches_dir
):
    description = description_of(swatches_dir)
    description.unlink()
    if content is not None:
        description.write_text(content)

    message = refusal(sources.load_builder, dataset, str(swatches_dir))

    assert f"{dataset!r}" in message
    assert "delete" in message
    assert str(swatches_dir) in message


# is_available


def test_a_prepared_dataset_is_available(swatches):
    assert sources.is_available(swatches)


def test_a_dataset_is_available_while_its_server_answers(
    web_dir, web_url, data_dir, monkeypatch
):
    url = f"{web_url}/swatches.zip"
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url_infos", {url: None})
    builder = sources.load_builder("remote_swatches", str(data_dir))

    assert not sources.is_available(builder)  # It answers 404.
    (web_dir / "swatches.zip").write_bytes(b"paint")
    assert sources.is_available(builder)


def test_a_dataset_is_available_from_a_server_that_refuses_to_tell_of_it(
    web_dir, web_url, data_dir, monkeypatch
):
    url = f"{web_url}/swatches.zip"
    (web_dir / "swatches.zip").write_bytes(b"paint")
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url_infos", {url: None})
    monkeypatch.setattr(QuietHandler, "do_HEAD", lambda self: self.send_error(403))
    builder = sources.load_builder("remote_swatches", str(data_dir))

    assert sources.is_available(builder)


def test_a_dataset_is_not_available_when_no_server_answers(data_dir, monkeypatch):
    infos = {REFUSING_URL: None}
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url_infos", infos)

    builder = sources.load_builder("remote_swatches", str(data_dir))

    assert not sources.is_available(builder)


def test_a_dataset_that_downloads_nothing_is_available(data_dir):
    builder = sources.load_builder("swatches", str(data_dir))

    assert sources.is_available(builder)


# prepare


def test_a_dataset_is_prepared_once(data_dir):
    sources.prepare(sources.load_builder("swatches", str(data_dir)))
    before = files_in(data_dir)

    builder = sources.load_builder("swatches", str(data_dir))
    sources.prepare(builder)

    assert builder.info.splits["train"].num_examples == tiny_datasets.SIZES["train"]
    assert before
    assert files_in(data_dir) == before


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt(), Interrupted(15)], ids=repr
)
def test_an_interrupted_preparation_is_done_again(interruption, data_dir, monkeypatch):
    brittle = tiny_datasets.BrittleSwatches
    monkeypatch.setattr(brittle, "interruption", interruption)
    builder = sources.load_builder("brittle_swatches", str(data_dir))
    with pytest.raises(type(interruption)):
        sources.prepare(builder)

    builder = sources.load_builder("brittle_swatches", str(data_dir))
    assert not builder.is_prepared()
    monkeypatch.setattr(brittle, "interruption", None)
    sources.prepare(builder)

    assert builder.info.splits["train"].num_examples == tiny_datasets.SIZES["train"]


@pytest.mark.parametrize("lost", ["the description", "everything"])
def test_what_is_not_prepared_in_full_is_refused_with_a_remedy(lost, swatches_dir):
    directory = description_of(swatches_dir).parent
    for path in directory.iterdir():
        if lost == "everything" or path == description_of(swatches_dir):
            path.unlink()
    builder = sources.load_builder("swatches", str(swatches_dir))

    message = refusal(sources.prepare, builder)

    assert f"delete {str(directory)!r}" in message


def test_a_refused_connection_says_how_to_do_without(data_dir, monkeypatch):
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)  # TFDS waits minutes else.
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url", REFUSING_URL)
    builder = sources.load_builder("remote_swatches", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert "remote_swatches/2.1.0 could not be downloaded" in message
    assert "--data.data-dir" in message
    assert "--data.dataset garments" in message


def test_a_missing_file_on_the_server_is_told_and_can_be_mended(
    web_dir, web_url, data_dir, monkeypatch
):
    url = f"{web_url}/swatches.zip"
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url", url)
    builder = sources.load_builder("remote_swatches", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert "remote_swatches/2.1.0 could not be downloaded" in message
    assert url in message
    assert "404" in message
    (web_dir / "swatches.zip").write_bytes(b"paint")
    sources.prepare(sources.load_builder("remote_swatches", str(data_dir)))


def wrong_download(web_dir, web_url, monkeypatch):
    """Serves another file than the dataset has the checksum of."""
    url = f"{web_url}/swatches.zip"
    (web_dir / "swatches.zip").write_bytes(b"Please log in to this network.")
    wanted = checksums.UrlInfo(
        size=5, checksum=hashlib.sha256(b"paint").hexdigest(), filename="swatches.zip"
    )
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url", url)
    monkeypatch.setattr(tiny_datasets.RemoteSwatches, "url_infos", {url: wanted})


def test_a_download_with_another_checksum_is_refused(
    web_dir, web_url, data_dir, monkeypatch
):
    wrong_download(web_dir, web_url, monkeypatch)
    builder = sources.load_builder("remote_swatches", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert "remote_swatches/2.1.0" in message
    assert "checksum" in message


def test_files_that_a_person_must_fetch_are_asked_for(data_dir):
    builder = sources.load_builder("manual_swatches", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert "manual_swatches/2.1.0" in message
    assert str(data_dir / "downloads" / "manual") in message


def test_a_directory_that_cannot_be_written_is_told():
    builder = sources.load_builder("swatches", "/proc")

    message = refusal(sources.prepare, builder)

    assert "swatches/2.1.0 could not be prepared in '/proc'" in message
    assert "--data.data-dir" in message


def test_the_directory_of_a_dataset_with_a_config_is_told(data_dir):
    (data_dir / "configured_swatches").touch()
    builder = sources.load_builder("configured_swatches/loud", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert f"could not be prepared in {str(data_dir)!r}" in message


def test_a_file_in_the_place_of_the_dataset_is_told_and_can_be_mended(data_dir):
    (data_dir / "swatches").touch()
    builder = sources.load_builder("swatches", str(data_dir))

    message = refusal(sources.prepare, builder)

    assert f"could not be prepared in {str(data_dir)!r}" in message
    assert "--data.data-dir" in message
    (data_dir / "swatches").unlink()
    sources.prepare(sources.load_builder("swatches", str(data_dir)))


# feature_keys


@pytest.mark.parametrize(
    ("dataset", "keys"),
    [
        ("garments", ("image", "label")),
        ("fashion_mnist", ("image", "label")),
        ("swatches", ("photo", "kind")),
        ("supervised_swatch_pairs", ("right", "kind")),
        ("weighed_swatches", ("photo", "kind")),
    ],
)
def test_the_image_and_the_label_are_found(dataset, keys, data_dir):
    builder = sources.load_builder(dataset, str(data_dir))

    assert sources.feature_keys(builder) == keys


def test_images_without_labels_are_known_as_such(data_dir):
    builder = sources.load_builder("unlabelled_swatches", str(data_dir))

    assert sources.feature_keys(builder) == ("photo", None)


def test_features_can_be_chosen(data_dir):
    pairs = sources.load_builder("swatch_pairs", str(data_dir))
    weighed = sources.load_builder("weighed_swatches", str(data_dir))

    assert sources.feature_keys(pairs, "left") == ("left", "kind")
    assert sources.feature_keys(weighed, None, "weight") == ("photo", "weight")


def test_among_several_images_one_must_be_chosen(data_dir):
    builder = sources.load_builder("swatch_pairs", str(data_dir))

    message = refusal(sources.feature_keys, builder)

    assert "swatch_pairs/2.1.0 has the image features ['left', 'right']" in message
    assert "--data.image-key" in message


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("sound", None), "data.image_key is 'sound', but the image features"),
        (("photo", "photo"), "data.label_key is 'photo', but the label features"),
    ],
)
def test_a_feature_that_is_none_is_refused(keys, words, data_dir):
    builder = sources.load_builder("weighed_swatches", str(data_dir))

    message = refusal(sources.feature_keys, builder, *keys)

    assert words in message
    assert "are ['kind', 'weight']" in message or "are ['photo']" in message


# resolve_splits


def resolve_split(builder, split, max_examples):
    return sources.resolve_splits(builder, [split], max_examples)[0]


@pytest.mark.parametrize(
    ("split", "resolved"),
    [
        ("train", "train[0:600]"),
        ("train[:90%]", "train[0:540]"),
        ("train[90%:]", "train[540:600]"),
        ("train[33%:67%]", "train[198:402]"),
        ("train[:60]", "train[0:60]"),
        ("train[-60:]", "train[540:600]"),
        ("train[:-60]", "train[0:540]"),
        ("train[-60:-20]", "train[540:580]"),
        ("train[-10%:]", "train[540:600]"),
        ("train[599:]", "train[599:600]"),
        ("train[:1shard]", "train[0:600]"),
        ("all", "train[0:600]+test[0:600]"),
        ("train+test", "train[0:600]+test[0:600]"),
        ("test[:20]+train[:50]", "test[0:20]+train[0:50]"),
        ("train[:0]+test[:20]", "test[0:20]"),
    ],
)
def test_a_slice_is_written_in_absolute_numbers(split, resolved, garments):
    assert resolve_split(garments, split, None) == resolved
    sizes = garments.info.splits
    assert sizes[resolved].num_examples == sizes[split].num_examples


@pytest.mark.parametrize(
    ("split", "max_examples", "resolved"),
    [
        ("train", 1, "train[0:1]"),
        ("train", 599, "train[0:599]"),
        ("train", 600, "train[0:600]"),
        ("train", 10_000, "train[0:600]"),
        ("train[100:]", 30, "train[100:130]"),
        ("train[-60:]", 20, "train[540:560]"),
        ("train[:50]+test[:20]", 20, "train[0:20]"),
        ("train[:50]+test[:20]", 50, "train[0:50]"),
        ("train[:50]+test[:20]", 60, "train[0:50]+test[0:10]"),
        ("train[:50]+test[:20]", 10_000, "train[0:50]+test[0:20]"),
        ("train[:2]+test[:2]+train[9:]", 5, "train[0:2]+test[0:2]+train[9:10]"),
        ("all", 700, "train[0:600]+test[0:100]"),
    ],
)
def test_the_first_examples_are_kept(split, max_examples, resolved, garments):
    assert resolve_split(garments, split, max_examples) == resolved


@pytest.mark.parametrize("max_examples", [None, 7])
@pytest.mark.parametrize("split", ["train[10%:-3]", "test[-5:]+train[20:25]", "all"])
def test_the_resolved_slice_holds_the_same_examples(split, max_examples, swatches):
    def photos(spec):
        raw = {"photo": tfds.decode.SkipDecoding()}
        dataset = swatches.as_dataset(split=spec, decoders=raw)
        return [example["photo"] for example in dataset.as_numpy_iterator()]

    resolved = resolve_split(swatches, split, max_examples)

    assert photos(resolved) == photos(split)[:max_examples]


def test_slices_by_shards_part_a_split(data_dir):
    builder = sources.load_builder("swatches", str(data_dir))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=4)
    )
    lengths = builder.info.splits["train"].shard_lengths
    cut = sum(lengths[:3])

    assert len(lengths) == 4
    first = resolve_split(builder, "train[:3shard]", None)
    last = resolve_split(builder, "train[-1shard:]", None)
    assert first == f"train[0:{cut}]"
    assert last == f"train[{cut}:{sum(lengths)}]"


@pytest.mark.parametrize(
    "split",
    [
        "valid",
        "train[",
        "train[5%%]",
        "train[::2]",
        "train[:0.5]",
        "train[half:]",
        "train[:101%]",
        "train[:601]",
        "train[601:]",
        "train[:5]+valid",
        "train test",
        "train+",
        "",
    ],
)
def test_what_is_no_split_is_refused_with_those_there_are(split, garments):
    message = refusal(resolve_split, garments, split, None)

    assert f"garments/2.0.0 has no split {split!r}" in message
    assert "its splits are test, train" in message
    assert "train[:90%]" in message


@pytest.mark.parametrize(
    "split", ["train[0:0]", "train[:0%]", "train[20:10]", "train[:0]+test[5:5]"]
)
def test_an_empty_slice_is_refused(split, garments):
    message = refusal(resolve_split, garments, split, None)

    assert f"The split {split!r} of garments/2.0.0 is empty" in message
    assert "larger slice" in message
