# `make help` lists the targets. Nothing here asks a question or reaches a mail server beyond this machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
SERVERS := $(abspath $(TARGET)/servers)
PACKAGES := ca-certificates gcc libc6-dev libssl-dev pkg-config

# Installs the Debian packages in $(1) that are not there, and says which; elsewhere it leaves that to you.
define install_packages
missing=(); \
if command -v dpkg-query apt-get >/dev/null; then \
  for p in $(1); do dpkg-query -W -f '$${Status}' "$$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$$p"); done; \
fi; \
if [ $${#missing[@]} -gt 0 ]; then \
  echo "installing $${missing[*]}"; \
  root=(); [ "$$(id -u)" = 0 ] || root=(sudo -n); \
  "$${root[@]}" apt-get update -qq; \
  "$${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
fi
endef

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS=$$'\t' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

.PHONY: prerequisites
prerequisites:
	@$(call install_packages,$(PACKAGES))
	@command -v cargo >/dev/null || { echo 'Rust 1.95 or later is needed: https://rustup.rs says how to install it' >&2; exit 1; }

.PHONY: build
build: prerequisites ## build the program
	@cargo build --release --locked

.PHONY: demo
demo: build ## play sessions/demo.toml (STARTTLS, AUTH, a message) against a server inside the program
	@echo; echo '$$ mailrun run --dry-run sessions/demo.toml'
	@$(TARGET)/release/mailrun run --dry-run sessions/demo.toml

.PHONY: test
test: prerequisites ## check formatting and lints, run all tests, check the fuzz targets
	@$(call install_packages,strace)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	if [ -f tests/fuzz/Cargo.toml ]; then cargo check --locked --manifest-path tests/fuzz/Cargo.toml --target-dir $(TARGET); fi

.PHONY: test-servers
test-servers: prerequisites ## run sessions against Postfix, Exim, Dovecot, Sendmail and aiosmtpd, installing them first
	@$(call install_packages,python3 python3-venv)
	tests/servers/install.sh $(SERVERS)
	tests/servers/manifest.sh $(SERVERS)
	MAILRUN_TEST_SERVERS=$(SERVERS) cargo test --locked --test servers -- --ignored

.PHONY: test-browser
test-browser: prerequisites ## read the HTML report in headless Chromium, installing it first; screenshots in target/browser
	@$(call install_packages,chromium chromium-driver poppler-utils)
	MAILRUN_SCREENSHOTS=$(abspath $(TARGET)/browser) cargo test --locked --test browser -- --ignored

.PHONY: test-schemas
test-schemas: prerequisites ## hold session files, JUnit reports and docs/ci.md against others' schemas, installing them first
	@command -v npm >/dev/null || { $(call install_packages,nodejs npm); }
	@$(call install_packages,libxml2-utils python3 python3-venv)
	tests/schemas/install.sh $(abspath $(TARGET)/schemas)
	MAILRUN_TEST_SCHEMAS=$(abspath $(TARGET)/schemas) cargo test --locked --test schemas -- --ignored

.PHONY: soak
soak: prerequisites ## kill batches of 500 rows at 200 moments, and at each write of the ledger, and restart them
	@$(call install_packages,strace)
	cargo test --locked --test batch --test outcomes -- --ignored

.PHONY: bench
bench: prerequisites ## measure speed and memory: start-up, 1 GB attached, and whatever else is in benches/
	cargo bench --locked --bench '*'

.PHONY: install
install: build ## install the program below PREFIX (/usr/local)
	install -D -m 755 $(TARGET)/release/mailrun $(DESTDIR)$(PREFIX)/bin/mailrun
