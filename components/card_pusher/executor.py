"""Executor of CardPusher: pushes atomically and idempotently, with the model card."""

from __future__ import annotations

import filecmp
import hashlib
import os
import pathlib
import shutil
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from msg_modules.common import console, signals
from msg_modules.common.errors import RunError
from msg_modules.generator import origin, sampling, version_directories
from msg_modules.generator.saved_models import JUDGED_HASH, CorruptModel, content_hash
from msg_modules.generator.version_directories import CARD_FILE


class Executor(executor.Executor):
    """Executor of `CardPusher`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed.

        Unlike with TFX's Pusher, a retry after the process was killed does not create a
        second version, and servers never see an incomplete version. A generator that
        is served, or was rolled back, is not pushed again.

        Raises:
          RunError: If the serving directory is a URI, or the model has changed since it
            was blessed.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        model = pathlib.Path(self.GetModelPath(input_dict))
        # Identifies the push, so that a retry can clean up after this attempt.
        source = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.MODEL_KEY]
        )
        _check_judged(model, source, input_dict)
        version = _push(model, _serving_dir(exec_properties), source)
        io_utils.copy_dir(str(model), pushed.uri)
        self._MarkPushed(
            pushed, pushed_destination=str(version), pushed_version=version.name
        )

    def GetModelPath(self, input_dict: dict[str, list[types.Artifact]]) -> str:
        """Returns a copy of the model with the card added.

        The card is added before the push, so that the version appears complete.
        """
        model = super().GetModelPath(input_dict)
        blessing = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        card = os.path.join(blessing, CARD_FILE)
        staged = pathlib.Path(self._get_tmp_dir()) / "model"
        io_utils.copy_dir(model, str(staged))
        io_utils.copy_file(card, str(staged / CARD_FILE))
        return str(staged)


def _check_judged(
    model: pathlib.Path, source: str, input_dict: dict[str, list[types.Artifact]]
) -> None:
    """Raises a RunError if the files of a model are not those that were blessed."""
    blessing = artifact_utils.get_single_instance(
        input_dict[standard_component_specs.MODEL_BLESSING_KEY]
    )
    if content_hash(model) != blessing.get_string_custom_property(JUDGED_HASH):
        raise RunError(
            f"The generator in {source!r} is not the one that was blessed: its files"
            " have changed since; delete that directory and rerun the pipeline."
        )


def _serving_dir(exec_properties: dict[str, Any]) -> pathlib.Path:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
    )
    return version_directories.serving_directory(destination.filesystem.base_directory)


def _push(model: pathlib.Path, serving_dir: pathlib.Path, source: str) -> pathlib.Path:
    """Copies a model to a new version, unless it is served or was rolled back.

    Returns:
      The version's directory, or where it was before the rollback.
    """
    serving_dir.mkdir(parents=True, exist_ok=True)
    for pushed in version_directories.complete_versions(serving_dir)[-1:]:
        if _is_same(model, pushed) or _is_same_training(model, pushed):
            console.say(f"  served already, as version {pushed.name}: not pushed again")
            return pushed
    for pushed in version_directories.rolled_back_versions(serving_dir):
        if _is_same_training(model, pushed):
            console.say(
                f"  not pushed again: version {pushed.name} was rolled back;"
                f" `msg-gan rollback --to {pushed.name}` serves it"
            )
            return serving_dir / pushed.name
    name = hashlib.sha256(source.encode()).hexdigest()[:16]
    part = serving_dir / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(model, part)
    signals.check()
    version = version_directories.next_version(serving_dir)
    version_directories.move(part, version)
    return version


def _is_same(one: pathlib.Path, other: pathlib.Path) -> bool:
    names = _files(one)
    return names == _files(other) and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def _is_same_training(model: pathlib.Path, pushed: pathlib.Path) -> bool:
    """Whether a version was exported from the same training, and is not damaged."""
    made = origin.read(model)
    if made is None or made != origin.read(pushed):
        return False
    try:
        sampling.load_generator(pushed)
    except CorruptModel:
        return False
    return True


def _files(directory: pathlib.Path) -> set[pathlib.Path]:
    return {p.relative_to(directory) for p in directory.rglob("*") if p.is_file()}
