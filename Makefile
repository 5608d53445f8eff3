# Commands for Kubeflow; see docs/kubeflow.md. Override variables on the command line:
# `make push IMAGE=registry.example.com/msg-gan:0.1.0`.

IMAGE ?= msg-gan:0.1.0
EXTRAS ?= --extra kubeflow --extra serve
# Of the image and of the compiler, which must have the same TFX.
PYTHON ?= 3.13
PACKAGE ?= pipeline.yaml
HOST ?= http://localhost:8888
# Additional flags, such as FLAGS="--preset fashion_mnist".
FLAGS ?=

DOCKER ?= docker
RUNNER := uv run --python $(PYTHON) --extra kubeflow kubeflow_runner.py
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION = $(shell git rev-parse HEAD)

.PHONY: help image push compile submit

help:
	@echo "make image | push | compile | submit   (IMAGE=$(IMAGE) HOST=$(HOST))"

image:
	$(DOCKER) build --platform linux/amd64 --file deploy/Dockerfile --tag $(IMAGE) \
		--build-arg PYTHON=$(PYTHON) --build-arg EXTRAS="$(EXTRAS)" \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) .

push: image
	$(DOCKER) push $(IMAGE)

compile:
	$(RUNNER) compile --output $(PACKAGE) --kubeflow.image $(IMAGE) $(FLAGS)

submit:
	$(RUNNER) submit --host $(HOST) --package $(PACKAGE) $(FLAGS)
