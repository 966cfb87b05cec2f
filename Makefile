# make demo: pretrain on public CT and write demo/report.html.   make test: everything that can be tested here.
# make test-slicer SLICER=/path/to/Slicer: the scenarios in the real application.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-slicer lint bench screenshots clean

$(VENV)/backend: backend/pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable backend
	touch $@

$(VENV)/test: $(VENV)/backend
	$(PIP) --editable "backend[test,slicer]"
	touch $@

demo: $(VENV)/backend
	$(BIN)/medssl demo --output demo

lint: $(VENV)/test
	$(BIN)/ruff check --config backend/pyproject.toml backend MedSSLPretrain MedSSLInference Testing Resources
	$(BIN)/ruff format --check --config backend/pyproject.toml backend MedSSLPretrain MedSSLInference Testing Resources
	cd backend && ../$(BIN)/mypy

test: lint
	cd backend && OMP_NUM_THREADS=1 ../$(BIN)/python -m pytest tests --numprocesses 2 --dist worksteal
	$(BIN)/python -m pytest --quiet Testing --numprocesses 2 --dist worksteal

# make test-slicer SLICER=/path/to/Slicer [SCENARIOS="restoring comparing"]: both modules in the real application; 77 is "skipped".
test-slicer: $(VENV)/test
	$(BIN)/python Testing/slicer/play/run.py --slicer "$(SLICER)" $(SCENARIOS) || test $$? -eq 77

bench: $(VENV)/test
	$(BIN)/python backend/benchmarks/distortion.py
	$(BIN)/python backend/benchmarks/distortion.py --radiographs
	$(BIN)/python backend/benchmarks/augmentation.py
	$(BIN)/python backend/benchmarks/training.py
	$(BIN)/python backend/benchmarks/peac_training.py
	$(BIN)/python backend/benchmarks/correspondence.py
	$(BIN)/python backend/benchmarks/declared_sets.py
	$(BIN)/python backend/benchmarks/retrieval.py
	$(BIN)/python backend/benchmarks/memory.py
	$(BIN)/python backend/benchmarks/hospital_volumes.py
	$(BIN)/python backend/benchmarks/server_footprint.py
	$(BIN)/python backend/benchmarks/server_load.py

screenshots: $(VENV)/test
	$(BIN)/python Testing/screenshots/screenshots.py
	$(BIN)/python -m pytest --quiet Testing --screenshots docs/pictures/states

clean:
	rm -rf $(VENV) demo
