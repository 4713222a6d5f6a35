# Everything runs from a fresh clone: targets bring their own tools into .venv. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
TERRAFORM ?= terraform
NAME ?= custom-labels-batch
# Tests without a stack work: a worker for each core. End-to-end tests wait, for Terraform and for Step Functions' timers,
# and ten of them keep two cores busy; each takes about 700 MB. No end-to-end test uses Hypothesis, whose plug-in takes
# each worker half a second.
WORKERS ?= 10
# What make plan-cost takes; each that is left out has the default that `python -m tools.plan_cost --help` tells.
PLAN_INPUTS := IMAGES PER SHAPE SEED ARRIVALS RATE PRICE START_MINUTES SCHEDULES UNITS GATES TARGET_DRAIN CAP WITHIN

# Every value that a person gives. A recipe takes it from its environment, as "$$NAME", and never as $(NAME): make would
# expand a $ in it, and the shell would take its quotes and blanks for the recipe's own. `value` is what was given.
INPUTS := PYTHON TERRAFORM NAME WORKERS PREFIX MARGIN_MINUTES KEEP DRY_RUN PART MINUTES PROJECT_ARN PROJECT_VERSION_ARN $(PLAN_INPUTS)
$(foreach input,$(INPUTS),$(eval override $(input) := $$(value $(input))))
export $(INPUTS)

VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --requirement
# After a `cd`, from which OLDPWD is left.
COMPILE := "$$OLDPWD"/$(VENV)/lock/bin/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
# What the Lambda runtime brings with boto3, and so is in no zip.
RUNTIME_HAS := boto3 botocore s3transfer urllib3 python-dateutil six
LAMBDA_SOURCES := $(shell find lambdas -name '*.py' -o -name 'requirements.txt')
EXAMPLE := terraform/examples/aws

SIDE_BY_SIDE := $(MAKE) --no-print-directory -j
PYTEST := $(PY) -m pytest --no-loadscope-reorder --times build/times.json
# With a stack, an apply, a browser or a release, and of the stack itself: `make check` leaves them to `make test`.
LEFT_TO_TEST := tests/e2e tests/browser tests/release tests/stack tests/terraform/test_unknown_names.py

# An option for an input that was given.
flag = --$(subst _,-,$(shell echo $(1) | tr A-Z a-z))
option = $${$(1):+$(call flag,$(1))="$$$(1)"}

.PHONY: help setup demo bench check hunt test quick-tests test-without-stack stack lint format docs package release lock clean status redrive backfill plan-cost aws-plan aws-apply aws-destroy aws-permissions

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/tools.ok $(VENV)/clb.ok $(VENV)/ministack.ok $(VENV)/asl.ok $(VENV)/prose.ok $(VENV)/axe.ok $(VENV)/checkov.ok ## The pinned tools, into .venv (the other targets do it)

$(VENV)/python.ok:
	@command -v "$$PYTHON" >/dev/null || { echo "error: no $$PYTHON on PATH; install Python 3.11 or newer, or set PYTHON" >&2; exit 1; }
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; set PYTHON to one" >&2; exit 1; }
	"$$PYTHON" -m venv $(VENV)
	touch $@

$(VENV)/tools.ok: $(VENV)/python.ok tests/requirements.txt
	$(PY) $(PIP_INSTALL) tests/requirements.txt
	touch $@

# `clb` itself: a link to the sources here, with what the tools brought.
$(VENV)/clb.ok: $(VENV)/tools.ok pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# The Lambdas run on MiniStack's interpreter and see its packages: an environment with little in it, on the newest
# Python there is, so that a package missing from a zip is missed and the Lambda runtime's Python is met where possible.
$(VENV)/ministack.ok: $(VENV)/python.ok tests/rig/stack/requirements.txt
	@for candidate in python3.14 python3.13 python3.12 "$$PYTHON"; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	done; set -x; "$$candidate" -m venv $(VENV)/ministack
	$(VENV)/ministack/bin/python $(PIP_INSTALL) tests/rig/stack/requirements.txt
	touch $@

$(VENV)/checkov.ok: $(VENV)/python.ok tests/rig/checkov/requirements.txt
	"$$PYTHON" -m venv $(VENV)/checkov
	$(VENV)/checkov/bin/python $(PIP_INSTALL) tests/rig/checkov/requirements.txt
	touch $@

