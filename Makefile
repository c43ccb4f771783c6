# One word per intention. Nothing is assumed but make and Python 3.11 or newer:
#
#   make demo     install, tune a simulated training job, plan an example pipeline; tables, and reports in out/
#   make test     install what tests need and run all of them; says what this machine cannot run, and why
#   make check    format, lint, types, import contracts, quick tests
#   make docs     build the documentation site into out/site; every warning is an error
#   make bench    run every benchmark
#   make fuzz     send the agent whatever a fuzzer thinks of, for ten minutes (nightly); FUZZ_SECONDS=60 make fuzz
#   make sanitize run the kernel's own tests under address and undefined-behaviour checks
#
# Another Python: PYTHON=python3.12 make demo. Another environment than .venv: VENV=somewhere make test.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= 2
FUZZ_SECONDS ?= 600
PYTEST_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

# What an installation is made of. It is editable, so changes of Python files need none of this.
BUILT_FROM = pyproject.toml CMakeLists.txt $(wildcard kernel/*.cpp kernel/*.hpp)
SITE = $(BIN)/sphinx-build -q -W --keep-going -j $(JOBS) -c docs -d build/docs . out/site
PIP_INSTALL = $(BIN)/python -m pip install -qq

.PHONY: demo test check docs bench fuzz sanitize clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/joulewise demo -o out/demo
	$(BIN)/joulewise plan examples/profiles/sim-a100-8stages.csv --schedule 1f1b --stages 8 --microbatches 96 --straggler 1.2 -o out/plan

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(JOBS) -q -m "not slow" tests/architecture tests/unit
	$(SITE)

docs: $(VENV)/.installed-docs
	$(SITE)
	@echo "the site: out/site/index.html"

bench: $(VENV)/.installed-bench
	@set -e; for run in benchmarks/*/run.py; do echo "== $$run"; $(BIN)/python $$run; done

# atheris has wheels for Linux only; without it the same runs on random changes of right questions.
fuzz: $(VENV)/.installed-test
	-@$(PIP_INSTALL) atheris
	$(BIN)/python tests/agent_fuzz.py --seconds $(FUZZ_SECONDS)

sanitize:
	@cmake -S . -B build/sanitize -DJOULEWISE_KERNEL_TESTS=ON -DJOULEWISE_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
	@cmake --build build/sanitize >/dev/null
	build/sanitize/kernel_laws

clean:
	rm -rf $(VENV) build out docs/reference/api

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON); name a Python 3.11 or newer: PYTHON=python3.12 make demo" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "joulewise needs Python 3.11 or newer; $(PYTHON) is %d.%d; name another one: PYTHON=python3.12 make demo" % v[:2])'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(BUILT_FROM)
	@echo "installing joulewise into $(VENV) (half a minute)"
	@$(PIP_INSTALL) -e .
	@touch $@

# The same with an extra: what it installs is a superset, so it stands for the plain one too.
$(VENV)/.installed-%: $(VENV)/.created $(BUILT_FROM)
	@echo "installing joulewise and what '$*' needs into $(VENV) (half a minute)"
	@$(PIP_INSTALL) -e '.[$*]'
	@touch $@ $(VENV)/.installed
