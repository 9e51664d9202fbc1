# What can be done here. Every recipe is a script in scripts/; `make help` says what each one is for.
.DEFAULT_GOAL := help
.SILENT:
.PHONY: help setup prefetch prefetch-kubernetes demo demo-kubernetes demo-down test test-fast test-kubernetes lint bench docs clean

help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: Debian packages (root), uv, .venv; under 1 s when all is there
	scripts/setup

prefetch: setup ## build machine and database images and the S3 server ahead (2 to 4 minutes once)
	scripts/prefetch

prefetch-kubernetes: setup ## build Kubernetes and its images from source ahead (22 CPU-minutes once; goes on after a break)
	scripts/kubernetes prefetch

demo: ## raise the example castle, destroy it, bring it back, prove that nothing is missing (root; 5 minutes cold)
	scripts/demo

demo-kubernetes: ## the same story on a real Kubernetes cluster with GitOps (root; 30 minutes cold, 3 when built)
	scripts/demo-kubernetes

demo-down: ## remove every trace of the demos' castles
	scripts/demo-down here
	scripts/demo-down tazlab

test: setup ## unit tests on two processes, then tests on real machines (root)
	scripts/test

test-fast: setup ## unit tests only; no root needed
	scripts/test --fast

test-kubernetes: setup ## tests on real Kubernetes (root); builds it first
	scripts/test --kubernetes

lint: setup ## ruff, mypy and the layer contracts
	scripts/lint

bench: setup ## measure what is promised, print each figure beside its goal, write build/bench.json (root)
	scripts/bench

docs: setup ## write the reference pages again from the code
	scripts/docs

clean: ## remove what was made in this checkout; `scripts/clean --cache` also drops images and the S3 server
	scripts/clean
