"""Screens: asked for, confirmed by operators or paired by a link, listed and revoked."""

from datetime import timedelta

import httpx
import pytest

from cloud.contract import PendingScreen, Role, Screen, ScreenLink
from cloud.errors import ScreenCodeInvalid
from cloud.store import Store, now
from cloud.store.access.screens import CODE_LIFETIME, LINK_LIFETIME
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login

SCREENS = "/v1/screens"
CONFIRM = f"/v1/gates/{GATE}/screens"
LINKS = f"/v1/gates/{GATE}/screen-links"


def asked(client: httpx.Client, **more: str) -> PendingScreen:
    answer = client.post(SCREENS, json={"gate": GATE, **more})
    assert answer.status_code == 201, answer.text
    return PendingScreen.model_validate_json(answer.content)


def opens(api_url: str, key: str) -> bool:
    answer = httpx.get(f"{api_url}/v1/keys/me", headers={"Authorization": f"Bearer {key}"})
    return answer.is_success and answer.json()["gate"] == GATE and answer.json()["role"] == "kiosk"


def test_a_screen_opens_nothing_until_an_operator_confirms_its_code(
    operator: httpx.Client, api_url: str, store: Store
) -> None:
    pending = asked(operator)
    assert pending.code is not None
    assert not opens(api_url, pending.key)
    assert all(pending.code.encode() not in key for key in store.client.scan_iter("*"))
    typed = pending.code.lower().replace("-", " ")
    answer = operator.post(CONFIRM, json={"code": typed, "name": "Tablet"})
    assert answer.status_code == 201
    screen = Screen.model_validate_json(answer.content)
    assert (screen.id, screen.name, screen.gate) == (pending.id, "Tablet", GATE)
    assert opens(api_url, pending.key)
    assert [each["id"] for each in operator.get(SCREENS).json()] == [pending.id]
    again = operator.post(CONFIRM, json={"code": typed, "name": "Tablet"})
    assert code_of(again) == "screen_code_invalid"


def test_a_revoked_screen_opens_nothing_and_stays_listed(
    operator: httpx.Client, api_url: str
) -> None:
    pending = asked(operator)
    operator.post(CONFIRM, json={"code": pending.code, "name": "Tablet"})
    assert operator.delete(f"{SCREENS}/{pending.id}").status_code == 204
    assert operator.delete(f"{SCREENS}/{pending.id}").status_code == 204
    assert not opens(api_url, pending.key)
    (screen,) = operator.get(SCREENS).json()
    assert screen["revoked"]


def test_a_code_is_for_the_gate_at_which_its_screen_stands(operator: httpx.Client) -> None:
    pending = asked(operator)
    elsewhere = operator.post(
        f"/v1/gates/{OTHER_GATE}/screens", json={"code": pending.code, "name": "Tablet"}
    )
    assert code_of(elsewhere) == "screen_code_invalid"
    assert operator.post(CONFIRM, json={"code": pending.code, "name": "Tablet"}).is_success


def test_codes_and_links_run_out(store: Store) -> None:
    pending = store.screens.ask(GATE, now())
    assert pending.code is not None
    with pytest.raises(ScreenCodeInvalid):
        store.screens.confirm(GATE, pending.code, "Tablet", now() + CODE_LIFETIME)
    link = store.screens.new_link(GATE, now())
    with pytest.raises(ScreenCodeInvalid):
        store.screens.pair_by_link(GATE, link.code, now() + LINK_LIFETIME + timedelta(seconds=1))


def test_a_link_pairs_one_screen_of_its_gate(
    operator: httpx.Client, login: Login, api_url: str
) -> None:
    link = ScreenLink.model_validate_json(operator.post(LINKS).content)
    elsewhere = operator.post(SCREENS, json={"gate": OTHER_GATE, "link_code": link.code})
    assert code_of(elsewhere) == "screen_code_invalid"
    paired = asked(login(Role.KIOSK, GATE), link_code=link.code)
    assert paired.paired
    assert paired.code is None
    assert opens(api_url, paired.key)
    again = operator.post(SCREENS, json={"gate": GATE, "link_code": link.code})
    assert code_of(again) == "screen_code_invalid"


def test_guesses_at_codes_are_limited(operator: httpx.Client) -> None:
    codes = [
        code_of(operator.post(CONFIRM, json={"code": f"2222-22{n:02}", "name": "Tablet"}))
        for n in range(31)
    ]
    assert codes == ["screen_code_invalid"] * 30 + ["rate_limited"]


def test_another_gates_screens_are_none_of_ours(login: Login, operator: httpx.Client) -> None:
    pending = asked(operator)
    operator.post(CONFIRM, json={"code": pending.code, "name": "Tablet"})
    bound = login(Role.OPERATOR, OTHER_GATE)
    assert bound.get(SCREENS).json() == []
    assert code_of(bound.delete(f"{SCREENS}/{pending.id}")) == "gate_forbidden"
    assert code_of(bound.post(SCREENS, json={"gate": GATE})) == "gate_forbidden"
    assert code_of(operator.delete(f"{SCREENS}/nothing")) == "screen_unknown"
