"""What the Pusher leaves in the serving directory, also when it is started again."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
from specs import FASHION
from tfx.dsl.components.base import base_executor
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.card_pusher import executor
from msg_modules import cli
from msg_modules.common.errors import RunError
from msg_modules.gan import networks
from msg_modules.generator import export
from msg_modules.generator.sampling import Generator, load_generator
from msg_modules.generator.saved_models import content_hash


class Push:
    """A Pusher with a model of two files."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.serving = directory / "serving"
        self.write("weights")

    def write(self, weights: str) -> None:
        """Trains another model, so to say."""
        exported = self.directory / "model" / "Format-Serving"
        (exported / "variables").mkdir(parents=True, exist_ok=True)
        (exported / "variables" / "data").write_text(weights)
        (exported / "saved_model.pb").write_text("graph")
        self.use("model", weights)

    def export(self, seed: int, name: str = "") -> Generator:
        """Exports a generator, as if it were trained, to be pushed with `use`."""
        keras.utils.set_random_seed(seed)
        network, _ = networks.build("compact", 8, FASHION)
        exported = self.directory / (name or f"exported-{seed}") / "Format-Serving"
        export.export(network, 8, str(exported), training=(f"training{seed}", 4))
        return load_generator(exported)

    def use(self, name: str, weights: str = "") -> None:
        """Chooses the model that is pushed next."""
        self.model = standard_artifacts.Model()
        self.model.uri = str(self.directory / name)
        self.exported = self.directory / name / "Format-Serving"
        self.blessing = standard_artifacts.ModelBlessing()
        self.blessing.uri = str(self.directory / "blessing")
        self.blessing.set_int_custom_property("blessed", 1)
        self.blessing.set_string_custom_property(
            "judged_hash", content_hash(self.exported)
        )
        (self.directory / "blessing").mkdir(exist_ok=True)
        (self.directory / "blessing" / "README.md").write_text(f"card of {weights}")

    def run(self, serving_dir: str | None = None) -> standard_artifacts.PushedModel:
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(self.directory / "pushed")
        destination = pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=serving_dir or str(self.serving)
            )
        )
        context = base_executor.BaseExecutor.Context(
            tmp_dir=str(self.directory / "tmp"), unique_id="1"
        )
        executor.Executor(context).Do(
            {"model": [self.model], "model_blessing": [self.blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        return pushed

    def served(self) -> tuple[str, dict[str, str]]:
        """The newest version and its files."""
        content = self.content()
        newest = max((name for name in content if name.isdecimal()), key=int)
        return newest, content[newest]

    def content(self) -> dict[str, dict[str, str]]:
        """The files of all that lies in the serving directory."""
        return {
            version.name: {
                str(p.relative_to(version)): p.read_text()
                for p in version.rglob("*")
                if p.is_file()
            }
            for version in self.serving.iterdir()
        }


def _files(weights: str) -> dict[str, str]:
    return {
        "saved_model.pb": "graph",
        "variables/data": weights,
        "README.md": f"card of {weights}",
    }


@pytest.fixture
def push(tmp_path: pathlib.Path) -> Push:
    return Push(tmp_path)


def test_a_push_done_again_makes_no_second_version(push: Push) -> None:
    first, again = push.run(), push.run()
    ((version, files),) = push.content().items()
    assert files == _files("weights")
    for pushed in (first, again):
        assert pushed.get_string_custom_property("pushed_version") == version
        destination = pushed.get_string_custom_property("pushed_destination")
        assert destination == str(push.serving / version)


def test_each_other_model_gets_a_larger_version_at_once(push: Push) -> None:
    for weights in ("weights", "better", "weights"):
        push.write(weights)
        push.run()  # In the same second, most likely.
    content = push.content()
    in_order = [content[name] for name in sorted(content, key=int)]
    assert in_order == [_files("weights"), _files("better"), _files("weights")]


def test_a_push_after_a_rollback_is_served_under_a_number_of_its_own(
    push: Push,
) -> None:
    push.run()
    push.write("worse")
    # Pushed by a machine whose clock is ahead.
    version = push.serving / push.run().get_string_custom_property("pushed_version")
    version.rename(push.serving / "5000000000")
    rollback = ["rollback", "--serving-dir", str(push.serving)]
    assert cli.main(rollback) == 0

    push.write("better")
    push.run()

    assert push.served() == ("5000000001", _files("better"))
    # Also if it is the one that was rolled back: it was asked for again.
    assert cli.main(rollback) == 0
    push.run()
    assert push.served() == ("5000000002", _files("better"))
    # What is served already is not pushed again.
    assert cli.main([*rollback, "--to", "5000000000"]) == 0
    push.write("worse")
    push.run()
    assert push.served() == ("5000000000", _files("worse"))


def test_a_push_beside_one_that_is_half_there_gets_a_number_of_its_own(
    push: Push,
) -> None:
    (push.serving / "5000000000").mkdir(parents=True)
    push.run()
    assert push.served() == ("5000000001", _files("weights"))


@pytest.mark.slow
def test_a_server_follows_rollbacks_and_the_next_push(push: Push) -> None:
    pytest.importorskip("fastapi")
    from server_process import Server

    def images(generator: Generator) -> np.ndarray:
        return generator.sample(2, seed=5)[0]

    def answer() -> np.ndarray:
        body = {"signature_name": "sample", "inputs": {"num_images": 2, "seed": 5}}
        return np.array(server.predict(**body).json()["outputs"]["image_7"])

    models, versions = [], []
    for seed in range(3):
        models.append(push.export(seed))
    for seed in range(2):
        push.use(f"exported-{seed}")
        versions.append(push.run().get_string_custom_property("pushed_version"))
    rollback = ["rollback", "--serving-dir", str(push.serving)]
    server = Server(push.serving)
    try:
        assert server.version == versions[1]
        with server.sampled():
            assert cli.main(rollback) == 0
            server.wait_for(versions[0])
            np.testing.assert_allclose(answer(), images(models[0]), atol=1e-5)
            assert cli.main([*rollback, "--to", versions[1]]) == 0
            server.wait_for(versions[1])
            np.testing.assert_allclose(answer(), images(models[1]), atol=1e-5)
            assert cli.main(rollback) == 0
            server.wait_for(versions[0])
            push.use("exported-2")
            pushed = push.run().get_string_custom_property("pushed_version")
            server.wait_for(pushed)
            np.testing.assert_allclose(answer(), images(models[2]), atol=1e-5)
            assert (
                cli.main(["prune", "--serving-dir", str(push.serving), "--keep", "1"])
                == 0
            )
    finally:
        output = server.stop()
    assert int(pushed) > int(versions[1])
    assert f"Switched from version {versions[1]} to {versions[0]}" in output
    assert "Traceback" not in output
    assert "Still serving" not in output


@pytest.mark.slow
def test_a_generator_that_is_exported_and_judged_again_is_not_pushed_again(
    push: Push, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> tuple[str, str]:
        capsys.readouterr()
        version = push.run().get_string_custom_property("pushed_version")
        return version, capsys.readouterr().out

    def versions() -> list[str]:
        return sorted(path.parent.name for path in push.serving.glob("*/README.md"))

    for name, seed in (("first", 0), ("second", 1), ("again", 1)):
        push.export(seed, name)
    for name in ("first", "second"):
        push.use(name, name)
        run()
    first, second = versions()

    push.use("again", "again")
    version, said = run()
    assert version == second
    assert "served already" in said
    assert versions() == [first, second]

    # Nor does a recurring run undo a rollback.
    assert cli.main(["rollback", "--serving-dir", str(push.serving)]) == 0
    version, said = run()
    assert version == second
    assert f"rollback --to {second}" in said
    assert versions() == [first]

    # A damaged version is no reason not to push.
    (data,) = push.serving.glob(f".rolled_back/{second}/variables/*.data*")
    data.write_bytes(data.read_bytes()[:-9])
    version, _ = run()
    assert versions() == [first, version]


def test_what_is_not_blessed_is_not_pushed(push: Push) -> None:
    push.blessing.set_int_custom_property("blessed", 0)
    assert push.run().get_int_custom_property("pushed") == 0
    assert not push.serving.exists()


@pytest.mark.parametrize("damage", ["truncated", "lost", "added"])
def test_a_model_that_has_changed_since_it_was_blessed_is_not_pushed(
    push: Push, damage: str
) -> None:
    push.run()
    push.write("better")
    weights = push.exported / "variables" / "data"
    if damage == "truncated":
        weights.write_text("bet")
    elif damage == "lost":
        weights.unlink()
    else:
        (push.exported / "variables" / "more").touch()
    with pytest.raises(RunError, match=rf"{push.model.uri}.* delete that directory"):
        push.run()
    ((_, files),) = push.content().items()
    assert files == _files("weights")


def test_killed_while_it_copies_and_started_again(
    push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    push.run()
    push.write("better")

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            push.run()
    # What serves takes numbers for versions, and there is none that is half there.
    (served,) = (name for name in push.content() if name.isdecimal())
    assert push.content()[served] == _files("weights")
    push.run()
    assert sorted(push.content().values(), key=str) == sorted(
        [_files("weights"), _files("better")], key=str
    )


def test_on_a_mounted_bucket(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(pathlib.Path, "rename", refused)
    push.run()
    assert list(push.content().values()) == [_files("weights")]


def test_a_uri_is_refused_before_a_directory_is_made_of_it(push: Push) -> None:
    with pytest.raises(RunError, match=r"gs://bucket/serving.*/gcs/BUCKET"):
        push.run("gs://bucket/serving")
    assert not list(pathlib.Path().glob("gs:*"))
