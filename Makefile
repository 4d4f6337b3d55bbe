# Mail Automator. `make` lists what there is; every target sets up what it needs.

SHELL := /bin/bash
# Debian's own, where there is one: a python3 that somebody built without profiles takes one and a half times as long.
PYTHON ?= $(or $(wildcard /usr/bin/python3),python3)
VENV := .venv
BIN := $(VENV)/bin
DEBIAN := python3-venv rabbitmq-server dovecot-imapd
DEBIAN_DEV := chromium faketime prometheus
DEBIAN_IMAGE := podman buildah runc crun debootstrap
DEV := $(VENV)/dev.stamp
RUN := $(VENV)/run.stamp
CHECKOV := $(VENV)/checkov.stamp

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check alerts-check screenshots chaos chaos-long chaos-controls bench bench-latency bench-fair bench-idle bench-growth bench-leases bench-all bench-page bench-console bench-hostile fuzz deploy-check image image-check compose-secrets lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(RUN) ## install what running needs: Debian packages (as root, or with sudo), Python packages into .venv
	@echo "ready: make demo"

demo: $(RUN) ## the whole pipeline on real mail: private mail server, about 40 mails, the table of what became of them
	$(BIN)/python -m services.all_in_one.demo --data .data/demo

run: $(RUN) ## the same system without the demo mail server, for mailboxes of your own
	$(BIN)/python -m services.all_in_one --data .data/run

WORKERS ?= 2
# Broker and store write every step through to the disk. In memory, where there is room for it, no test waits for that.
SCRATCH = $(shell if [ -w /dev/shm ] && ! grep -q ' /dev/shm .*noexec' /proc/mounts && [ "$$(df --output=avail -k /dev/shm | tail -1)" -gt 4000000 ]; then echo /dev/shm; else echo /tmp; fi)
test: $(DEV) $(CHECKOV) ## all tests, WORKERS at a time: unit, architecture, contract, deployment, end to end, against real servers
	TMPDIR=$${TMPDIR:-$(SCRATCH)} $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=2 $(TESTS)

check: $(DEV) $(CHECKOV) ## what needs no servers: lint, types, import contracts, dependencies; manifests and rules of deploy/
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest -q -n 2 -m "not servers" tests/deploy

screenshots: $(DEV) ## the README's pictures anew: a person's walk from the first start to the first ticket
	MAIL_AUTOMATOR_TEST_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/browser/test_first_ticket.py

chaos: $(DEV) ## faults on purpose, a seeded selection of scenarios: lost, doubled and unexpected must be 0
	$(BIN)/python -m tests.chaos $(CHAOS)

chaos-long: $(DEV) ## every scenario, every crash point at its first and third hit
	$(BIN)/python -m tests.chaos --long --seconds 60 $(CHAOS)

chaos-controls: $(DEV) ## safeties switched off one by one in a copy: each time the chaos suite must turn red
	$(BIN)/python -m tests.chaos.controls $(CHAOS)

bench: $(DEV) ## mails per second end to end, CPU by process, round trips to the store, the slowest stage
	$(BIN)/python -m tests.bench.backlog $(BENCH)

bench-latency: $(DEV) ## from the delivery of a mail to a subscriber's event, at 100 mails a second
	$(BIN)/python -m tests.bench.latency $(BENCH)

bench-fair: $(DEV) ## how much later a mailbox's mail is while another one has a backlog of 20,000
	$(BIN)/python -m tests.bench.fair $(BENCH)

bench-idle: $(DEV) ## one fetcher with 1,000 mailboxes at rest: memory, CPU, how soon it notices a mail
	$(BIN)/python -m tests.bench.idle $(BENCH)

bench-growth: $(DEV) ## what a mail costs with 1,000 and with 100,000 mails in the store
	$(BIN)/python -m tests.bench.growth $(BENCH)

bench-leases: $(DEV) ## 10,000 mailboxes shared by 50 fetchers in virtual time, through all kinds of churn (half an hour)
	$(BIN)/python -m tests.bench.leases $(BENCH)

bench-all: $(DEV) ## every bench of mail, kept in tests/bench/results, and docs/performance.md anew (some hours)
	$(BIN)/python -m tests.bench.backlog --json
	$(BIN)/python -m tests.bench.backlog --mailboxes 50 --json
	$(BIN)/python -m tests.bench.backlog --mails 20000 --json
	$(BIN)/python -m tests.bench.backlog --mails 20000 --mailboxes 50 --json
	$(BIN)/python -m tests.bench.latency --json
	$(BIN)/python -m tests.bench.fair --mails 2000 --json
	$(BIN)/python -m tests.bench.fair --console --json
	$(BIN)/python -m tests.bench.idle --json
	$(BIN)/python -m tests.bench.growth --json
	$(BIN)/python -m tests.bench.leases --json
	$(BIN)/python -m tests.bench.page

