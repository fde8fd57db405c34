"""Imports every module of the named packages: `python imports.py edge cloud.contract`.

What an environment lacks then has a name. Prints how many modules there were.
"""

import importlib
import pkgutil
import sys

SCRIPTS = {"dashboard.app"}
"""To import one is to run it."""

if __name__ == "__main__":
    # The folder that this is started from, as `python -m` does.
    sys.path.insert(0, "")
    names: list[str] = []
    for top in sys.argv[1:]:
        package = importlib.import_module(top)
        names += [top, *(each.name for each in pkgutil.walk_packages(package.__path__, f"{top}."))]
    for name in names:
        if name not in SCRIPTS:
            importlib.import_module(name)
    print(len(names))
