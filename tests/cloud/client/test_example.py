"""The example of docs/api.md runs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from cloud.client import Client
from cloud.contract import Event, Label, Role
from cloud.store import Store, mint
from tests.cloud.conftest import GATE, Login, posted
from tests.cloud.processes import ROOT


def test_the_documented_example_runs_as_it_stands(
    api_url: str,
    store: Store,
    login: Login,
    make_event: Callable[..., Event],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chapter = (ROOT / "docs" / "api.md").read_text().split("## Python client")[1]
    (example,) = re.findall(r"```python\n(.*?)```", chapter.split("\n## ")[0], re.DOTALL)
    operator = mint("an operator", Role.OPERATOR, None)
    store.keys.add(operator.stored)
    at = datetime.now(UTC)
    refused = make_event(Label.WITHOUT_MASK, id=uuid7(), first_seen_at=at, occurred_at=at)
    login(Role.DEVICE).post("/v1/events", json=posted(refused)).raise_for_status()
    monkeypatch.setenv("MASKGATE_URL", api_url)
    monkeypatch.setenv("MASKGATE_KEY", operator.text)
    exec(compile(example, "docs/api.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{GATE} ")
    assert said[0].endswith(" refused")
    assert said[1] == "Main entrance closed: True"
    with Client(api_url, operator.text) as api:
        assert [gate.closed for gate in api.list_gates() if gate.id == GATE] == [True]
