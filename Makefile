# Each target makes .venv first. `make run` and `make test` are all that is needed.

PYTHON ?= python3.11
BIN := .venv/bin
PIP_OPTIONS := --disable-pip-version-check

.PHONY: run test report render pretrained bench bench-scale bench-faults lint lock demo clean

run: .venv/installed demo
	$(BIN)/python -m tools.notebooks
	@$(BIN)/python -m common.results
	@$(BIN)/python -m tools.report

test: .venv/installed
	$(BIN)/python -m pytest

# One site of the notebooks, to be read without Jupyter.
report: .venv/installed
	@$(BIN)/python -m tools.report

# Outputs that are committed come from the demo set alone.
render: .venv/installed demo
	env -u FMA_ROOT -u FMA_SUBSET -u FMA_OUTPUT -u FMA_EPOCHS $(BIN)/python -m tools.notebooks --in-place

# Every speed that the README claims, against what one would use instead.
bench: .venv/installed build/bench/installed demo
	build/bench/venv/bin/python benchmarks/run.py
	build/bench/venv/bin/python benchmarks/readme_table.py
	build/bench/venv/bin/python benchmarks/fma_costs.py

# Its own environment sees .venv's packages; what only the benchmarks need stays out of .venv.
build/bench/installed: .venv/installed benchmarks/requirements.txt
	$(PYTHON) -m venv --clear build/bench/venv
	echo "import site; site.addsitedir('$(abspath .venv)/lib/python3.11/site-packages')" \
	    > build/bench/venv/lib/python3.11/site-packages/project.pth
	-build/bench/venv/bin/python -m pip install $(PIP_OPTIONS) -r benchmarks/requirements.txt -c constraints.txt
	touch $@

# Extraction at the size of FMA medium: a quarter of an hour, alone on the machine.
bench-scale: .venv/installed demo
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/fma_costs.py

# pytest -m slow, which injects faults at random moments, and the table of what they cost.
bench-faults: .venv/installed
	$(BIN)/python benchmarks/faults.py

# Weights of musicnn, from its package, for training and predicting with --model musicnn.
pretrained: .venv/installed
	$(BIN)/python data/pretrained.py

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Only where no data set is asked for and none is there.
demo: .venv/installed
	@if [ -z "$(FMA_ROOT)" ] && ! $(BIN)/python -c "import fma_utils; fma_utils.find_dataset()" 2>/dev/null; \
	then $(BIN)/python data/make_demo.py; fi

.venv/installed: requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation -e .
	touch $@

# After a change of requirements.txt: pins whatever its packages need in turn.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --disable-pip-version-check -r requirements.txt
	build/lock/bin/python -m pip freeze --all --exclude pip > constraints.txt
	rm -rf build/lock

clean:
	rm -rf .venv build *.egg-info
