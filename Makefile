# `make help` lists the targets. None of them asks a question or connects to a mail server outside this machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
SERVERS := $(abspath $(TARGET)/servers)
PACKAGES := ca-certificates gcc libc6-dev libssl-dev pkg-config

# Installs the missing Debian packages of $(1) and prints their names. On other systems it does nothing.
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
	@command -v cargo >/dev/null || { echo 'mailrun needs Rust 1.95 or later: see https://rustup.rs' >&2; exit 1; }

.PHONY: build
build: prerequisites ## build mailrun in release mode
	@cargo build --release --locked

.PHONY: demo
demo: build ## run sessions/demo.toml (STARTTLS, AUTH, a message) against the server inside mailrun
	@echo; echo '$$ mailrun run --dry-run sessions/demo.toml'
	@$(TARGET)/release/mailrun run --dry-run sessions/demo.toml

.PHONY: test
test: prerequisites ## check formatting and lints, run all tests, compile the fuzz targets
	@$(call install_packages,perl strace tmux)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	if [ -f tests/fuzz/Cargo.toml ]; then cargo check --locked --manifest-path tests/fuzz/Cargo.toml --target-dir $(TARGET); fi

.PHONY: test-servers
test-servers: prerequisites ## install Postfix, Exim, Dovecot, Sendmail and aiosmtpd, and run sessions against them
	@$(call install_packages,python3 python3-venv)
	tests/servers/install.sh $(SERVERS)
	tests/servers/manifest.sh $(SERVERS)
	MAILRUN_TEST_SERVERS=$(SERVERS) cargo test --locked --test servers -- --ignored

.PHONY: test-browser
test-browser: prerequisites ## install Chromium and test the HTML report in it; screenshots are in target/browser
	@$(call install_packages,chromium chromium-driver poppler-utils)
	MAILRUN_SCREENSHOTS=$(abspath $(TARGET)/browser) cargo test --locked --test browser -- --ignored

.PHONY: test-schemas
test-schemas: prerequisites ## install taplo, swaks, linters and schemas of others, and check session files, exports, JUnit reports and the files for CI with them
	@command -v npm >/dev/null || { $(call install_packages,nodejs npm); }
	@$(call install_packages,git libnet-ssleay-perl libxml2-utils python3 python3-venv rsync swaks)
	tests/schemas/install.sh $(abspath $(TARGET)/schemas)
	MAILRUN_TEST_SCHEMAS=$(abspath $(TARGET)/schemas) cargo test --locked --test schemas -- --ignored

.PHONY: test-image
test-image: prerequisites ## build the Docker image with buildah as root, on stand-ins for its base images, and run it; takes long
	@$(call install_packages,buildah debootstrap)
	nice tests/image.sh $(abspath $(TARGET)/image)

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(notdir $(basename $(wildcard tests/fuzz/targets/*.rs)))

.PHONY: fuzz
fuzz: prerequisites ## fuzz all that comes from outside, each target for FUZZ_SECONDS (60)
	@$(call install_packages,g++)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz@0.13.2
	@for target in $(FUZZ_TARGETS); do \
	  echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz "$$target" -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -timeout=20 -verbosity=0; \
	done

.PHONY: soak
soak: prerequisites ## kill batches of 500 rows at 200 random moments and at each write of the ledger, and restart them; mix all logs of import
	@$(call install_packages,perl strace tmux)
	cargo test --locked --lib --test batch --test outcomes -- --ignored

.PHONY: bench
bench: prerequisites ## measure speed and memory: start-up, attachments, batches, suites
	cargo bench --locked --bench '*'

.PHONY: install
install: build ## install mailrun below PREFIX (/usr/local)
	install -D -m 755 $(TARGET)/release/mailrun $(DESTDIR)$(PREFIX)/bin/mailrun
