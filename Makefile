# `make help` lists the targets. The two that matter: `make demo`, `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo demo-cluster test lint crds upgrade-fixtures control-plane cluster bench clean
.PHONY: chart-readme pictures verify-chart verify-ksm verify verify-examples verify-site verify-getting-started verify-backup verify-audit verify-kills verify-import-kills verify-stores verify-traces verify-corpora verify-kstatus verify-load verify-takeover verify-shards verify-pdf verify-spreadsheet verify-fuzz verify-image verify-bench image sbom

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | \
		awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: ## Run the whole system on this machine: emulator, operator, 200 candidates
	@echo 'building (a few minutes the first time)'
	@$(CARGO) build --bins
	@$(TARGET_DIR)/debug/clinch-operator demo

demo-cluster: control-plane ## The same against a real API server
	@$(CARGO) build --bins
	@$(TARGET_DIR)/debug/clinch-operator demo --cluster

test: ## What CI runs: format, lint, and every test; starts a real API server if it can be built
	@hack/test.sh

# One after the other, whatever `-j` says: load and bench measure time.
verify: ## What takes too long for CI, about three hours; docs/VERIFICATION.md has the last results
	@for part in examples site getting-started backup audit kstatus chart ksm kills import-kills stores traces corpora pdf spreadsheet fuzz image load takeover shards bench; do $(MAKE) verify-$$part || exit 1; done

verify-examples: ## The quickstart and the pictures are what their scripts write (needs Python 3)
	@hack/verify.sh examples

verify-site: ## The pages of the documentation as a site, with every link in it (needs Python 3)
	@hack/verify.sh site

verify-getting-started: control-plane ## The commands of docs/GETTING_STARTED.md on a real API server (needs Python 3)
	@hack/verify.sh getting-started

verify-backup: control-plane ## The commands of docs/BACKUP.md on two real API servers, with Helm (needs Python 3 and Go)
	@hack/verify.sh backup

verify-kills: ## 200 kills of a process at random instants, 20 races of two processes
	@hack/verify.sh kills

verify-import-kills: ## 200 kills of a process that imports, for each kind of sink
	@hack/verify.sh import-kills

verify-stores: ## Sources, files, reports, ledgers and sinks in five object stores of other authors (needs Python 3, Node.js and Go)
	@hack/verify.sh stores

verify-traces: ## Traces, read by the collector of the OpenTelemetry project (needs Go)
	@hack/verify.sh traces

verify-corpora: control-plane ## The offline and pipeline tests with eight times the people and cases
	@hack/verify.sh corpora

verify-load: control-plane ## The whole suite three times beside busy loops
	@hack/verify.sh load

verify-takeover: control-plane ## How long it takes until another process works, with two and three real ones
	@hack/verify.sh takeover

verify-shards: control-plane ## 3 x 1,000 exports on one process and on three shards
	@hack/verify.sh shards

verify-pdf: ## PDF documents, read by veraPDF and poppler (needs Java, Maven, pdftotext and fonts)
	@hack/verify.sh pdf

verify-spreadsheet: ## A CSV file of the operator, read by LibreOffice (needs Python 3 and libreoffice-calc)
	@hack/verify.sh spreadsheet

verify-fuzz: ## Each fuzz target for five minutes (needs a C++ compiler and Python 3)
	@hack/verify.sh fuzz

verify-bench: control-plane ## The benchmarks, with the count of bars that are met
	@hack/verify.sh bench

verify-image: ## The image twice with the same bytes, in an empty root and in a registry (needs musl-tools, Python 3, jq and Go)
	@hack/verify.sh image

image: ## The operator as one static program, and an OCI image of it (needs musl-tools and Python 3)
	@hack/image.sh

sbom: ## The bill of materials of the image's program (CycloneDX; needs jq)
	@hack/sbom.sh

verify-kstatus: ## The recorded shapes of status, read by the kstatus of Flux and Helm (needs Go)
	@hack/verify.sh kstatus

verify-audit: ## Licences, sources and advisories of every dependency, and the bill of materials (needs jq)
	@hack/verify.sh audit

lint: ## Format check and clippy only
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings

crds: ## Regenerate crds/, the chart's copies and docs/reference/ from the types
	$(CARGO) run --quiet -- crds --dir crds
	$(CARGO) run --quiet -- crds --reference docs/reference
	mkdir -p charts/clinch-operator/crds
	cp crds/*.yaml charts/clinch-operator/crds/

pictures: ## Draw the pictures of docs/CONCEPTS.md again, and what the demo prints (needs Python 3)
	@hack/diagrams.py
	@$(CARGO) build --bins
	@hack/demo-svg.py $(TARGET_DIR)/debug

chart-readme: ## Write the chart's README again, from its values
	@WRITE_CHART_README=1 $(CARGO) test --quiet --test offline the_charts_readme

verify-chart: control-plane ## The chart with real Helm, kube-score, kubeconform, promtool and Kustomize (needs Go and Python 3; promtool or apt)
	@hack/verify.sh chart

verify-ksm: control-plane ## The configuration of kube-state-metrics, read by it and by Prometheus (needs Go and Python 3; prometheus or apt)
	@hack/verify.sh ksm

upgrade-fixtures: control-plane ## Make tests/data/upgrade-imports again, at the commit that it is to cover
	@mkdir -p tests/data/upgrade-imports/crds && cp crds/*.yaml tests/data/upgrade-imports/crds/
	@$(CARGO) test --test local makes_the_fixtures -- --ignored
	@KUBEBUILDER_ASSETS=$$(hack/control-plane.sh --print-only | tail -n 1) \
		$(CARGO) test --test cluster makes_the_fixtures -- --ignored

control-plane: ## Provide kube-apiserver, etcd and kubectl (KUBEBUILDER_ASSETS, else built and cached)
	@hack/control-plane.sh

cluster: control-plane ## Start a real API server in the foreground; Ctrl-C stops it
	@$(CARGO) run --quiet --bin clinch-control-plane

bench: ## Run the benchmarks of docs/BENCHMARKS.md
	@hack/bench.sh

clean: ## Remove build output and the demo's state
	$(CARGO) clean
	rm -rf .demo