$(VENV)/asl.ok: tests/asl/package.json tests/asl/package-lock.json
	@command -v npm >/dev/null || { echo "error: no npm on PATH; install Node.js 20 or newer (it checks the state machine)" >&2; exit 1; }
	mkdir -p $(VENV)/asl
	cp tests/asl/package.json tests/asl/package-lock.json $(VENV)/asl/
	npm ci --prefix $(VENV)/asl --silent --no-audit --no-fund
	touch $@

$(VENV)/prose.ok: tests/rig/prose/package.json tests/rig/prose/package-lock.json
	@command -v npm >/dev/null || { echo "error: no npm on PATH; install Node.js 20 or newer (it reads the documentation)" >&2; exit 1; }
	mkdir -p $(VENV)/prose
	cp tests/rig/prose/package.json tests/rig/prose/package-lock.json $(VENV)/prose/
	npm ci --prefix $(VENV)/prose --silent --no-audit --no-fund
	touch $@

$(VENV)/axe.ok: tests/browser/package.json tests/browser/package-lock.json
	@command -v npm >/dev/null || { echo "error: no npm on PATH; install Node.js 20 or newer (it fetches the rules of accessibility)" >&2; exit 1; }
	mkdir -p $(VENV)/axe
	cp tests/browser/package.json tests/browser/package-lock.json $(VENV)/axe/
	npm ci --prefix $(VENV)/axe --silent --no-audit --no-fund
	touch $@

demo: $(VENV)/tools.ok $(VENV)/ministack.ok package ## The main job on this machine, no AWS account (IMAGES=folder: your own pictures; KEEP=1: leave it up)
	PYTHONPATH=lambdas $(PY) -m tools.demo $(call option,IMAGES) --keep="$$KEEP"

# Short for `clb`: on the account of your credentials, or on a local stack that AWS_ENDPOINT_URL names.
status: $(VENV)/tools.ok ## Model, trigger, queues, lease and last receipts of the deployment NAME=…
	PYTHONPATH=lambdas $(PY) -m tools.desk status --name="$$NAME"

redrive: $(VENV)/tools.ok ## Puts the dead-letter queue's images of NAME=… back into its queue (DRY_RUN=1: only says which)
	PYTHONPATH=lambdas $(PY) -m tools.desk redrive --name="$$NAME" --dry-run-as="$$DRY_RUN"

backfill: $(VENV)/tools.ok ## Queues the images of NAME=… that have no message, below PREFIX=…, after a dry run and a question
	PYTHONPATH=lambdas $(PY) -m tools.desk backfill --name="$$NAME" --prefix="$$PREFIX" $(call option,MARGIN_MINUTES)

bench: setup package ## What a pile of images costs and where the time goes, on the local stack, as tables (PART=overhead|saturation|image|starts)
	PYTHONPATH=lambdas $(PY) -m tools.bench $${PART:+--only="$$PART"}

check: ## All that needs no stack, in minutes: lint, unit, Terraform, state machine, simulation, zips
	@$(SIDE_BY_SIDE) setup package
	rm -f build/times.json
	@$(SIDE_BY_SIDE) lint quick-tests

# The order of sets depends on the process's hash seed, and a seed has to find again what it found.
hunt: $(VENV)/tools.ok ## Looks with random seeds for an order of things that breaks an invariant (MINUTES=10; SEED=n: again)
	PYTHONHASHSEED=0 PYTHONPATH=lambdas $(PY) -m tests.rig.simulation.hunt $(call option,MINUTES) $(call option,SEED)

test: ## Everything: what check does, end to end on the local stack, and each role's permissions over all of it
	@$(SIDE_BY_SIDE) setup package
	rm -rf build/times.json build/permissions
	@$(SIDE_BY_SIDE) lint test-without-stack stack
	$(PYTEST) -p no:hypothesispytest -n "$$WORKERS" tests/e2e
	$(PY) -m tests.rig.permissions

quick-tests: setup package
	$(PYTEST) -n auto tests $(LEFT_TO_TEST:%=--ignore %)

test-without-stack: setup package
	$(PYTEST) -n auto tests --ignore tests/e2e

stack: setup package ## The local stack, applied once and kept in build/stack: end-to-end tests start from copies of it
	@$(PY) -m tests.rig.stack.snapshot

plan-cost: $(VENV)/tools.ok ## What settings cost and how long images wait: IMAGES=2000 PER=day or ARRIVALS=file, and WITHIN=4h
	PYTHONPATH=lambdas $(PY) -m tools.plan_cost $(foreach input,$(PLAN_INPUTS),$(call option,$(input)))

