import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
KEY = re.compile(r"""["']mg:""")


def test_keys_are_built_in_keyspace_alone() -> None:
    # Stores of earlier versions, in tests/upgrade, hold their keys as those versions wrote them.
    allowed = {ROOT / "cloud/store/keyspace.py", Path(__file__)}
    folders = ("benchmarks", "chaos", "cloud", "dashboard", "demo", "edge", "release", "tests")
    literals = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path not in allowed and ROOT / "tests/upgrade" not in path.parents
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if KEY.search(line)
    ]
    assert not literals, f"build these keys in cloud/store/keyspace.py: {literals}"
