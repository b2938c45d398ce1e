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
BENCH ?=
CONSOLE = devices/web
BOARD_TYPES = dashboards/types

.PHONY: help run build licenses vuln pins console console-test boards-test test tools check fuzz benchmarks bench alarm-proof clean

help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

run: build ## build and start the whole city with 40 simulated devices
	./haidang up --simulate $(DEVICES)

build: console licenses ## build ./haidang, a static binary with the console in it
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X github.com/haidang-iot/haidang/cmd/terminal.Version=$(VERSION)' -o haidang .

licenses: console ## gather the licences of what is in haidang, and hold them to the list of those allowed
	go run ./cmd/licenses/collect

console: $(CONSOLE)/dist/index.html ## build the console's pages (needs Node.js)

$(CONSOLE)/dist/index.html: $(shell git ls-files '$(CONSOLE)/src' '$(CONSOLE)/public' '$(CONSOLE)/*.json' '$(CONSOLE)/*.ts' '$(CONSOLE)/*.html' 2>/dev/null)
	@if command -v npm >/dev/null; then \
		cd $(CONSOLE) && npm ci --no-audit --no-fund && npm run build; \
	else \
		echo "Node.js is not installed: haidang is built without its console. apt-get install nodejs npm, then make build."; \
	fi

vuln: ## look for known vulnerabilities in what haidang calls; says loudly where their database cannot be reached
	@./deploy/vuln.sh

pins: ## which images of deploy/ are pinned by digest; deploy/pins.sh pin writes the digests
	@./deploy/pins.sh

tools: ## install the real servers that tests need
	@./deploy/install-tools.sh

# One compile serves all: vet and staticcheck read what `go test` needs anyway,
# if they are told of the race detector too. Vet is off in `go test` because it
# has run in full. What only computes is run without the race detector, as the
# program for deploy/e2e is compiled: see realserver.Plain.
test: tools console-test boards-test ## the console's and the boards' tests, vet, staticcheck and all tests with the race detector
	@race=$$(./deploy/race-flag.sh); \
	staticcheck=$$(go tool -n staticcheck); \
	echo "==> go vet"; \
	go vet $$race ./...; \
	echo "==> staticcheck"; \
	GOFLAGS="$$(go env GOFLAGS) $$race" "$$staticcheck" ./...; \
	echo "==> go test $$race"; \
	HAIDANG_PLAIN_PASS=$$race go test $$race -vet=off -timeout 20m ./...; \
	if [ -n "$$race" ]; then \
		echo "==> go test, without the race detector: what only computes"; \
		plain() { grep -r "$$@" --include='*_test.go' 'realserver\.Plain(t)' cmd dashboards devices ingest simulator; }; \
		names=$$(plain -h -B1 | sed -nE 's/^func (Test[A-Za-z0-9]+)\(.*/\1/p' | paste -sd'|'); \
		[ "$$(plain -h | wc -l)" = "$$(tr '|' '\n' <<<"$$names" | wc -l)" ] || { echo "realserver.Plain(t) must be the first line of its test, or no pass runs it"; exit 1; }; \
		CGO_ENABLED=0 go test -trimpath -vet=off -timeout 20m -run "^($$names)$$" $$(plain -l | xargs -n1 dirname | sort -u | sed 's,^,./,'); \
	fi

# It also builds the console, which `go test` then has in the program: the tests
# of deploy/e2e drive a browser against that.
console-test: ## types, unit and browser tests of the console
	@if command -v npm >/dev/null; then \
		echo "==> console"; \
		cd $(CONSOLE); npm ci --no-audit --no-fund; npm run check; npm run test:unit; \
		if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then \
			npm run test:browser; \
		elif [ "$${CI:-}" = true ]; then \
			echo "Chromium is not installed, and CI=true allows no skip: apt-get install chromium"; exit 1; \
		else \
			npm run build; echo "==> console: not tested in a browser, Chromium is not installed"; \
		fi; \
	elif [ "$${CI:-}" = true ]; then \
		echo "Node.js is not installed, and CI=true allows no skip: apt-get install nodejs npm"; exit 1; \
	else \
		echo "==> console: not tested, Node.js is not installed"; \
	fi

# With the race detector, because `test` compiles everything so: without it, a
# fresh machine would compile Prometheus a second time for these three packages.
boards-test: ## hold boards, rules and playlists to Grafana's published types
	@if command -v npm >/dev/null; then \
		echo "==> boards"; \
		go test $$(./deploy/race-flag.sh) -vet=off -run '^TestForms$$' ./dashboards ./dashboards/rules ./dashboards/grafana -forms '$(CURDIR)/$(BOARD_TYPES)/forms'; \
		cd $(BOARD_TYPES); npm ci --no-audit --no-fund; npm run check; \
	elif [ "$${CI:-}" = true ]; then \
		echo "Node.js is not installed, and CI=true allows no skip: apt-get install nodejs npm"; exit 1; \
	else \
		echo "==> boards: types not checked, Node.js is not installed"; \
	fi

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

benchmarks: ## run Go's benchmarks of the parts; BENCH selects
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...

bench: build ## measure the whole beside Telegraf, VictoriaMetrics and InfluxDB, and write deploy/bench/README.md; hours. BENCH=-quick: minutes
	@./deploy/install-tools.sh bench
	go run ./deploy/bench -write -tools '$(HAIDANG_TOOLS)' $(BENCH)

alarm-proof: ## score the rules in all scenarios at two cadences and with losses; minutes of processor time
	HAIDANG_ALARM_PROOF=all go test -timeout 60m ./cmd/simulation -run TestAlarmProof -v

clean: ## remove the binary
	rm -f haidang
