# The project's commands. Bare `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install demo test unit integration test-iac test-charts test-cluster check format docs lock images up down bench-gateway bench-soak bench-cache bench-knowledge bench-tenants bench-agents

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Install what is missing, from the lock files (PYTHON=…: of this Python and no other)
	@$(PYTHON) local/install.py $(if $(filter file,$(origin PYTHON)),,--this-python)

demo: install ## Start the platform and tell its story end to end (ONCE=1: then stop)
	@$(BIN)/python -m scenarios.demo $(if $(ONCE),--once)

test: install ## All tests that need no Docker
	@$(BIN)/python -m pytest

unit: install ## The tests that need no server
	@$(BIN)/python -m pytest tests/unit

integration: install ## The tests on real servers
	@$(BIN)/python -m pytest tests/integration tests/contract

check: install ## Format, lint, types, import contracts, generated files up to date
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m docs.generate --check

format: install ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: install ## Generate the reference pages
	@$(BIN)/python -m docs.generate

lock: install ## Lock every dependency, with hashes (UPGRADE=1: take the newest versions)
	@$(BIN)/python local/lock.py $(if $(UPGRADE),--upgrade)

images: install ## Build every context's image and tell its size (BASE=image: on another base)
	@$(BIN)/python -m local.images $(if $(BASE),--base $(BASE))

up: install ## Start the platform in the background
	@$(BIN)/dcoder up --detach

down: ## Stop it
	@$(BIN)/dcoder down

bench-gateway: install ## The gateway beside Portkey, LiteLLM and MLflow, in ratios (needs some minutes)
	@$(BIN)/python -m scenarios.load.gateway

bench-soak: install ## What becomes of the gateway's memory and descriptors (REQUESTS=20000: fewer than 200,000)
	@$(BIN)/python -m scenarios.load.gateway --soak $(or $(REQUESTS),200000)

bench-cache: install ## What the cache saves a hundred people who repeat each other (a minute)
	@$(BIN)/python -m scenarios.load.cache_hits

bench-knowledge: install ## Retrieval's quality, search over 100,000 chunks, ingestion of 1,000 documents (embeds for long at first)
	@$(BIN)/python -m scenarios.quality.retrieval
	@$(BIN)/python -m scenarios.load.search
	@$(BIN)/python -m scenarios.load.ingestion

bench-tenants: install ## A thousand tenants: provisioning, listing, migrating (TENANTS=100: fewer; needs 10 GB)
	@$(BIN)/python -m scenarios.load.tenants $(if $(TENANTS),--tenants $(TENANTS))

bench-agents: install ## Agents beside bare Temporal and bare LangGraph, and how soon one is begun (three minutes)
	@$(BIN)/python -m scenarios.load.agents

test-charts: install ## Helm charts with the values of every stack (needs their repositories, or MIRROR=URL; Go where Helm is missing)
	@DCODER_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/iac/test_charts.py tests/iac/test_helm.py
	@$(BIN)/python -m local.cluster.charts $(if $(MIRROR),--mirror $(MIRROR))

test-cluster: install ## The dev stack on a real API server, by Pulumi (needs Go and etcd; an hour or two the first time)
	@$(BIN)/python -m iac.crds > /dev/null
	@$(BIN)/python -m local.cluster.toolchain
	@DCODER_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/cluster

test-iac: install ## The infrastructure program: its objects against Kubernetes' and every operator's schemas (needs Go once)
	@$(BIN)/python -m iac.crds > /dev/null
	@$(BIN)/python -m pytest tests/iac
