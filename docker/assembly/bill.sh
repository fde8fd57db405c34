#!/bin/sh
# Writes the bill of materials of /opt/maskgate to /bill/usr/share/maskgate/sbom.cdx.json (CycloneDX): bill.sh LOCK PYPROJECT
# The bill names all packages of the lock, also those of which parts were pruned.
set -eu
python3 -m venv /tmp/sbom
/tmp/sbom/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --root-user-action=ignore \
  --no-deps --require-hashes --only-binary :all: -r "$1"
mkdir -p /bill/usr/share/maskgate
/tmp/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject "$2" --mc-type application \
  --output-file /bill/usr/share/maskgate/sbom.cdx.json /opt/maskgate/bin/python
./timeless.sh /bill
