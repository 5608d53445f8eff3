"""The version that is served, and the change to a newer one."""

from __future__ import annotations

import asyncio
import functools
import gc
import pathlib

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from msg_modules import console, saved_models
from msg_modules.configs import ServeLimits
from msg_modules.sampling import Generator, find_version, load_generator
from msg_modules.serving.batching import Batcher
from msg_modules.serving.figures import Figures


class Version:
    """A loaded generator and the requests that wait for it.

    Attributes:
      generator: The generator.
      name: The name of its directory, a number.
      batcher: Where its images are asked for.
    """

    def __init__(self, generator: Generator, limits: ServeLimits, figures: Figures):
        """Takes a loaded generator; in a running event loop."""
        self.generator = generator
        self.name = generator.path.name
        self.batcher = Batcher(
            generator.generate,
            limits.batch_images,
            limits.batch_wait_ms / 1000,
            figures.batches.observe,
        )

    @functools.cached_property
    def meta_graph(self) -> MetaGraphDef:
        """The graph with its signatures."""
        return saved_models.read_meta_graph(self.generator.path)


class ServedModel:
    """The newest version below a path; always one that works.

    A request takes `current` and asks it for images without an `await` in between:
    a version that has been replaced answers what it was asked before it goes.

    Attributes:
      current: The version for new requests.
    """

    def __init__(
        self,
        path: pathlib.Path,
        generator: Generator,
        limits: ServeLimits,
        figures: Figures,
    ):
        """Serves a loaded generator; in a running event loop.

        Args:
          path: The serving directory, where newer versions will be, or one version.
          generator: The first version.
          limits: How requests are batched, and how often versions are looked for.
          figures: Gets what happens.
        """
        self._path = path
        self._limits = limits
        self._figures = figures
        self._complaint = ""
        self.current = self._take(generator)

    async def watch(self) -> None:
        """Changes to other versions as they come, until it is cancelled."""
        while True:
            await asyncio.sleep(self._limits.poll_seconds)
            try:
                newest = await asyncio.to_thread(find_version, self._path)
                if newest == self.current.generator.path:
                    continue
                generator = await asyncio.to_thread(_load, newest)
            except Exception as e:
                # Half copied, damaged, gone: the current one goes on, and the next
                # look may find it mended.
                self._complain(str(e))
                continue
            before, self.current = self.current, self._take(generator)
            self._complaint = ""
            console.say(f"version {self.current.name} follows {before.name}")
            await before.batcher.close()
            # TensorFlow's functions are in reference cycles: Python would keep some
            # versions' worth of them for long.
            del before
            gc.collect()

    def _take(self, generator: Generator) -> Version:
        self._figures.loads.labels("loaded").inc()
        version = Version(generator, self._limits, self._figures)
        if version.name.isdecimal():
            self._figures.version.set(int(version.name))
        return version

    def _complain(self, complaint: str) -> None:
        self._figures.loads.labels("failed").inc()
        if complaint != self._complaint:
            console.say(f"version {self.current.name} stays: {complaint}")
        self._complaint = complaint


def _load(path: pathlib.Path) -> Generator:
    generator = load_generator(path)
    # The first call is slow; no request shall be it.
    generator.generate(np.zeros([1, generator.latent_dim], np.float32))
    return generator
