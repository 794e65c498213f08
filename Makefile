# GNU make 3.81 or newer. Every path is relative and quoted, so that blanks in the project's path do no harm.
# pipeline/README.md has the same as plain commands, for Windows without make.
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
# Written last by pipeline/install.py: without it .venv is half-made
READY := .venv/requirements.lock
# A file of tests stays in one of the two processes, because its tests share what is slow to make
PYTEST := "$(PY)" -m pytest -n 2 --dist loadfile
SOURCE ?= 0
PORT ?= 5000
EXAMPLES ?= 500

export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := False
export DVC_NO_ANALYTICS := true
export ORT_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help run test quick chaos demo bench-demo web web-static bench-static bench-load promote promote-and-demo bench bench-train pages recipes replicate speedrun study ui lock fuzz sbom dist lint clean

help: ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

run: $(READY) ## the whole pipeline, from the data to a promoted model (FER2013=PATH, DATASET=sample or NAME)
	@"$(PY)" -m pipeline.cli run $${DATASET:+--dataset "$$DATASET"} $${FER2013:+--fer2013 "$$FER2013"}

test: $(READY) ## every test, about 13 minutes on two idle cores (ARGS=-x)
	@$(PYTEST) $(ARGS)

quick: $(READY) ## the fast tests, about a minute
	@$(PYTEST) -m "not slow" $(ARGS)

chaos: $(READY) ## kill commands that write, run them twice at once, fill their disk (ARGS="train --kills 3 --jobs 2")
	@"$(PY)" tests/chaos.py $(ARGS)

demo: $(READY) ## the champion on a webcam, q ends it (SOURCE=file, folder, stream or index; ARGS="--headless --out FILE")
	@"$(PY)" -m pipeline.cli demo "$(SOURCE)" $(ARGS)

bench-demo: $(READY) ## time the demo here, step by step, with one face and with four
	@"$(PY)" -m pipeline.cli bench-demo $(ARGS)

# PORT as set above is MLflow's
web: $(READY) ## the champion as a page and an API at 127.0.0.1 (PORT=8000)
	@"$(PY)" -m pipeline.cli web $(if $(filter-out file,$(origin PORT)),--port "$(PORT)") $(ARGS)

web-static: $(READY) ## the same page as plain files that run in the browser alone, in build/web-static (needs npm)
	@"$(PY)" -m pipeline.cli web-static $(ARGS)

bench-static: $(READY) ## time the static page in the Chromium here, and weigh what it downloads (needs npm)
	@"$(PY)" -m pipeline.cli bench-static $(ARGS)

bench-load: $(READY) ## put 1, 8 and 32 clients on the page and the API, half an hour (ARGS="--minutes 0.2 --clients 4")
	@"$(PY)" -m pipeline.cli bench-load $(ARGS)

promote: $(READY) ## compare the trained model with the champion, and promote it if it is better
	@"$(PY)" -m pipeline.cli promote $(ARGS)

promote-and-demo: $(READY) ## promote, then show the champion on a webcam (SOURCE=, ARGS= as for demo)
	@"$(PY)" -m pipeline.cli promote
	@"$(PY)" -m pipeline.cli demo "$(SOURCE)" $(ARGS)

bench: $(READY) ## time the champion under ONNX Runtime, LiteRT and Keras, about 20 minutes (ARGS="BUNDLE --calls 100")
	@"$(PY)" -m pipeline.cli bench $(ARGS)

bench-train: $(READY) ## every recipe's training against plain Keras fit, about half an hour (ARGS="RECIPE --seconds 1")
	@"$(PY)" -m pipeline.cli bench-train $(ARGS)

speedrun: $(READY) ## train recipe speedrun, three seeds of eight minutes on two cores (ARGS="--try IDEA path=value")
	@"$(PY)" -m pipeline.cli speedrun $(ARGS)

pages: $(READY) ## regenerate every page that is made from the ledger, after a new entry (needs FER-2013)
	@for page in results recipes "speedrun --page" replicate labels card index; do "$(PY)" -m pipeline.cli $$page || exit 1; done

recipes: $(READY) ## regenerate reports/recipes.md, the published systems' figures beside ours
	@"$(PY)" -m pipeline.cli recipes

replicate: $(READY) ## repeat a side finding of the published systems (NAME=balance ARGS="--seeds 1 2")
	@"$(PY)" -m pipeline.cli replicate $(NAME) $(ARGS)

# PORT as set above is MLflow's
study: $(READY) ## look at the Optuna studies at 127.0.0.1 (PORT=8080, ARGS=--report writes the report alone)
	@"$(PY)" -m pipeline.cli study $(if $(filter-out file,$(origin PORT)),--port "$(PORT)") $(ARGS)

ui: $(READY) ## open MLflow at 127.0.0.1 (PORT=5000)
	@"$(PY)" -m pipeline.cli ui --port "$(PORT)"

lock: $(READY) ## regenerate requirements.lock from pyproject.toml (ARGS=--upgrade for newer versions)
	@"$(PY)" -m uv pip compile --universal --generate-hashes --python-version 3.11 --extra pipeline --extra team --extra cluster --extra dev -q \
	  --custom-compile-command "make lock" -o requirements.lock pyproject.toml $(ARGS)

fuzz: $(READY) ## the property-based tests with many new examples each, about 30 minutes (EXAMPLES=500 ARGS="-k archives")
	@FUZZ_EXAMPLES="$(EXAMPLES)" $(PYTEST) --timeout 3600 tests/fuzz $(ARGS)
	@"$(PY)" tests/fuzz/guided.py

sbom: $(READY) ## the lock's packages with hashes and licences, as CycloneDX, in build/sbom.json
	@"$(PY)" -m pipeline.reporting.sbom $(ARGS)

# The time in the archives is the last commit's, so that two builds of it are the same, byte for byte
dist: $(READY) ## a source distribution and a wheel in dist/, the same from everybody
	@SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" \
	  "$(PY)" -m uv build -q --offline --no-build-isolation --python "$(PY)" --out-dir dist $(ARGS)

lint: $(READY) ## ruff and mypy
	@"$(PY)" -m ruff check .
	@"$(PY)" -m mypy

clean: ## delete caches and the sample's data and reports; .venv, FER-2013, the champion and MLflow stay
	rm -rf data/sample reports/sample .studies/sample.db* .pytest_cache .mypy_cache .ruff_cache build *.egg-info
	find pipeline tests -name __pycache__ -prune -exec rm -rf {} +

# The first suitable Python makes .venv; make PYTHON=/path/to/python3.12 overrides the choice.
$(READY): requirements.lock pyproject.toml
	@found=none; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python); do \
	  version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  case "$$version" in 3.11|3.12|3.13) exec "$$python" -m pipeline.install;; esac; \
	  [ "$$found" = none ] && found="$$version ($$python)"; \
	done; \
	echo "ferpipe needs Python 3.11, 3.12 or 3.13, found $$found; install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1
