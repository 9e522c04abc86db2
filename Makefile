# One environment, in .venv; every target sets up what it needs.
PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

# Python compiles each module once, at its first import. Without that each command takes a second or two longer.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-all check bench capacity migrations activation-cost month-cost pitr release ha torture sbom audit format lock messages ops schema screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.run ## Make the environment in .venv, nothing else

.venv/.uv: requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit("premade needs Python 3.11 or newer") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	@touch $@

.venv/.run: .venv/.uv requirements/run.txt pyproject.toml
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements/run.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --build-constraint requirements/test.txt --editable .
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements/test.txt
	@touch $@

.venv/.ops: .venv/.test requirements/ops.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/ops.txt
	@touch $@

node_modules/.newman: package-lock.json tests/install_tools.py
	$(PYTHON) tests/install_tools.py npm chromium promtool
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

demo: setup ## Start everything, sell a ticket, keep serving (PORT=8080)
	@$(BIN)/premade demo --port $(PORT)

run: setup ## Start the service (PORT=8080)
	@$(BIN)/premade serve --port $(PORT)

check: .venv/.test ## Check style, types (TYPES=src: only there), layers and migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright $(TYPES)
	$(BIN)/python tests/check_migrations.py

# Both at once: one mostly waits for downloads, the other mostly computes.
.PHONY: tools
tools:
	@+$(MAKE) --no-print-directory --jobs=2 .venv/.test node_modules/.newman

test: tools ## Run check and the quick tests on a real PostgreSQL, 5 minutes
	$(BIN)/python tests/run.py

test-all: tools ## Run check and all tests; more of them on PostgreSQL 15
	@$(PYTHON) tests/install_tools.py haproxy pgbouncer
	$(BIN)/python tests/run.py --all

bench: .venv/.test ## Measure against PostgreSQL, 8 minutes (QUICK=1: 90 s)
	@$(PYTHON) tests/install_tools.py wrk chromium
	PYTHONPATH=tests $(BIN)/python -m bench $(if $(QUICK),--quick)

pitr: .venv/.test ## Try point-in-time recovery with pgBackRest (root on Debian)
	@$(PYTHON) tests/install_tools.py pgbackrest /usr/lib/postgresql/15/bin/postgres
	PYTHONPATH=tests $(BIN)/python tests/ops/pitr.py

activation-cost: .venv/.test ## Measure what an activation costs, 30 minutes, 20 GB
	PYTHONPATH=tests $(BIN)/python -m bench.activation_cost

overload: .venv/.test ## Offer ten times what a worker can take, 30 seconds
	PYTHONPATH=tests $(BIN)/python -m bench.overload

month-cost: .venv/.test ## Measure what the months of audit events cost, 2 minutes
	PYTHONPATH=tests $(BIN)/python -m bench.month_cost

migrations: .venv/.test ## Migrate 10 million tickets under load, 30 minutes, 20 GB
	TICKETS=10000000 WHEEL=$(WHEEL) $(BIN)/python -m pytest -q -s -p no:xdist tests/upgrades/test_large_tables.py

release: .venv/.test ## Build wheel and sdist twice, check them, write them into dist/
	@$(BIN)/python tests/release.py

ops: .venv/.ops ## Run what ops/ describes, as root on Debian (TRY=systemd: one)
	$(BIN)/python ops/try.py $(TRY)

.venv/.ha: .venv/.test requirements/ha.txt
	@$(PYTHON) tests/install_tools.py etcd etcdctl haproxy ip mkfs.ext4 /usr/lib/postgresql/15/bin/postgres
	# Debian's Python: PostgreSQL's account runs Patroni, and may not read the home of another user's Python.
	$(BIN)/uv venv --quiet --clear --python /usr/bin/python3 .venv/ha
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv/ha/bin/python --require-hashes --requirement requirements/ha.txt
	@touch $@

ha: .venv/.ha ## Break a cluster of three nodes under load, 15 minutes (HA_ROUNDS=16, HA_SEED=1)
	PYTHONPATH=tests $(BIN)/python -m torture.ha --rounds $(or $(HA_ROUNDS),16) --seed $(or $(HA_SEED),1)

torture: .venv/.test ## Break one machine under load, 1 hour (TORTURE_SEED=1)
	@$(PYTHON) tests/install_tools.py cc unshare /usr/lib/postgresql/15/bin/postgres
	PYTHONPATH=tests $(BIN)/python -m torture.single --report docs/reliability.md --seed $(or $(TORTURE_SEED),1) \
		--requests $(or $(TORTURE_REQUESTS),1000000) --faults $(or $(TORTURE_FAULTS),200) --minutes $(or $(TORTURE_MINUTES),240)

.venv/.sbom: .venv/.test requirements/sbom.txt
	$(BIN)/uv venv --quiet --clear .venv/sbom
	$(BIN)/uv pip install --quiet --python .venv/sbom/bin/python --require-hashes --requirement requirements/sbom.txt
	@touch $@

sbom: .venv/.sbom ## Write the bill of materials: all libraries with their licences
	$(BIN)/python tests/sbom.py

.venv/.audit: .venv/.uv requirements/audit.txt
	$(BIN)/uv venv --quiet --clear .venv/audit
	$(BIN)/uv pip install --quiet --python .venv/audit/bin/python --require-hashes --requirement requirements/audit.txt
	@touch $@

audit: .venv/.audit ## Look for known vulnerabilities of all libraries (needs the internet)
	.venv/audit/bin/pip-audit --strict --disable-pip --requirement requirements/run.txt --requirement requirements/test.txt
	npm audit --audit-level=low

capacity: .venv/.test ## Measure what one ticket costs, and write docs/scaling.md (root, 2 minutes)
	@$(PYTHON) tests/install_tools.py wrk haproxy
	PYTHONPATH=tests $(BIN)/python -m bench.capacity

format: .venv/.test ## Put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/.uv ## Choose the newest allowed versions and pin them with hashes
	$(COMPILE) --upgrade requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) --upgrade pyproject.toml --output-file requirements/run.txt
	$(COMPILE) --upgrade --group test pyproject.toml --output-file requirements/test.txt
	$(COMPILE) --upgrade --constraint requirements/test.txt --group ops --output-file requirements/ops.txt
	$(COMPILE) --upgrade requirements/ha.in --output-file requirements/ha.txt
	$(COMPILE) --upgrade requirements/sbom.in --output-file requirements/sbom.txt
	$(COMPILE) --upgrade requirements/audit.in --output-file requirements/audit.txt
	$(MAKE) sbom

messages: .venv/.test ## Write the catalogue of the console's texts, compile languages
	$(BIN)/python tests/catalogue.py

schema: setup ## Write db/schema.sql from the migrations
	$(BIN)/python -m premade.postgres.schema > db/schema.sql

screenshots: .venv/.test ## Take the pictures of the console in the README
	@$(PYTHON) tests/install_tools.py chromium
	PYTHONPATH=tests $(BIN)/python docs/screenshots/take.py

clean: ## Remove built files (not the data in var/)
	rm -rf .venv node_modules dist reports
