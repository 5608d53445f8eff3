"""Commands in containers of an image, as a strict cluster runs them.

They run as the image's user, without privileges and without a network, and can write
nothing but `/tmp` and the directories that are mounted.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
from collections.abc import Sequence

from kfp_emulation import STEP_SERVER, StepServer

# Of deploy/Dockerfile.
USER = 65532


class Containers:
    """Starts commands, one after the other."""

    def __init__(self, image: str, *volumes: pathlib.Path):
        """Starts nothing yet.

        Args:
          image: Name of an image that podman has.
          *volumes: Directories that are in each container what they are here.
        """
        self._image = image
        self._volumes = volumes
        self._process: subprocess.Popen[bytes] | None = None

    def command_line(
        self,
        command: Sequence[str],
        environment: dict[str, str] | None = None,
        network: str = "none",
    ) -> list[str]:
        """The command that runs `command` in a container."""
        self.hand_over()
        return [
            *("podman", "run", "--rm", "--interactive", "--network", network),
            *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp"),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *(f"--volume={path}:{path}" for path in self._volumes),
            *(f"--env={name}={value}" for name, value in (environment or {}).items()),
            *(self._image, *command),
        ]

    def hand_over(self) -> None:
        """Gives the image's user what root has written to the volumes since."""
        subprocess.run(["chown", "-R", str(USER), *self._volumes], check=True)

    def start(
        self, command: Sequence[str], environment: dict[str, str], log: pathlib.Path
    ) -> int:
        """Starts a command; the process's id."""
        line = self.command_line(command, environment)
        with open(log, "wb") as file:
            self._process = subprocess.Popen(line, stdout=file, stderr=file)
        return self._process.pid

    def status(self) -> int:
        """Waits for the command that was started last; its exit status."""
        assert self._process is not None
        return self._process.wait()


class StepContainer(StepServer):
    """A container in which steps are processes that start quickly."""

    def __init__(self, containers: Containers, directory: pathlib.Path):
        """Starts the container.

        Args:
          containers: The image and the volumes.
          directory: One of the volumes.
        """
        self._containers = containers
        script = shutil.copy(STEP_SERVER, directory)
        super().__init__({}, containers.command_line(["python", str(script)]))

    def start(
        self, command: Sequence[str], environment: dict[str, str], log: pathlib.Path
    ) -> int:
        """Starts `python -m ...`; the process's id in the container."""
        self._containers.hand_over()
        return super().start(command, environment, log)
