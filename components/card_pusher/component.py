"""The CardPusher component."""

from __future__ import annotations

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec

from components.card_pusher import executor


class CardPusher(Pusher):
    """TFX's Pusher, for a model with its card, and for one that is started again.

    The card that lies in the blessing goes with the model. A push that is done again
    makes no second version.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
