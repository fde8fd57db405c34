#!/bin/sh
# Makes /application/app from the folders in /source, and compiles them at their final place: application.sh
set -eu
mkdir -p /application
mv /source /app
find /app -name __pycache__ -prune -exec rm -rf {} +
find /app -name '*.py' -print | LC_ALL=C sort >/tmp/sources
/opt/maskgate/bin/python -m compileall -q --invalidation-mode unchecked-hash -i /tmp/sources
mv /app /application/app
./timeless.sh /application
