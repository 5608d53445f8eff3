"""Follows a run on Kubeflow until it has finished."""

from __future__ import annotations

import contextlib
import datetime
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import rich.live
import rich.spinner
import rich.table
import rich.text

from msg_modules.common import console, extras
from msg_modules.common.errors import RunError
from pipeline.kubeflow import kfp_client
from pipeline.kubeflow.kfp_client import Connection

if TYPE_CHECKING:
    import kfp_server_api

_T = TypeVar("_T")

_SUCCEEDED = "SUCCEEDED"
_PENDING = "PENDING"
_ENDED = frozenset({_SUCCEEDED, "FAILED", "SKIPPED", "CANCELED"})
_STYLES = {_SUCCEEDED: "green", "FAILED": "red", "CANCELED": "red", _PENDING: "yellow"}
# Kubeflow waits forever for a missing image and does not report it.
_STUCK = (
    "A step that stays pending may lack its image, its volume or a node; check"
    " `kubectl get pods` and `kubectl describe pod` in its namespace."
)
_SECONDS_BETWEEN_LOOKS = 5.0
_MOST_SECONDS_BETWEEN_RETRIES = 60.0
# Longer than an upgrade of Kubeflow or a restart of its proxy takes.
_PATIENCE_SECONDS = 1800.0
# Somebody is looking at the terminal; this covers a restart of `kubectl port-forward`.
_SHORT_PATIENCE_SECONDS = 10.0


def show(connection: Connection, run_id: str) -> None:
    """Prints the state of a run and its steps.

    Args:
      connection: Address and credentials.
      run_id: The run.

    Raises:
      ConfigError: If kfp is not installed or a file cannot be read.
      RunError: If the host refuses the request or does not answer for ten seconds.
    """
    run = _Api(connection, run_id, _SHORT_PATIENCE_SECONDS).get_run()
    console.say(f"Run {run_id}: {run.state}")
    for task in _tasks(run):
        console.say(f"  {task.display_name}: {task.state}{_reason(task)}")
    if any(task.state == _PENDING for task in _tasks(run)):
        console.say(_STUCK)


def wait(connection: Connection, run_id: str, timeout: float | None) -> None:
    """Polls a run until it has finished, and shows its steps on a terminal.

    The SDK's own loop never returns for a cancelled run.

    Args:
      connection: Address and credentials.
      run_id: The run.
      timeout: Maximum time to wait, in seconds; None for no limit.

    Raises:
      ConfigError: If kfp is not installed or a file cannot be read.
      RunError: If the run failed or goes on for longer, or if the host refuses the
        request or does not answer for half an hour.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    api, seen = _Api(connection, run_id, _PATIENCE_SECONDS, deadline), None
    with _display() as display:
        while True:
            run = api.get_run()
            if run.state != seen:
                console.say(f"Run {run_id}: {run.state}")
                seen = run.state
            display(_tasks(run))
            if run.state in _ENDED:
                break
            if timeout is not None and time.monotonic() > deadline:
                raise RunError(_unfinished(run_id, run, timeout))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if run.state != _SUCCEEDED:
        failed = [
            f"{task.display_name}{_reason(task)}"
            for task in _tasks(run)
            if task.state == "FAILED"
        ]
        raise RunError(
            f"Run {run_id} {run.state}: {'; '.join(failed) or 'no step failed'}"
        )


def _unfinished(run_id: str, run: Any, timeout: float) -> str:
    unfinished = [
        f"{task.display_name} {task.state}"
        for task in _tasks(run)
        if task.state not in _ENDED
    ]
    return (
        f"Run {run_id} is still {run.state} after {timeout:g} s"
        f" ({', '.join(unfinished) or 'no steps yet'}) and continues; increase"
        f" --timeout. {_STUCK}"
    )


class _Api:
    """The API of a host that may be unavailable for a while."""

    def __init__(
        self,
        connection: Connection,
        run_id: str,
        patience: float,
        deadline: float = math.inf,
    ):
        """Connects.

        Args:
          connection: Address and credentials.
          run_id: The run that is followed.
          patience: How long to go on asking, in seconds.
          deadline: When to stop asking in any case, in seconds of the monotonic clock.
        """
        self._host = connection.host
        self._run_id = run_id
        self._patience, self._deadline = patience, deadline
        self._client = self._patiently(lambda: kfp_client.connect(connection))

    def get_run(self) -> kfp_server_api.V2beta1Run:
        """Returns the run as it is now."""

        def get() -> kfp_server_api.V2beta1Run:
            with kfp_client.explained(self._host):
                return self._client.get_run(self._run_id)

        return self._patiently(get)

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Asks; a host that is unavailable is asked again, less and less often."""
        with extras.needed("kubeflow"):
            import tenacity

        def tell(state: tenacity.RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome:
                error = state.outcome.exception()
                console.say(f"Run {self._run_id}: {error} Still waiting.")

        patience = min(self._patience, max(0.0, self._deadline - time.monotonic()))
        pause = tenacity.wait_random_exponential(
            multiplier=_SECONDS_BETWEEN_LOOKS, max=_MOST_SECONDS_BETWEEN_RETRIES
        )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(kfp_client.Unavailable),
            stop=tenacity.stop_after_delay(patience),
            wait=lambda state: min(
                pause(state), max(0.0, patience - (state.seconds_since_start or 0.0))
            ),
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(ask)
        except kfp_client.Unavailable as e:
            if time.monotonic() < self._deadline:
                raise
            raise RunError(
                f"The time of --timeout is up, and {e} Run {self._run_id} may continue."
            ) from e


@contextlib.contextmanager
def _display() -> Iterator[Callable[[list[Any]], None]]:
    """Yields a function that shows the steps, if the output is a terminal."""
    if not console.is_terminal():
        yield lambda tasks: None
        return
    with rich.live.Live(console=console.console, refresh_per_second=4) as live:
        yield lambda tasks: live.update(_table(tasks), refresh=True)


def _table(tasks: list[Any]) -> rich.table.Table:
    table = rich.table.Table.grid(padding=(0, 2))
    for task in tasks:
        state = rich.text.Text(str(task.state), style=_STYLES.get(task.state, ""))
        is_running = task.state == "RUNNING"
        table.add_row(
            f"  {task.display_name}",
            rich.spinner.Spinner("dots", state) if is_running else state,
            _duration(task),
        )
    return table


def _duration(task: Any) -> str:
    """How long a step has taken so far, such as 0:01:30."""
    if not task.start_time or task.state == _PENDING:
        return ""
    end = datetime.datetime.now(datetime.timezone.utc)
    if task.end_time and task.state in _ENDED:
        end = task.end_time
    return str(datetime.timedelta(seconds=int((end - task.start_time).total_seconds())))


def _tasks(run: kfp_server_api.V2beta1Run) -> list[Any]:
    details = run.run_details.task_details if run.run_details else None
    return details or []


def _reason(task: Any) -> str:
    return f" ({task.error.message})" if task.error and task.error.message else ""
