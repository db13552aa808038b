SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X mmsdispatch/internal/telemetry.version=$(VERSION)
# One set of flags, so that nothing is compiled twice.
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
TOOL    := go tool -modfile=tools/go.mod

# What to run and for how long, to be set on the command line: make test PKG=./internal/ledger/... RUN=Accept
PKG          ?= ./...
RUN          ?= .
COUNT        ?= 3
TEST_TIMEOUT ?= 15m
FUZZTIME     ?= 10s
WORKERS      ?= 3

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} /^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Run

.PHONY: dev
dev: ## Run api, worker, simulator and Redis in one process; needs nothing but Go
	$(BUILD) -o bin/ ./cmd/mmsctl && exec bin/mmsctl dev

.PHONY: build
build: ## Build static binaries into bin/
	$(BUILD) -o bin/ ./cmd/...

.PHONY: image
image: ## Build the container image mmsdispatch:$(VERSION)
	DOCKER_BUILDKIT=1 docker build -f deploy/Dockerfile --build-arg VERSION=$(VERSION) -t mmsdispatch:$(VERSION) -t mmsdispatch:latest .

.PHONY: up
up: .env ## Run the whole stack in containers (WORKERS=3)
	docker compose up --build --scale worker=$(WORKERS)

.env:
	scripts/new-env .env

## Test

.PHONY: test
test: ## Run every test with the race detector; installs what is missing
	@scripts/install-test-deps
	go test -race -shuffle=on -vet=off -ldflags=-w -timeout $(TEST_TIMEOUT) -run '$(RUN)' $(PKG)

.PHONY: chaos
chaos: ## Kill, freeze and cut things off, and count the accepted calls (10 minutes a test, 40 in all)
	@scripts/install-test-deps
	go test -count=1 -parallel 2 -timeout 60m -v ./test/chaos -args -chaos.for=10m -chaos.clocks

.PHONY: screenshots
screenshots: ## Write the pictures of the documentation, docs/images
	@scripts/install-test-deps
	SCREENSHOTS=1 go test -count=1 -vet=off -v -run TestScreenshots ./test/browser

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME each
	scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure speed beside baselines, COUNT runs each, and write docs/benchmarks.md (16 minutes a run)
	@scripts/install-test-deps
	scripts/bench $(COUNT)

## Check

.PHONY: lint
lint: ## Run all linters, check the formatting and look for functions that nothing calls
	$(TOOL) golangci-lint run
	scripts/blank-lines
	scripts/deadcode

.PHONY: verify
verify: ## Check that go.mod is tidy, generated files are current and scripts are sound
	go mod tidy -diff
	cd tools && go mod tidy -diff
	scripts/verify-generated
	scripts/shellcheck
	scripts/check-proxies
	scripts/check-alerts
	scripts/check-manifests

.PHONY: reproducible
reproducible: ## Build the programs twice and compare them (CLEAN=1: without the build cache)
	VERSION=$(VERSION) scripts/reproducible $(if $(CLEAN),--clean)

.PHONY: sbom
sbom: ## List the modules of the programs in dist/, as CycloneDX
	VERSION=$(VERSION) scripts/sbom

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is really called (GOVULNDB=url of the database)
	scripts/vuln

## Change

.PHONY: fmt
fmt: ## Format all Go files
	$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## Write the generated files
	go generate ./...

.PHONY: pin
pin: ## Write the digests of the images beside their tags; needs docker
	scripts/pin-images

.PHONY: tidy
tidy: ## Tidy both modules
	go mod tidy
	cd tools && go mod tidy
