"""The image's recipe, the manifests and the compose file, as far as they can be checked
without Docker and Kubernetes."""

from __future__ import annotations

import http.server
import importlib.metadata
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
from typing import Any

import kubernetes_validate
import pod_security
import pytest
import yaml

from pipeline.kubeflow import job_objects
from pipeline.kubeflow.configs import KubeflowConfig

REPOSITORY = pathlib.Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))
MANIFESTS = sorted(
    path for path in DEPLOY.rglob("kubernetes/*.yaml") if path not in KUSTOMIZATIONS
)
COMPOSE = DEPLOY / "serving" / "compose.yaml"
KSERVE = DEPLOY / "serving" / "kserve" / "inference-service.yaml"
# Tested with the jobs, in test_kubeflow_job_objects.py.
RUNTIME = DEPLOY / "kubernetes" / "trainer" / "runtime.yaml"


def _documents(path: pathlib.Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def _one(kind: str) -> dict[str, Any]:
    (found,) = (d for p in MANIFESTS for d in _documents(p) if d["kind"] == kind)
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_fit_kubernetes_schemas(path: pathlib.Path) -> None:
    for document in _documents(path):
        kubernetes_validate.validate(
            document, kubernetes_validate.latest_version(), strict=True
        )


def _deployed_server() -> dict[str, Any]:
    (container,) = _one("Deployment")["spec"]["template"]["spec"]["containers"]
    return container


def _inference_service() -> dict[str, Any]:
    (document,) = _documents(KSERVE)
    return document


def _inference_pod() -> dict[str, Any]:
    """The pod that KServe makes of the InferenceService."""
    predictor = _inference_service()["spec"]["predictor"]
    own = {"model", "minReplicas", "maxReplicas"}
    pod = {key: value for key, value in predictor.items() if key not in own}
    model = predictor["model"]
    container = {
        "name": "kserve-container",
        "image": f"tensorflow/serving:{model['runtimeVersion']}",
        "resources": model["resources"],
        "securityContext": model["securityContext"],
    }
    return {**pod, "containers": [container]}


def _composed_server() -> dict[str, Any]:
    (document,) = _documents(COMPOSE)
    return document["services"]["serving"]


def test_all_manifests_are_tested() -> None:
    found = {*MANIFESTS, *KUSTOMIZATIONS, COMPOSE, KSERVE, RUNTIME}
    assert found == set(DEPLOY.rglob("*.yaml"))


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_kustomize_builds(path: pathlib.Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed here")
    built = subprocess.run(
        ["kubectl", "kustomize", path.parent],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(
        document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "msg-gan"
        for document in yaml.safe_load_all(built)
    )


def test_the_compose_file_fits_composes_schema() -> None:
    check = pathlib.Path(sys.executable).with_name("check-jsonschema")
    subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", COMPOSE], check=True
    )


def test_the_inference_service_is_kserves() -> None:
    """Its custom resource's fields; KServe's models would bring its whole server."""
    document = _inference_service()
    assert document["apiVersion"] == "serving.kserve.io/v1beta1"
    assert document["kind"] == "InferenceService"
    # A label of DNS, and the name that the model has in paths.
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", document["metadata"]["name"])
    assert set(document["spec"]) == {"predictor"}
    predictor = document["spec"]["predictor"]
    assert predictor["model"]["modelFormat"] == {"name": "tensorflow", "version": "2"}
    known = {
        "modelFormat",
        "protocolVersion",
        "resources",
        "runtimeVersion",
        "securityContext",
        "storageUri",
    }
    assert set(predictor["model"]) <= known
    kubernetes_validate.validate(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": document["metadata"],
            "spec": _inference_pod(),
        },
        kubernetes_validate.latest_version(),
        strict=True,
    )


def test_all_servers_are_the_same_tensorflow_serving() -> None:
    (image,) = {_deployed_server()["image"], _composed_server()["image"]}
    model = _inference_service()["spec"]["predictor"]["model"]
    assert image == f"tensorflow/serving:{model['runtimeVersion']}"
    # Of the TensorFlow that writes the models.
    installed = importlib.metadata.version("tensorflow-serving-api")
    assert image.split(":")[1].split(".")[0] == installed.split(".")[0]


def test_all_servers_serve_the_directory_that_is_pushed_to() -> None:
    config = KubeflowConfig()
    model = _inference_service()["spec"]["predictor"]["model"]
    assert model["storageUri"] == f"pvc://{config.volume_claim}/serving"
    assert (
        f"--model_base_path={config.mount_path}/serving" in (_deployed_server()["args"])
    )
    server = _composed_server()
    (volume,) = server["volumes"]
    # The image's script looks there.
    assert volume["target"] == f"/models/{server['environment']['MODEL_NAME']}"
    assert volume["read_only"]
    source = re.fullmatch(r"\$\{SERVING_DIR:-(.+)\}", volume["source"])
    assert source
    serving_dir = (COMPOSE.parent / source[1]).resolve()
    assert serving_dir == REPOSITORY / "output" / "quickstart" / "serving"


def test_ports_and_names_are_those_that_clients_ask_for() -> None:
    server = _deployed_server()
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports == {"grpc": 8500, "http": 8501}
    assert server["command"][1:] == ["--port=8500", "--rest_api_port=8501"]
    assert "--model_name=msg_gan" in server["args"]
    assert server["readinessProbe"]["httpGet"]["path"] == "/v1/models/msg_gan"
    composed = _composed_server()
    assert composed["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    assert composed["environment"]["MODEL_NAME"] == "msg_gan"
    for name, port in (("rest", 8501), ("grpc", 8500)):
        client = (REPOSITORY / "examples" / f"{name}_client.py").read_text()
        assert f"127.0.0.1:{port}" in client
        assert '"--model", default="msg_gan"' in client


def test_the_guide_to_serving_names_what_is_there() -> None:
    guide = (REPOSITORY / "docs" / "serving.md").read_text()
    paths = re.findall(r"(?:deploy|examples)/[\w./-]+", guide)
    assert len(paths) >= 6
    assert all((REPOSITORY / path).exists() for path in paths)
    assert _composed_server()["image"] in guide
    assert f"target={_composed_server()['volumes'][0]['target']}" in guide
    assert re.findall(r"svc/(\S+)", guide) == [
        _one("Service")["metadata"]["name"],
        f"{_inference_service()['metadata']['name']}-predictor",
    ]


@pytest.mark.parametrize(
    ("state", "is_healthy"), [("AVAILABLE", True), ("LOADING", False), (None, False)]
)
def test_the_health_check_asks_for_the_models_state(
    state: str | None, is_healthy: bool
) -> None:
    asked = []

    class Serving(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            answer = {"model_version_status": [{"version": "1", "state": state}]}
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    how, *command = _composed_server()["healthcheck"]["test"]
    assert how == "CMD"
    with http.server.HTTPServer(("127.0.0.1", 0), Serving) as server:
        thread = threading.Thread(target=server.handle_request)
        if state:
            thread.start()
        else:
            server.server_close()
        here = [part.replace("/8501 ", f"/{server.server_port} ") for part in command]
        status = subprocess.run(here, stderr=subprocess.DEVNULL, timeout=30).returncode
        if state:
            thread.join()

    assert (status == 0) == is_healthy
    assert asked == (["/v1/models/msg_gan"] if state else [])


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_all_files_beside_it(path: pathlib.Path) -> None:
    (kustomization,) = _documents(path)
    beside = {p.name for p in path.parent.glob("*.yaml")} - {path.name}
    assert set(kustomization["resources"]) == beside


def test_manifests_and_defaults_name_the_same_things() -> None:
    config = KubeflowConfig()
    assert _one("PersistentVolumeClaim")["metadata"]["name"] == config.volume_claim
    pod = _one("Deployment")["spec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == config.volume_claim
    (server,) = pod["containers"]
    assert server["volumeMounts"][0]["mountPath"] == config.mount_path
    assert f"IMAGE ?= {config.image}\n" in (REPOSITORY / "Makefile").read_text()


@pytest.mark.parametrize("server", ["deployment", "kserve", "runtime"])
def test_pods_may_run_in_a_restricted_namespace(server: str) -> None:
    (runtime,) = _documents(RUNTIME)
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    pod = {
        "deployment": _one("Deployment")["spec"]["template"]["spec"],
        "kserve": _inference_pod(),
        "runtime": job["template"]["spec"]["template"]["spec"],
    }[server]
    assert not pod_security.violations(pod)
    assert not pod_security.writes_to_its_root(pod)
    assert pod["automountServiceAccountToken"] is False
    # So that an administrator can set it to false.
    assert not {"hostUsers", "hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    # Tensorflow Serving's image has no user of its own, and that of the steps has.
    own = {**pod["securityContext"], **pod["containers"][0]["securityContext"]}
    assert own.get("runAsUser", 0) == (0 if server == "runtime" else 65532)


def test_the_check_of_pods_finds_what_admission_refuses() -> None:
    server = _deployed_server()
    pod = {"hostNetwork": True, "volumes": [{"name": "root", "hostPath": {}}]}
    own = {**server["securityContext"], "privileged": True, "runAsUser": 0}
    found = pod_security.violations(
        {**pod, "containers": [{**server, "securityContext": own}]}
    )
    assert found == [
        "hostNetwork",
        "volume root",
        "serving: privileged",
        "serving: runAsNonRoot",
        "serving: runAsUser",
        "serving: seccompProfile",
    ]


def test_the_service_account_may_do_little() -> None:
    for rule in _one("Role")["rules"]:
        assert "*" not in rule["verbs"]
        assert "*" not in rule["resources"]
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"], "not every Secret of the namespace"


def test_the_service_account_may_run_the_trainers_jobs() -> None:
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in _one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for kind in job_objects.KINDS.values():
        assert granted[kind.group, kind.plural] == {"create", "get", "delete"}
    assert granted["", "pods"] == {"get", "list"}
    assert granted["", "pods/log"] == {"get"}


def test_the_dockerfile_has_no_known_fault() -> None:
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, DEPLOY / "Dockerfile"], check=True)


def test_what_the_image_is_built_from_is_sent_to_the_builder() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in copied} == {
        line for line in ignored if line.startswith("!")
    }
    assert all((REPOSITORY / source).exists() for source in copied)


def test_the_image_is_the_same_with_and_without_make() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    for name in ("PYTHON", "EXTRAS"):
        (default,) = re.findall(f'^ARG {name}="?([^"\n]+)', dockerfile, re.MULTILINE)
        assert f"{name} ?= {default}\n" in makefile
    (python,) = re.findall(r"^ARG PYTHON=(.+)", dockerfile, re.MULTILINE)
    guide = (REPOSITORY / "docs" / "kubeflow.md").read_text()
    assert f"export UV_PYTHON={python}\n" in guide


def test_make_starts_the_commands_that_the_guide_names() -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed here")
    for target, command in (
        ("image", "docker build --platform linux/amd64 --file deploy/Dockerfile"),
        ("compile", "kubeflow_runner.py compile --output pipeline.yaml"),
        ("submit", "kubeflow_runner.py submit --host http://localhost:8888"),
    ):
        shown = subprocess.run(
            ["make", "--dry-run", target],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert command in shown
