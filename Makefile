# Two commands are all a newcomer needs: `make demo` and `make test`.

# Outside the checkout, so that every clone on this machine shares it.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nebula/target

# Of `make torture`.
SECONDS ?= 60
SEED ?= 1

.PHONY: help demo test long torture check fix bench audit setup
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, build, and run three workflows of sandboxed actions"
	@echo "make test    set up, check, and run every test"
	@echo "make long    the tests with counts too large for every change"
	@echo "make torture SECONDS=60 SEED=1   kills a node under load again and again, and counts what is lost"
	@echo "make check   formatting, clippy, budgets; writes nothing"
	@echo "make fix     formatting and what clippy can mend"
	@echo "make bench   figures, as medians with their spread (release build)"
	@echo "make audit   licences, sources, bans, versions with known advisories"

setup:
	@scripts/setup

demo: setup
	@demo/run

test: check
	@scripts/clients
	cargo build --workspace --all-targets
	cargo test --workspace --no-fail-fast

long: setup
	@scripts/clients
	NEBULA_LONG=1 NEBULA_FIGURES=$(CURDIR)/docs/security.md cargo test --workspace --no-fail-fast

torture: setup
	cargo build --workspace --all-targets
	$(CARGO_TARGET_DIR)/debug/torture --seconds $(SECONDS) --seed $(SEED)
	$(CARGO_TARGET_DIR)/debug/torture --edges --seed $(SEED)

# Functions over their budget are shown and refuse nothing.
check: setup
	cargo fmt --all --check
	cargo fmt --manifest-path tests/generator/Cargo.toml --check
	@scripts/budgets
	cargo clippy --workspace --all-targets -- -D warnings --force-warn clippy::too-many-lines
	cargo clippy --manifest-path tests/generator/Cargo.toml -- -D warnings

fix: setup
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	cargo fmt --all
	cargo fmt --manifest-path tests/generator/Cargo.toml

bench: setup
	cargo build --release -p nebula-cli -p nebula-tests --bins
	$(CARGO_TARGET_DIR)/release/bench

audit: setup
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --all-features check bans licenses sources
	cargo test --workspace --test house advisories
