# `make help` lists the targets. The two that matter: `make demo`, `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo demo-cluster test lint crds control-plane cluster bench audit image-binary clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | \
		awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: ## Run the whole system on this machine: emulator, operator, 200 candidates
	@echo 'building (a few minutes the first time)'
	@$(CARGO) build --quiet --bins
	@$(TARGET_DIR)/debug/clinch-operator demo

demo-cluster: control-plane ## The same against a real API server
	@$(CARGO) build --quiet --bins
	@$(TARGET_DIR)/debug/clinch-operator demo --cluster

test: ## Format, lint, and every test; boots a real API server where it can be had
	@hack/test.sh

lint: ## Format check and clippy only
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings

crds: ## Regenerate crds/, and the chart's copies, from the types
	$(CARGO) run --quiet -- crds --dir crds
	mkdir -p charts/clinch-operator/crds
	cp crds/*.yaml charts/clinch-operator/crds/

control-plane: ## Provide kube-apiserver, etcd and kubectl (KUBEBUILDER_ASSETS, else built and cached)
	@hack/control-plane.sh

cluster: control-plane ## Start a real API server in the foreground; Ctrl-C stops it
	@$(CARGO) run --quiet --bin clinch-control-plane

bench: ## Run the benchmarks of docs/BENCHMARKS.md
	@hack/bench.sh

audit: ## Check advisories, licences and sources of every dependency
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --quiet cargo-deny
	$(CARGO) deny check

clean: ## Remove build output and the demo's state
	$(CARGO) clean
	rm -rf .demo
