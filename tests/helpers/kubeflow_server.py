"""The part of Kubeflow Pipelines' HTTP API that the runner uses, on this machine."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

_BASE = "/apis/v2beta1"


class Kubeflow(http.server.ThreadingHTTPServer):
    """Serves until `close`.

    Attributes:
      requests: What was asked: method, path and body.
      headers: The headers of the last request.
      states: The states of the run, one for each time it is looked at; the last
        stays.
      refusal: A status and a message with which all but the health is refused.
      health: The answer to the question about the health.
      pipelines: The pipelines that were uploaded.
      troubles: What happens to the next requests but those about the health: a status,
        None for a connection that breaks, or 200 for an answer.
      health_troubles: The same for the next requests about the health.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.troubles: list[int | None] = []
        self.health_troubles: list[int | None] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}
        self.states = ["SUCCEEDED"]
        self.refusal: tuple[int, str] | None = None
        self.health: tuple[int, str, str] = (200, "application/json", "{}")
        self.pipelines: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def body_of(self, method: str, path: str) -> Any:
        """The body of the only request of that kind."""
        (body,) = (b for m, p, b in self.requests if (m, p) == (method, path))
        return body


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Kubeflow

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        path = urlsplit(self.path).path.removeprefix(_BASE)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        body = json.loads(content) if content and is_json else content
        self.server.requests.append((method, path, body))
        self.server.headers = dict(self.headers.items())
        is_health = path == "/healthz"
        troubles = self.server.health_troubles if is_health else self.server.troubles
        status = troubles.pop(0) if troubles else 200
        if status != 200:
            if status is None:
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._send(status, "text/plain", "no healthy upstream")
        elif is_health:
            self._send(*self.server.health)
        elif self.server.refusal:
            status, message = self.server.refusal
            self._send_json({"error": message, "message": message}, status)
        else:
            self._send_json(self._result(method, path))

    def _result(self, method: str, path: str) -> dict[str, Any]:
        if path.startswith("/runs/"):
            states = self.server.states
            state = states.pop(0) if len(states) > 1 else states[0]
            return {"run_id": "run-1", "state": state, "run_details": _details(state)}
        return {
            ("GET", "/experiments"): {},
            ("GET", "/pipelines"): {"pipelines": self.server.pipelines},
            ("POST", "/experiments"): {"experiment_id": "experiment-1"},
            ("POST", "/runs"): {"run_id": "run-1"},
            ("POST", "/recurringruns"): {"recurring_run_id": "schedule-1"},
            ("POST", "/pipelines/upload"): {"pipeline_id": "pipeline-1"},
            ("POST", "/pipelines/upload_version"): {"pipeline_version_id": "version-1"},
        }[method, path]

    def _send_json(self, answer: dict[str, Any], status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(answer))

    def _send(self, status: int, content_type: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def _details(state: str) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = [
        {
            "display_name": "TfdsExampleGen",
            "state": "SUCCEEDED",
            "start_time": "2026-08-01T10:00:00Z",
            "end_time": "2026-08-01T10:01:30Z",
        }
    ]
    if state == "RUNNING":  # As for as long as an image cannot be pulled.
        tasks.append({"display_name": "Trainer", "state": "PENDING"})
    if state == "FAILED":
        error = {"code": 2, "message": "the loss is NaN"}
        tasks.append({"display_name": "Trainer", "state": state, "error": error})
    return {"task_details": tasks}
