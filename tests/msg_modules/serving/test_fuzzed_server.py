"""`msg-gan serve` is asked what its own description allows, and what it does not."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import positive_data_acceptance
from server_process import Server

pytest.importorskip("fastapi")
pytestmark = pytest.mark.slow


# A model's name, the length of its latents and the limits are not in the description.
EXCLUDED = [positive_data_acceptance]
OPERATIONS = [
    ("GET", "/v1/models/{name}"),
    ("GET", "/v1/models/{name}/metadata"),
    ("POST", "/v1/models/{name}:predict"),
    ("GET", "/sample.png"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def description(server: Server) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_all_that_is_described_is_asked(description: schemathesis.BaseSchema):
    described = [result.ok() for result in description.get_all_operations()]
    assert {(one.method.upper(), one.path) for one in described} == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described(
    server: Server,
    description: schemathesis.BaseSchema,
    method: str,
    path: str,
    mode: schemathesis.GenerationMode,
):
    operation = description[path][method]
    is_asked_for_nothing = path in ("/healthz", "/metrics")
    if mode == schemathesis.GenerationMode.NEGATIVE and is_asked_for_nothing:
        pytest.skip("there is nothing to get wrong")

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=30,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=EXCLUDED)
        if mode == schemathesis.GenerationMode.POSITIVE and case.path_parameters:
            case.path_parameters["name"] = "msg_gan"
            case.call_and_validate(excluded_checks=EXCLUDED)

    ask()

    assert server.process.poll() is None
