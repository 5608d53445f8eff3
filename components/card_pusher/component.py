"""The CardPusher component."""

from __future__ import annotations

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec

from components.card_pusher import executor


class CardPusher(Pusher):
    """TFX's Pusher, except that it includes the model card and is idempotent.

    The model card is taken from the blessing. A repeated push does not create a second
    version.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
