"""Listening sockets for the HTTP commands."""

from __future__ import annotations

import socket

from msg_modules.common.errors import RunError
from msg_modules.configs import require


def check_port(port: int) -> None:
    """Checks that a port number is in range.

    Raises:
      ConfigError: If it is not.
    """
    require(0 <= port < 2**16, "port", port, "between 0 and 65535")


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Opens a listening socket.

    Args:
      host: Address of an interface of this machine.
      port: Port; 0 picks a free one.

    Returns:
      The socket and its URL.

    Raises:
      RunError: If the address is in use or cannot be bound.
    """
    try:
        listening = socket.create_server((host, port))
    except (OSError, UnicodeError) as e:  # The latter for a name that is too long.
        reason = e.strerror if isinstance(e, OSError) else e
        raise RunError(
            f"Cannot listen on {host}:{port} ({reason}); use another --port or --host."
        ) from e
    # asyncio only does this for sockets that name their protocol, which this one does
    # not. Without it, the body of a response waits for the client's ACK of the
    # headers, up to 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening, f"http://{host}:{listening.getsockname()[1]}"
