"""Training for `recipe.py`: rows until their budget is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import ours
import quality
from recipe_results import Conditions
from recipe_rows import ROWS

from msg_modules.common import console
from msg_modules.data.examples import Examples

# Steps between two looks at the clock.
_STEPS = 8


class Contender:
    """A row in training.

    Attributes:
      seconds: Training time so far.
      images: Number of images seen so far.
    """

    def __init__(self, name: str, seed: int, examples: Examples):
        """Builds the networks of a row.

        Args:
          name: Name of the row.
          seed: Seed of weights, latents and image order.
          examples: Training images.
        """
        model, train = ROWS[name].configs(seed)
        self._training = ours.Training(examples, model, train)
        self._batch_size = train.batch_size
        self.seconds = 0.0
        self.images = 0
        self._run(1, 0.0)  # traces

    def progress(self, conditions: Conditions, seconds: float = 0.0) -> float:
        """Returns the share of the budget that is spent.

        Args:
          conditions: Have the budget.
          seconds: Training time since the last turn.
        """
        minutes = (self.seconds + seconds) / 60
        spent = self.images if conditions.unit == "images" else minutes
        return spent / conditions.budget

    def take_turn(self, seconds: float, conditions: Conditions) -> None:
        """Trains for some seconds, or until the budget is spent."""
        left = math.inf
        if conditions.unit == "images":
            left = math.ceil((conditions.budget - self.images) / self._batch_size)
        else:
            seconds = min(seconds, 60 * conditions.budget - self.seconds)
        start = time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds and left > 0:
            steps = min(_STEPS, left)
            self._run(steps, min(1.0, self.progress(conditions, spent)))
            left -= steps
        self.seconds += spent

    def draw(self, num_images: int) -> np.ndarray:
        """Generates images; see `quality.draw`."""
        training = self._training
        return quality.draw(
            training.generator, training.latent_dim, num_images, training.classes
        )

    def _run(self, steps: int, progress: float) -> None:
        self._training.run(steps, progress)
        self.images += steps * self._batch_size


def train(
    names: list[str], seed: int, conditions: Conditions, examples: Examples, turn: float
) -> Iterator[tuple[str, Contender]]:
    """Trains rows: in turns if their time is limited, else one after the other.

    Args:
      names: Names of the rows.
      seed: Seed of weights, latents and image order.
      conditions: Have the budget.
      examples: Training images.
      turn: Duration of a turn, in seconds.

    Yields:
      A row's name, and the row when it is trained.
    """
    groups = [names] if conditions.unit == "minutes" else [[name] for name in names]
    for group in groups:
        contenders = {name: Contender(name, seed, examples) for name in group}
        label = f"seed {seed}, {group[0] if len(group) == 1 else f'{len(group)} rows'}"
        with console.progress(label, 100) as show:
            while waiting := [
                contender
                for contender in contenders.values()
                if contender.progress(conditions) < 1
            ]:
                for contender in waiting:
                    contender.take_turn(turn, conditions)
                    done = sum(c.progress(conditions) for c in contenders.values())
                    show(round(100 * done / len(group)))
        yield from contenders.items()
