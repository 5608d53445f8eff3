"""The served version, and hot swapping to another one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import pathlib

import numpy as np

from msg_modules.common import console
from msg_modules.generator import saved_models
from msg_modules.generator.sampling import Generator, find_version, load_generator
from msg_modules.serving import protocol
from msg_modules.serving.instruments import Figures


class Version:
    """A loaded generator.

    Attributes:
      generator: The generator.
      name: Name of its directory, a number.
      signatures: Its signatures; the directory may be deleted while it is served.
    """

    def __init__(self, generator: Generator):
        """Wraps a loaded generator."""
        self.generator = generator
        self.name = generator.path.name
        graph = saved_models.read_meta_graph(generator.path)
        self.signatures = protocol.signatures(graph)


class ServedModel:
    """The newest version in a directory that can be loaded.

    A replaced version stays in memory until its pending requests are answered.

    Attributes:
      current: The version for new requests.
    """

    def __init__(
        self,
        path: pathlib.Path,
        first: Version,
        poll_seconds: float,
        figures: Figures,
    ):
        """Starts with a loaded version.

        Args:
          path: The serving directory, polled for pushes and rollbacks, or a
            version directory.
          first: The first version.
          poll_seconds: Polling interval.
          figures: The Prometheus metrics to update.
        """
        self._path = path
        self._poll_seconds = poll_seconds
        self._figures = figures
        self._last_error = ""
        # One thread, since every thread that has loaded a version retains memory.
        self._loader = concurrent.futures.ThreadPoolExecutor(1)
        self.current = self._take(first)

    async def watch(self) -> None:
        """Follows pushes and rollbacks, until cancelled."""
        loop = asyncio.get_running_loop()
        is_new = False
        while True:
            await asyncio.sleep(self._poll_seconds)
            if is_new:
                # TensorFlow's functions are in reference cycles, so Python would keep
                # several old versions in memory for a long time.
                gc.collect()
                is_new = False
            try:
                newest = await loop.run_in_executor(
                    self._loader, find_version, self._path
                )
                if newest == self.current.generator.path:
                    continue
                version = await loop.run_in_executor(self._loader, _load, newest)
            except Exception as e:
                # Partially copied, corrupt or deleted: keep serving the current version
                # and retry on the next poll.
                self._report_failure(str(e))
                continue
            before, self.current = self.current.name, self._take(version)
            is_new = True
            self._last_error = ""
            console.say(f"Switched from version {before} to {self.current.name}")

    def _take(self, version: Version) -> Version:
        self._figures.loads.labels("loaded").inc()
        if version.name.isdecimal():
            self._figures.version.set(int(version.name))
        return version

    def _report_failure(self, error: str) -> None:
        self._figures.loads.labels("failed").inc()
        if error != self._last_error:
            console.say(f"Still serving version {self.current.name}: {error}")
        self._last_error = error


def _load(path: pathlib.Path) -> Version:
    generator = load_generator(path)
    # Warm up: the first call is slow.
    generator.generate(np.zeros([1, generator.code_dim], np.float32))
    return Version(generator)