bench-page: $(DEV) ## the part of docs/performance.md about mails, from tests/bench/results
	$(BIN)/python -m tests.bench.page

bench-console: $(DEV) ## how long the console's questions take with 100,000 mails and 1,000 mailboxes
	$(BIN)/python -m tests.bench.console_queries

deploy-check: $(DEV) $(CHECKOV) ## deploy/: rendered, held against schemas and checkov, every service started as its manifest says
	$(BIN)/python -m pytest tests/deploy

alerts-check: $(DEV) ## each part of a running system stands still, then dies: exactly the alerts that the runbooks name fire
	$(BIN)/python -m pytest -m "long or not long" tests/e2e/test_monitoring.py

image: $(VENV)/debian-image.stamp ## as root: the image of every service (BASE=...: on that base; without: on one made of Debian's packages)
	deploy/build-image

image-check: $(DEV) $(VENV)/debian-image.stamp ## as root: the image built twice and compared; every service run in it, confined, from a mail to its ticket
	MAIL_AUTOMATOR_TEST_IMAGES=$${MAIL_AUTOMATOR_TEST_IMAGES:-.data/images} $(BIN)/python -m pytest tests/image

compose-secrets: ## what deploy/compose.yaml needs before its first start: passwords and keys, in deploy/secrets
	deploy/compose/make-secrets

bench-hostile: $(DEV) ## how much slower good mail gets where every second mail is hostile
	$(BIN)/python -m tests.bench.hostile

TIME ?= 3600
TARGETS ?= mail address message responses
fuzz: $(DEV) ## coverage-guided fuzzing of the parsers, TIME seconds for each of TARGETS; what it finds is in .data/fuzz
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-fuzz.lock
	for target in $(TARGETS); do $(BIN)/python -m tests.fuzz $$target --seconds $(TIME) || exit 1; done

lock: $(DEV) ## resolve the dependencies of pyproject.toml anew
	$(BIN)/python -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 --extra build pyproject.toml -o requirements.lock
	$(VENV)/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 --extra tracing -c requirements.lock pyproject.toml -o requirements-tracing.lock
	$(VENV)/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(VENV)/lock/bin/uv pip compile -q --generate-hashes --no-header --no-annotate --python-version 3.11 tests/deploy/checkov/requirements.in -o tests/deploy/checkov/requirements.lock
	echo atheris | $(VENV)/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 - -o requirements-fuzz.lock

clean: ## remove .venv and .data (stop `make run` first)
	rm -rf $(VENV) .data

# --- what the targets stand on -------------------------------------------------------------------------------------

# What the packages bring along is not started, now or at the next boot: brokers and servers of ours are private ones.
# What already runs is not touched.
define install
	@missing=""; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q "ok installed" || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing Debian packages:$$missing"; \
	  as_root=""; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	  policy=/usr/sbin/policy-rc.d; \
	  if [ ! -e $$policy ]; then \
	    trap "$$as_root rm -f $$policy" EXIT; \
	    printf '#!/bin/sh\nexit 101\n' | $$as_root tee $$policy >/dev/null && $$as_root chmod 755 $$policy; \
	  fi; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || \
	  { echo "could not install$$missing: install them by hand, then call make again" >&2; exit 1; }; \
	  if command -v systemctl >/dev/null; then for p in $$missing; do $$as_root systemctl --quiet disable $$p 2>/dev/null || true; done; fi; \
	fi
	@mkdir -p $(VENV) && touch $@
endef

$(VENV)/debian.stamp: Makefile
	$(call install,$(DEBIAN))

$(VENV)/debian-dev.stamp: Makefile
	$(call install,$(DEBIAN_DEV))

$(VENV)/debian-image.stamp: Makefile
	$(call install,$(DEBIAN_IMAGE))

$(VENV)/bin/python: $(VENV)/debian.stamp
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN): $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): $(RUN) $(VENV)/debian-dev.stamp requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# Apart from the rest: it brings a hundred packages, and pins some that the project has in other versions.
$(CHECKOV): $(VENV)/bin/python tests/deploy/checkov/requirements.lock
	$(PYTHON) -m venv $(VENV)/checkov
	$(VENV)/checkov/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/deploy/checkov/requirements.lock
	@touch $@
