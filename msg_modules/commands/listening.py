"""What commands that answer over HTTP listen on."""

from __future__ import annotations

import socket

from msg_modules.common.errors import RunError
from msg_modules.configs import require


def check_port(port: int) -> None:
    """Checks that a number can be a port's.

    Raises:
      ConfigError: If it cannot.
    """
    require(0 <= port < 2**16, "port", port, "between 0 and 65535")


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Begins to listen.

    Args:
      host: Address of an interface of this machine.
      port: 0 for any that is free.

    Returns:
      The socket, and its URL.

    Raises:
      RunError: If that cannot be listened on.
    """
    try:
        listening = socket.create_server((host, port))
    except OSError as e:
        raise RunError(
            f"{host}:{port} cannot be listened on ({e.strerror}); name another --port"
            " or --host."
        ) from e
    # asyncio does it only for sockets that name their protocol, which this one does
    # not. Without it the body of an answer waits for the client to have acknowledged
    # the head, which takes up to 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening, f"http://{host}:{listening.getsockname()[1]}"