define need_terraform
@command -v "$$TERRAFORM" >/dev/null || { echo "error: no $$TERRAFORM on PATH; install Terraform 1.9 or newer, or set TERRAFORM to its path" >&2; exit 1; }
endef

# checkov without a copy of each module for each of its instances: half the time, and the same checks of the same resources.
lint: $(VENV)/tools.ok $(VENV)/checkov.ok $(VENV)/prose.ok ## ruff, mypy, terraform fmt, checkov, the READMEs' tables, and the prose
	$(need_terraform)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	"$$TERRAFORM" fmt -check -recursive terraform
	$(PY) -m tools.docs --check
	$(PY) -m tests.rig.prose
	CHECKOV_ENABLE_MODULES_FOREACH_HANDLING=false $(VENV)/checkov/bin/checkov --config-file terraform/.checkov.yaml

format: $(VENV)/tools.ok ## Rewrites the sources as lint wants them
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	"$$TERRAFORM" fmt -recursive terraform

docs: $(VENV)/tools.ok ## Writes the tables of inputs and outputs into the READMEs under terraform/
	$(PY) -m tools.docs

package: build/packages.ok ## The Lambda zips, into build/

build/packages.ok: $(VENV)/tools.ok $(LAMBDA_SOURCES)
	$(PY) lambdas/build.py --output build
	touch $@

release: $(VENV)/tools.ok ## One archive with module and zips, and clb's wheel, into build/release/: same commit, same bytes
	$(PY) lambdas/release.py --output build/release

lock: $(VENV)/python.ok ## Writes the requirements.txt files anew from requirements.in, with hashes
	$(PY) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	cd tests && $(COMPILE) --universal --python-version 3.11 requirements.in --output-file requirements.txt
	cd tests/rig/stack && $(COMPILE) --universal --python-version 3.11 requirements.in --output-file requirements.txt
	cd tests/rig/checkov && $(COMPILE) --universal --python-version 3.11 requirements.in --output-file requirements.txt
	cd lambdas && $(COMPILE) --python-version 3.13 --python-platform aarch64-manylinux2014 $(RUNTIME_HAS:%=--no-emit-package %) \
		requirements.in --output-file requirements.txt

clean: ## Deletes build/ and .venv/
	rm -rf build $(VENV) .pytest_cache .ruff_cache

# Targets that touch a real account. State is kept in $(EXAMPLE)/terraform.tfstate; for a team, use the module from a
# root of your own with a backend.
aws-plan aws-apply aws-destroy: package
	@test -n "$$PROJECT_ARN" && test -n "$$PROJECT_VERSION_ARN" || { echo "error: name the model: make $@ PROJECT_ARN=arn:aws:rekognition:… PROJECT_VERSION_ARN=arn:aws:rekognition:…" >&2; exit 1; }
	$(need_terraform)
	"$$TERRAFORM" -chdir=$(EXAMPLE) init -input=false
	"$$TERRAFORM" -chdir=$(EXAMPLE) $(@:aws-%=%) -input=$(if $(filter aws-plan,$@),false,true) -var "project_arn=$$PROJECT_ARN" -var "project_version_arn=$$PROJECT_VERSION_ARN" -var "name=$$NAME"

aws-permissions: package $(VENV)/tools.ok ## The IAM policy for whoever applies and destroys, from a plan: build/aws-permissions.json
	@test -n "$$PROJECT_ARN" && test -n "$$PROJECT_VERSION_ARN" || { echo "error: name the model: make $@ PROJECT_ARN=arn:aws:rekognition:… PROJECT_VERSION_ARN=arn:aws:rekognition:…" >&2; exit 1; }
	$(need_terraform)
	"$$TERRAFORM" -chdir=$(EXAMPLE) init -input=false
	"$$TERRAFORM" -chdir=$(EXAMPLE) plan -input=false -out=permissions.tfplan -var "project_arn=$$PROJECT_ARN" -var "project_version_arn=$$PROJECT_VERSION_ARN" -var "name=$$NAME"
	"$$TERRAFORM" -chdir=$(EXAMPLE) show -json permissions.tfplan | $(PY) -m tools.aws_permissions > build/aws-permissions.json
	@echo "The policy is in build/aws-permissions.json."

aws-plan: ## What an apply to your AWS account would do (PROJECT_ARN=… PROJECT_VERSION_ARN=… [NAME=…])
aws-apply: ## Applies to your AWS account, after asking
aws-destroy: ## Destroys it again, after asking; buckets that hold images stay
