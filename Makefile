# make run: set-up and the main job; make report: the report of its results, output/report.html; make test: set-up,
# linters and tests; make docs: the documentation, docs/_build/html. Nothing that is there is done again. make linkcheck,
# make test-quick and make numerics: see below.

# The interpreter of a new environment: a path or a name; by default the first of those supported that is found.
PYTHON ?=
CORES ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin
TESTS := tests

ifeq ($(filter-out 0,$(shell expr "$(CORES)" : '[1-9][0-9]*$$')),)
$(error CORES=$(CORES): expected a number of processors, 1 or more)
endif
ifneq ($(filter .venv%,$(VENV))$(findstring /,$(VENV)),$(or $(VENV),.venv))
$(error VENV=$(VENV): expected a name in this folder that begins with .venv, since it may be replaced)
endif

# What is set for other programs: libraries of a software stack, and a cache for Snakemake that cannot be written.
unexport PYTHONPATH PYTHONHOME
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
ifeq ($(shell mkdir -p "$(CACHE)" 2> /dev/null && test -w "$(CACHE)" && echo writable),)
export XDG_CACHE_HOME := $(CURDIR)/.snakemake/cache
endif

.PHONY: run report test test-quick lint numerics docs linkcheck always

# For the table of times at the end.
run: export L1_REGRESSION_MAKE_STARTED := $(shell date +%s)
run: $(VENV)/run.done
	$(BIN)/snakemake --cores $(CORES)

report: $(VENV)/run.done
	$(BIN)/snakemake --cores $(CORES) finished --report report.html --report-stylesheet $(CURDIR)/docs/report/report.css

# The page is opened where there is a screen.
docs: $(VENV)/docs.done
	$(BIN)/python -m sphinx -W --keep-going -n -q -d docs/_build/doctrees docs docs/_build/html
	@echo "$(CURDIR)/docs/_build/html/index.html"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then xdg-open docs/_build/html/index.html 2> /dev/null || true; fi

# The links to other sites, which takes a network.
linkcheck: $(VENV)/docs.done
	$(BIN)/python -m sphinx -W --keep-going -q -b linkcheck -d docs/_build/doctrees docs docs/_build/linkcheck

# Two processes more than cores, since tests wait for batch jobs and for processes to be killed.
test: lint
	$(BIN)/python -m pytest --numprocesses $$(($(CORES) + 2)) --dist loadfile --no-loadscope-reorder

# The tests of every module and script that take seconds; with another Python, in an environment beside the first:
# make test-quick PYTHON=python3.12 VENV=.venv-3.12
test-quick: $(VENV)/dev.done
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile -m "not (slow or faults or farm or browser)" $(TESTS)

lint: $(VENV)/dev.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/snakemake --lint

# The quick tests of numbers on the instructions of a processor of 2008, which rounds and sums otherwise: those of NumPy, of
# its and SciPy's linear algebra, of TensorFlow and Numba, and of the C library. oneDNN is limited where Eigen calls
# it, and has no operations of its own in TensorFlow: of half precision these crash where oneDNN is limited.
numerics: export NPY_DISABLE_CPU_FEATURES := X86_V3 X86_V4 AVX512_ICL AVX512_SPR
numerics: export OPENBLAS_CORETYPE := Nehalem
numerics: export TF_ENABLE_ONEDNN_OPTS := 0
numerics: export ONEDNN_MAX_CPU_ISA := SSE41
numerics: export NUMBA_CPU_NAME := x86-64
numerics: export GLIBC_TUNABLES := glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4
numerics: TESTS := tests/nn tests/utils tests/benchmarks tests/test_environment.py
numerics: test-quick

$(VENV)/run.done: always
	@envs/setup.sh $@ requirements.txt "$(PYTHON)"

$(VENV)/dev.done: always
	@envs/setup.sh $@ requirements-dev.txt "$(PYTHON)"

$(VENV)/docs.done: always
	@envs/setup.sh $@ requirements-docs.txt "$(PYTHON)"
