# Each target makes .venv first. `make run` and `make test` are all that is needed.

# The first of these that is Python 3.11 to 3.13. To choose another one: make PYTHON=...
# librosa 1.0 and others need Python 3.12, so Python 3.11 has constraints of its own.
CHOOSE := import sys; v = sys.version_info[:2]; v in [(3, 11), (3, 12), (3, 13)] or sys.exit(1); \
    print("constraints-3.11.txt" if v == (3, 11) else "constraints.txt")
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
    $$python -c '$(CHOOSE)' >/dev/null 2>&1 && echo $$python && break; done)
CONSTRAINTS := $(shell $(PYTHON) -c '$(CHOOSE)' 2>/dev/null)
$(if $(CONSTRAINTS),,$(error Python 3.11, 3.12 or 3.13 is needed: install one, or name it: make PYTHON=...))
BIN := .venv/bin
PIP_OPTIONS := --disable-pip-version-check

.PHONY: run test report page render render-real render-fma-small pretrained bench bench-scale bench-faults lint lock demo clean

run: .venv/installed demo
	$(BIN)/python -m tools.notebooks
	@$(BIN)/python -m common.results
	@$(BIN)/python -m tools.report
	@echo "To predict genres of your own files in the browser: make page"

test: .venv/installed
	$(BIN)/python -m pytest

# A site of the notebooks, for reading without Jupyter.
report: .venv/installed
	@$(BIN)/python -m tools.report

# The default model in a page for the browser, with packages of npm. A later make report includes it.
page: .venv/installed demo
	@$(BIN)/python -m spectrogram_feature.page

# Committed outputs show the demo set.
render: .venv/installed demo
	env -u FMA_ROOT -u FMA_SUBSET -u FMA_OUTPUT -u FMA_EPOCHS $(BIN)/python -m tools.notebooks --in-place

# Real music in results/: models and records are written to a folder of their own.
RENDER := env -u FMA_SUBSET -u FMA_EPOCHS FMA_OUTPUT=data/rendered $(BIN)/python -m tools.notebooks

# The excerpts of results/real_music, in FMA's layout: make render-real DATA=FOLDER
render-real: .venv/installed pretrained
	FMA_ROOT="$(or $(DATA),$(error DATA=FOLDER is needed: the excerpts in the layout of the FMA))" \
	    $(RENDER) --out results/real_music --without-players \
	    "spectrogram_feature/Full Data Pipeline.ipynb" spectrogram_feature/Training.ipynb \
	    "spectrogram_feature/Genre Confusion.ipynb"

# The pictures of results/fma_small, imported by the commands of its README.
render-fma-small: .venv/installed
	$(RENDER) spectrogram_image/CNN.ipynb --out results/fma_small --set \
	    IMAGES=../data/rendered/images/fma-small KINDS="['mel']" SIZES="['']" EPOCHS=20 BATCH_SIZE=32 \
	    WINDOW=64 SHIFT=64
	$(RENDER) spectrogram_feature/Training.ipynb --out results/fma_small --set \
	    RECORDS=../data/rendered/records/fma-small-features \
	    SEVERAL_GENRES=../data/rendered/records/fma-small-all

# All speeds, each beside its alternative.
bench: .venv/installed build/bench/installed demo
	build/bench/venv/bin/python benchmarks/run.py

# An environment that adds the peers of the benchmarks to the packages of .venv.
build/bench/installed: .venv/installed benchmarks/requirements.txt
	$(BIN)/python -m venv --clear build/bench/venv
	$(BIN)/python -c "import site; print(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')" \
	    > $$(echo build/bench/venv/lib/python3.*/site-packages)/project.pth
	-build/bench/venv/bin/python -m pip install $(PIP_OPTIONS) -r benchmarks/requirements.txt -c $(CONSTRAINTS)
	touch $@

# Extraction at the size of FMA medium: a quarter of an hour on an idle machine.
bench-scale: .venv/installed demo
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/run.py --pages

# pytest -m slow, which injects faults at random moments, and the table of what they cost.
bench-faults: .venv/installed
	$(BIN)/python benchmarks/faults.py

# The weights of musicnn, for --model musicnn.
pretrained: .venv/installed
	$(BIN)/python data/pretrained.py

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Only if FMA_ROOT is unset and there is no data set.
demo: .venv/installed
	@if [ -z "$(FMA_ROOT)" ] && ! $(BIN)/python -c "import fma_utils; fma_utils.find_dataset()" 2>/dev/null; \
	then $(BIN)/python data/make_demo.py; fi

.venv/installed: requirements.txt $(CONSTRAINTS) pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements.txt -c $(CONSTRAINTS)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation -e .
	touch $@

# After a change of requirements.txt, with Python 3.12 and with 3.11: pins indirect dependencies.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install $(PIP_OPTIONS) -r requirements.txt
	build/lock/bin/python -m pip freeze --all --exclude pip > $(CONSTRAINTS)
	rm -rf build/lock

clean:
	rm -rf .venv build *.egg-info
