"""What CardPusher does besides what TFX's Pusher does."""

from __future__ import annotations

import os
import pathlib

from tfx import types
from tfx.components.pusher import executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from msg_modules.saved_models import CARD_FILE


class Executor(executor.Executor):
    """Executor of `CardPusher`."""

    def GetModelPath(self, input_dict: dict[str, list[types.Artifact]]) -> str:
        """The model to push: a copy, with the card in it.

        A server never sees a version that is half there, so the card is in before
        the copying begins.
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
