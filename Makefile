# Everything a developer and CI run. `make help` lists the targets. Targets that write say so; the others never do.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Build products lie outside the clone, so that a second clone compiles only our own crates.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/firn
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CCACHE_DIR ?= $(CACHE)/ccache
export ANVIL_BIN ?= $(CURDIR)/contracts/node_modules/.bin/anvil
# RocksDB's C++ takes ten minutes and more; through ccache that is paid once. Looked up late: setup installs ccache.
ifeq ($(origin CXX),default)
CXX = $(if $(shell command -v ccache),ccache g++,g++)
endif
export CXX

CARGO := cargo
FORGE := node_modules/.bin/forge
FIRN := $(CARGO_TARGET_DIR)/debug/firn
SIM := $(CARGO_TARGET_DIR)/debug/firn-sim
RELEASE := $(CARGO_TARGET_DIR)/release

# Always the whole workspace: cargo resolves features per command, and another selection rebuilds dependencies.
# Always all targets: test dependencies add features to shared ones, so that demo and test would differ.
WORKSPACE := --workspace --locked
BUILD := build $(WORKSPACE) --all-targets

# What `make bench` runs: examples of the workspace by name, and the contracts' gas figures.
BENCHES := vault aggregate evaluate end_to_end regions throughput epochs

say = @printf '\n==> %s\n' '$(1)' >&2

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this machine (packages, node modules, nextest)
	@scripts/setup

.PHONY: build
build: setup ## compile the workspace, tests included
	$(call say,build)
	@$(CARGO) $(BUILD)

.PHONY: demo
demo: build ## the network at work (five nodes, deaths, rules, an audit), and the life of a slash under its contracts: two minutes
	$(call say,demo)
	@$(FIRN) devnet demo
	$(call say,life)
	@$(FIRN) devnet life --core $(CORE)

.PHONY: test
test: setup fmt-check lint contracts-check contracts-test build unit sim fuzz mutants-tenth coverage ## everything CI checks, in CI's order

.PHONY: check
check: setup fmt-check lint contracts-check ## formatting, lints, contract artifacts; writes nothing

.PHONY: fix
fix: setup fmt contracts ## format, apply clippy's suggestions, rebuild contract artifacts; writes
	$(call say,clippy --fix)
	@$(CARGO) clippy $(WORKSPACE) --all-targets --fix --allow-dirty --allow-staged

.PHONY: fmt
fmt: ## format the Rust code; writes
	@$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: ## is the Rust code formatted?
	$(call say,format)
	@$(CARGO) fmt --all --check || { echo 'not formatted; run: make fmt' >&2; exit 1; }

.PHONY: lint
lint: ## clippy over all targets, warnings are errors
	$(call say,clippy)
	@$(CARGO) clippy $(WORKSPACE) --all-targets -- -D warnings

.PHONY: unit
unit: setup ## Rust tests only, end-to-end ones included
	$(call say,tests)
	@$(CARGO) test --quiet $(WORKSPACE) --test stack -- --list >/dev/null # says so where namespaces are missing
	@$(CARGO) nextest run $(WORKSPACE)

.PHONY: coverage
coverage: ## the requirements of the threat model and how many tests have each
	$(call say,requirements)
	@scripts/coverage

.PHONY: mutants
mutants: build ## break safety code on purpose, a variant at a time, and see its test fail; half an hour and more
	$(call say,mutants)
	@$(CARGO_TARGET_DIR)/debug/examples/mutants $(ONLY)

.PHONY: mutants-tenth
mutants-tenth: build ## the tenth of them that the commit picks
	$(call say,mutants)
	@$(CARGO_TARGET_DIR)/debug/examples/mutants --tenth

.PHONY: fuzz
fuzz: setup ## coverage-guided fuzzing of every decoder in proto, SECONDS=10 each
	$(call say,fuzz)
	@scripts/fuzz $(SECONDS)

.PHONY: soak-stack
soak-stack: build ## 200 kills of real nodes under traffic; writes tests/reports/kills.txt
	$(call say,kills)
	@FIRN_REQUIRE_NAMESPACES=1 FIRN_STACK_KILLS=$(or $(KILLS),200) FIRN_STACK_REPORT=$(CURDIR)/tests/reports/kills.txt \
		$(CARGO) test $(WORKSPACE) --test stack -- killed

