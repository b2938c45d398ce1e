# Hải Đăng's commands. `make` lists them.
#
# Whatever they build or install on the way lives outside this tree: Go's own
# caches, and HAIDANG_TOOLS for servers that only tests need.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export HAIDANG_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/haidang-tools

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
DEVICES ?= 40
FUZZTIME ?= 20s
BENCH ?= .

.PHONY: help run build test tools check fuzz bench clean

help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

run: build ## build and start the whole city with 40 simulated devices
	./haidang up --simulate $(DEVICES)

build: ## build ./haidang, a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o haidang .

tools: ## install the real servers that tests need
	@./deploy/install-tools.sh

# One compile serves all: vet and staticcheck read what `go test` needs anyway,
# if they are told of the race detector too. Vet is off in `go test` because it
# has run in full.
test: tools ## vet, staticcheck and all tests with the race detector
	@race=$$(./deploy/race-flag.sh); \
	staticcheck=$$(go tool -n staticcheck); \
	echo "==> go vet"; \
	go vet $$race ./...; \
	echo "==> staticcheck"; \
	GOFLAGS="$$(go env GOFLAGS) $$race" "$$staticcheck" ./...; \
	echo "==> go test $$race"; \
	go test $$race -vet=off -timeout 20m ./...

check: ## vet, staticcheck and quick tests: what to run while working
	go vet ./...
	go tool staticcheck ./...
	go test -short -vet=off ./...

fuzz: ## fuzz each target for FUZZTIME (20s)
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | while IFS=: read -r file _ name; do \
		name=$${name#func }; \
		echo "==> $$name in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	done

bench: ## run the benchmarks; BENCH selects
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

clean: ## remove the binary
	rm -f haidang
