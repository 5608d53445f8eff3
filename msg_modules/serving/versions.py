"""The version that is served, and the change to a newer one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import pathlib

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from msg_modules.common import console
from msg_modules.generator import saved_models
from msg_modules.generator.sampling import Generator, find_version, load_generator
from msg_modules.serving.instruments import Figures


class Version:
    """A loaded generator.

    Attributes:
      generator: The generator.
      name: The name of its directory, a number.
    """

    def __init__(self, generator: Generator):
        """Takes a loaded generator."""
        self.generator = generator
        self.name = generator.path.name

    @functools.cached_property
    def meta_graph(self) -> MetaGraphDef:
        """The graph with its signatures."""
        return saved_models.read_meta_graph(self.generator.path)


class ServedModel:
    """The newest version below a path; always one that works.

    A version that has been replaced stays until it has answered what it was asked.

    Attributes:
      current: The version for new requests.
    """

    def __init__(
        self,
        path: pathlib.Path,
        generator: Generator,
        poll_seconds: float,
        figures: Figures,
    ):
        """Serves a loaded generator.

        Args:
          path: The serving directory, where newer versions will be, or one version.
          generator: The first version.
          poll_seconds: How often versions are looked for.
          figures: Gets what happens.
        """
        self._path = path
        self._poll_seconds = poll_seconds
        self._figures = figures
        self._complaint = ""
        # One for all: each thread that has loaded a version keeps memory for the next.
        self._loader = concurrent.futures.ThreadPoolExecutor(1)
        self.current = self._take(generator)

    async def watch(self) -> None:
        """Changes to other versions as they come, until it is cancelled."""
        loop = asyncio.get_running_loop()
        is_new = False
        while True:
            await asyncio.sleep(self._poll_seconds)
            if is_new:
                # TensorFlow's functions are in reference cycles: Python would keep
                # some versions' worth of them for long.
                gc.collect()
                is_new = False
            try:
                newest = await loop.run_in_executor(
                    self._loader, find_version, self._path
                )
                if newest == self.current.generator.path:
                    continue
                generator = await loop.run_in_executor(self._loader, _load, newest)
            except Exception as e:
                # Half copied, damaged, gone: the current one goes on, and the next
                # look may find it mended.
                self._complain(str(e))
                continue
            before, self.current = self.current.name, self._take(generator)
            is_new = True
            self._complaint = ""
            console.say(f"version {self.current.name} follows {before}")

    def _take(self, generator: Generator) -> Version:
        self._figures.loads.labels("loaded").inc()
        version = Version(generator)
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