.PHONY: soak-epochs
soak-epochs: build ## 200 kills of real nodes in refreshes and resharings; writes tests/reports/epochs.1.txt and epochs.2.txt
	$(call say,kills in refreshes)
	@FIRN_EPOCH_KILLS=100 FIRN_EPOCH_REPORT=$(CURDIR)/tests/reports/epochs.txt \
		$(CARGO) test $(WORKSPACE) --test e2e -- d1_a_member_killed

# How long `make fuzz` takes for each target. Not the shell's own variable of that name.
SECONDS := 10

# Whose release of EigenLayer's core `make demo` plays: v1.8, v1.9 or v1.13.
CORE ?= v1.13

# How long `make swarm` and `make soak` look for failures, in all.
TIME ?= 10m

.PHONY: sim
sim: build ## all scenarios and the corpus twice, every crash point, 600 seeds of the commit; ten minutes
	$(call say,scenarios and corpus)
	@$(SIM) run sim/scenarios sim/corpus --twice
	$(call say,crash points)
	@$(SIM) run sim/scenarios/two-requests.toml --crash-points
	@$(SIM) run sim/scenarios/refresh-of-three.toml --crash-points
	@$(SIM) run sim/scenarios/repair-of-three.toml --crash-points
	$(call say,swarm)
	@$(SIM) swarm --seeds 600 --from-commit --corpus '$(CARGO_TARGET_DIR)/failures'

.PHONY: sim-release
sim-release: setup # the simulator as fast as it gets; it needs few crates of the workspace
	@$(CARGO) build --release --locked --package firn-sim

.PHONY: swarm
swarm: sim-release ## seeds never run before for TIME=10m; shrunk failures go to sim/corpus; writes
	@$(RELEASE)/firn-sim swarm --seeds 1000000000 --seed "$$(date +%s)000000" --time-limit $(TIME) --corpus sim/corpus

.PHONY: soak
soak: sim-release ## seeds for TIME=10m, going on where the last soak ended: sums in sim/soak.toml; writes
	@$(RELEASE)/firn-sim swarm --seeds 1000000000 --tally sim/soak.toml --time-limit $(TIME) --corpus sim/corpus

.PHONY: contracts
contracts: setup ## compile the contracts and rewrite contracts/artifacts; writes
	$(call say,contracts)
	@cd contracts && node build.js

.PHONY: contracts-check
contracts-check: ## do the committed artifacts match the Solidity sources?
	$(call say,contract artifacts)
	@node contracts/build.js --check || { echo 'artifacts differ from the sources; run: make contracts' >&2; exit 1; }

.PHONY: contracts-test
contracts-test: ## Solidity tests
	$(call say,contract tests)
	@cd contracts && FOUNDRY_PROFILE=quick $(FORGE) test

.PHONY: contracts-mutants
contracts-mutants: ## Solidity tests on wrong contracts, one change at a time: all have to be noticed
	$(call say,contract mutants)
	@cd contracts && node tools/mutants.js

.PHONY: bench
bench: setup ## the figures: gas, vault, evaluation, end to end, memory
	$(call say,gas)
	@cd contracts && npm run --silent gas
	$(call say,release build)
	@$(CARGO) build --release $(WORKSPACE) --bins --examples
	@for bench in $(BENCHES); do printf '\n==> %s\n' "$$bench" >&2; $(RELEASE)/examples/$$bench; done

.PHONY: deny
deny: ## licences, sources and duplicates of the dependencies, by cargo-deny if installed
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing; run (four minutes): cargo install --locked cargo-deny' >&2; exit 1; }
	@$(CARGO) deny --workspace --locked check bans licenses sources

.PHONY: advisories
advisories: ## known vulnerabilities of the dependencies, by cargo-deny; needs the network
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing; run (four minutes): cargo install --locked cargo-deny' >&2; exit 1; }
	@$(CARGO) deny --workspace --locked check advisories

.PHONY: env
env: ## settings for a shell of your own, with firn on the path: eval "$(make -s env)"
	@printf 'export %s=%q\n' CARGO_TARGET_DIR "$$CARGO_TARGET_DIR" CCACHE_DIR "$$CCACHE_DIR" ANVIL_BIN "$$ANVIL_BIN" CXX "$$CXX"
	@printf 'export PATH=%q:"$$PATH"\n' "$$CARGO_TARGET_DIR/debug"

.PHONY: clean
clean: ## remove build products; the compiler cache stays
	rm -rf '$(CARGO_TARGET_DIR)' contracts/out contracts/cache contracts/node_modules
