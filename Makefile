# Few words, and they work: run · test · check · fmt · bench · seed.  Python 3.11 or newer and make are all they need.
#
#   make run                      the whole site on http://127.0.0.1:8000  (PORT=… DATA_DIR=… change where)
#   make test                     everything: on SQLite, on PostgreSQL and Redis, and in a browser
#   make bench NAME=lease_scale    one benchmark, appended to tests/benchmarks/results/
#   make seed STUDY=prism-demo    people for a study of the running site: rehearsal bots, kept apart from real data

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := pyproject.toml constraints.txt
STUDY ?= prism-demo
ANNOTATORS ?= 5
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench seed

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -7

run: $(VENV)/.for-run
	@$(BIN)/python manage.py up

test: $(VENV)/.for-all
	@$(BIN)/python -m tests

check: $(VENV)/.for-all
	@$(BIN)/python .ci/check.py

fmt: $(VENV)/.for-all
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@find templates -name '*.html' -print0 | xargs -0 $(BIN)/djade --target-version 5.2 || true

bench: $(VENV)/.for-all
	@test -n "$(NAME)" || { echo "make bench NAME=…; there are:"; ls tests/benchmarks | sed -n 's/^\([a-z].*\)\.py$$/  \1/p'; exit 2; }
	@$(BIN)/python -m tests.benchmarks.$(NAME)

seed: $(VENV)/.for-run
	@$(BIN)/python manage.py rehearse $(STUDY) --annotators $(ANNOTATORS) --url http://127.0.0.1:$(PORT)

# The stamps say what an environment was made for; it is brought up to date when the lock has changed.
$(VENV)/.for-run: $(BIN)/python $(LOCKED)
	@echo "Installing what the site needs (the first time takes some minutes; later starts skip this) …"
	@$(PIP) install -c constraints.txt '.[runtime,serving]'
	@touch $@

$(VENV)/.for-all: $(BIN)/python $(LOCKED)
	@echo "Installing what the site, its tests and its checks need (the first time takes some minutes) …"
	@$(PIP) install -c constraints.txt '.[runtime,serving,test,dev]'
	@touch $@ $(VENV)/.for-run

$(BIN)/python:
	@set -e; \
	for candidate in $(PYTHON) python3 python3.12 python3.11 python3.13 python3.14 python; do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$candidate" -c 'import ensurepip, venv' 2>/dev/null || { without="$$without $$candidate"; continue; }; \
		"$$candidate" -m venv $(VENV); \
		exit 0; \
	done; \
	if [ -n "$$without" ]; then \
		echo "Found$$without, but without venv. Debian and Ubuntu: apt-get install python3-venv."; \
	else \
		echo "Python 3.11 or newer is needed and was not found. Install it, or name it: make PYTHON=/path/to/python3.12 …"; \
	fi; \
	exit 1
