# make run: set-up and the main job; make report: the report of its results, output/report.html; make test: set-up,
# linters and tests. Nothing that is there is done again.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= $(shell nproc)
BIN := .venv/bin

.PHONY: run report test lint

run: .venv/run.done
	$(BIN)/snakemake --cores $(CORES)

report: .venv/run.done
	$(BIN)/snakemake --cores $(CORES) --report report.html --report-stylesheet $(CURDIR)/docs/report/report.css

# Two processes more than cores, since tests wait for batch jobs and for processes to be killed.
test: lint
	$(BIN)/python -m pytest --numprocesses $$(($(CORES) + 2)) --dist loadfile --no-loadscope-reorder

lint: .venv/dev.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/snakemake --lint

.venv/run.done: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install pip==26.3 # faster than the one that comes with Python, and shows its progress
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

.venv/dev.done: requirements-dev.txt requirements-farm.txt .venv/run.done
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@
