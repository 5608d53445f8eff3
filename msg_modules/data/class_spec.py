"""The description of the classes that a generator is conditioned on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from msg_modules.common.errors import ConfigError, RunError


@dataclasses.dataclass(frozen=True)
class ClassSpec:
    """Classes to condition on; an unconditional generator has none.

    Attributes:
      names: Their names, in the order of their labels, 0 and up.
      shares: Their shares of the training images; sum to 1.
    """

    names: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of_labels(cls, labels: np.ndarray, names: Sequence[str]) -> ClassSpec:
        """Counts the classes of the training images.

        Args:
          labels: int64 `[num_images]`, in [0, len(names)).
          names: The names of the classes.

        Raises:
          RunError: If a label is out of range.
        """
        if not 0 <= labels.min() <= labels.max() < len(names):
            raise RunError(
                f"The training images have labels from {labels.min()} to"
                f" {labels.max()}, but there are {len(names)} classes; correct"
                " --data.num-classes or --data.class-names."
            )
        shares = np.bincount(labels, minlength=len(names)) / len(labels)
        return cls(tuple(names), tuple(shares.tolist()))

    def check(self, asked: str) -> None:
        """Checks that there are classes.

        Args:
          asked: What needs them, such as `label is 'Bag'`.

        Raises:
          ConfigError: If there are none.
        """
        if not self.names:
            raise ConfigError(
                f"{asked}, but the generator is unconditional; omit it, or use a"
                " generator that was trained on labelled images with"
                " --model.conditional."
            )

    def find(self, label: str | int) -> int:
        """Returns the number of a class.

        Args:
          label: Its name, upper or lower case, or its number, which may be text. A name
            that is a number wins.

        Raises:
          ConfigError: If there is no such class, or there are no classes.
        """
        self.check(f"label is {label!r}")
        if isinstance(label, str):
            folded = [name.casefold() for name in self.names]
            if label.casefold() in folded:
                return folded.index(label.casefold())
        if str(label).isdecimal() and int(label) < len(self):
            return int(label)
        raise ConfigError(
            f"label is {label!r}; it must be a number from 0 to {len(self) - 1} or one"
            f" of {', '.join(self.names)}."
        )
