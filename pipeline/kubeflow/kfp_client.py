"""Connects to the Kubeflow Pipelines API, with one-line errors if that fails."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests
import urllib3

from msg_modules.common import extras, field_types, files
from msg_modules.common.errors import ConfigError, RunError

if TYPE_CHECKING:
    import kfp

_HEALTH = "/apis/v2beta1/healthz"
_ANSWERS_WITHIN_SECONDS = 10.0
# Statuses that pass: request timeout, too many requests.
_PASSING = (408, 429)
_REFUSALS = {401: "you are not authenticated", 403: "you are not authorized"}


@dataclasses.dataclass(frozen=True)
class Connection:
    """Address of Kubeflow Pipelines, and credentials."""

    host: str
    """Address of the API, such as http://localhost:8888 with
    `kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888`."""

    namespace: str | None = None
    """Your namespace, if Kubeflow is in multi-user mode."""

    token_file: pathlib.Path | None = None
    """File with a bearer token."""

    cookies_file: pathlib.Path | None = None
    """File with session cookies, such as authservice_session=..."""

    ca_cert: pathlib.Path | None = None
    """CA certificate file to verify the host with."""

    def __post_init__(self) -> None:
        field_types.check(self)
        if not self.host.startswith(("http://", "https://")):
            raise ConfigError(
                f"host is {self.host!r}; it must start with http:// or https://."
            )


def connect(connection: Connection) -> kfp.Client:
    """Connects to Kubeflow Pipelines.

    Args:
      connection: Address and credentials.

    Returns:
      The SDK's client. Use it inside `explained`.

    Raises:
      ConfigError: If kfp is not installed or a file cannot be read.
      Unavailable: If the host does not answer, or not as it should.
      RunError: If the host does not exist, refuses access, or is not Kubeflow
        Pipelines.
    """
    token = _read_header(connection.token_file, "token_file")
    cookies = _read_header(connection.cookies_file, "cookies_file")
    _read(connection.ca_cert, "ca_cert")
    _check_host(connection, token, cookies)
    with extras.needed("kubeflow"):
        import kfp
    with explained(connection.host):
        return kfp.Client(
            host=connection.host,
            existing_token=token,
            cookies=cookies,
            ssl_ca_cert=str(connection.ca_cert) if connection.ca_cert else None,
        )


class Unavailable(RunError):
    """The host does not answer, or not as it should; it may later."""


@contextlib.contextmanager
def explained(host: str) -> Iterator[None]:
    """Converts the SDK's exceptions to `RunError`.

    Raises:
      Unavailable: If it may help to try again.
      RunError: For all other errors.
    """
    import kfp_server_api

    try:
        yield
    except kfp_server_api.ApiException as e:
        raise _refused(host, e.status, _message(e)) from e
    except (urllib3.exceptions.HTTPError, OSError) as e:
        raise _away(host, e) from e


def _read(path: pathlib.Path | None, field: str) -> str | None:
    if path is None:
        return None
    return files.read_text(path, field, "choose a readable text file").strip()


def _read_header(path: pathlib.Path | None, field: str) -> str | None:
    """Reads a secret that is sent in a header, which has one line of ASCII text."""
    text = _read(path, field)
    if text is not None and not (text.isascii() and text.isprintable()):
        raise ConfigError(
            f"{field} is {str(path)!r}, which has several lines or characters that are"
            " not ASCII; choose a file with the value alone."
        )
    return text


def _check_host(connection: Connection, token: str | None, cookies: str | None) -> None:
    """Checks the host first: the SDK would retry for 30 s and log tracebacks."""
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cookies:
        headers["Cookie"] = cookies
    try:
        answer = requests.get(
            connection.host.rstrip("/") + _HEALTH,
            headers=headers,
            timeout=_ANSWERS_WITHIN_SECONDS,
            verify=str(connection.ca_cert) if connection.ca_cert else True,
            allow_redirects=False,
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
        # Before it has answered once, a name that is not known is a misspelled one.
        if _is_no_host(e):
            raise RunError(
                f"{connection.host!r} does not exist ({_innermost(e)}); check --host."
            ) from e
        raise _away(connection.host, e) from e
    if answer.status_code in _REFUSALS or _passes(answer.status_code):
        raise _refused(connection.host, answer.status_code, answer.reason)
    try:
        answer.raise_for_status()
        answer.json()
    except requests.RequestException as e:
        raise RunError(
            f"{connection.host!r} is not a Kubeflow Pipelines API"
            f" ({answer.status_code} {answer.reason}); use the address of the API, and"
            " --token-file or --cookies-file if it requires a login."
        ) from e


def _away(host: str, error: Exception) -> RunError:
    reason = _innermost(error)
    if _is_tls(error):
        return RunError(
            f"{host!r} cannot be verified ({reason}); give the CA certificate of the"
            " host with --ca-cert, or check the address."
        )
    return Unavailable(
        f"{host!r} does not answer ({reason}); check the address, and that"
        " `kubectl port-forward` is running if you use it."
    )


def _is_tls(error: BaseException) -> bool:
    return any(
        isinstance(e, ssl.SSLError | requests.exceptions.SSLError)
        for e in _causes(error)
    )


def _is_no_host(error: BaseException) -> bool:
    """Whether the URL names no host, or one that name servers do not know."""
    return any(
        isinstance(
            e, urllib3.exceptions.LocationValueError | requests.exceptions.InvalidURL
        )
        # Without an answer from a name server, the number is another one.
        or (isinstance(e, socket.gaierror) and e.errno == socket.EAI_NONAME)
        for e in _causes(error)
    )


def _innermost(error: BaseException) -> str:
    *_, last = _causes(error)
    return str(last) or type(last).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and those during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__context__


def _refused(host: str, status: int, message: str) -> RunError:
    if status in _REFUSALS:
        return RunError(
            f"{host!r} refused access: {_REFUSALS[status]} ({status} {message}); give a"
            " valid --token-file or --cookies-file, and your --namespace."
        )
    if _passes(status):
        return Unavailable(f"{host!r} failed: {message} ({status}); try again later.")
    return RunError(f"{host!r} refused the request: {message} ({status}).")


def _passes(status: int) -> bool:
    return status in _PASSING or status >= 500


def _message(error: Exception) -> str:
    """Extracts the API's message from the SDK's exception."""
    body = getattr(error, "body", None)
    try:
        answer = json.loads(body or "")
        return str(answer.get("message") or answer["error"])
    except (ValueError, KeyError, AttributeError):
        return str(getattr(error, "reason", None) or error)
