"""The log-in before the dashboard, and who it believes a browser to be at."""

import json
import subprocess
import sys
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import (
    CLOUD,
    ROOT,
    Manifest,
    environment,
    named,
    notes,
    objects_of,
    rendered,
)


def _pod(manifests: Any) -> Manifest:
    pod: Manifest = named(manifests, "Deployment", "dashboard")["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize(
    ("example", "image", "port"),
    [
        ("log-in-basic", "caddy:2", 8080),
        ("log-in-oauth2", "quay.io/oauth2-proxy/oauth2-proxy:v7.15.3", 4180),
    ],
)
def test_the_service_leads_to_the_log_in_and_the_page_listens_within_the_pod(
    example: str, image: str, port: int
) -> None:
    manifests = objects_of("maskgate", example)
    page, login = _pod(manifests)["containers"]
    assert environment(page)["STREAMLIT_SERVER_ADDRESS"] == "127.0.0.1"
    assert "ports" not in page
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert page[probe]["exec"]["command"] == [
            *("python", "/app/probe.py", "http://127.0.0.1:8501/_stcore/health")
        ]
        assert login[probe]["httpGet"]["port"] == "http"
    assert login["image"] == image
    assert login["ports"] == [{"name": "http", "containerPort": port, "protocol": "TCP"}]
    (led,) = named(manifests, "Service", "dashboard")["spec"]["ports"]
    assert (led["port"], led["targetPort"]) == (8501, "http")
    mounted = {each["name"] for each in page["volumeMounts"]}
    assert "login" not in mounted, "the page has no use for the log-in's secrets"
    assert "secrets" not in {each["name"] for each in login["volumeMounts"]}


def test_basic_auth_asks_everybody_for_a_name_and_a_password() -> None:
    manifests = objects_of("maskgate", "log-in-basic")
    config = named(manifests, "ConfigMap", "login")["data"]["Caddyfile"]
    asked = config[config.index("basicauth") :]
    assert "import /run/secrets/people" in asked
    assert "reverse_proxy 127.0.0.1:8501" in asked
    assert config.count("reverse_proxy") == 1
    (volume,) = [each for each in _pod(manifests)["volumes"] if each["name"] == "login"]
    assert volume["secret"]["secretName"] == "maskgate-people"
    assert volume["secret"]["items"] == [{"key": "dashboard-people", "path": "people"}]
    annotations = named(manifests, "Deployment", "dashboard")["spec"]["template"]["metadata"][
        "annotations"
    ]
    assert annotations["checksum/login"]


def test_oauth2_proxy_is_told_of_its_provider_and_its_secrets_are_files() -> None:
    manifests = objects_of("maskgate", "log-in-oauth2")
    _, login = _pod(manifests)["containers"]
    assert {
        "--upstream=http://127.0.0.1:8501",
        "--oidc-issuer-url=https://login.example.org:8443/realms/doors",
        "--client-id=maskgate",
        "--client-secret-file=/run/secrets/client-secret",
        "--cookie-secret-file=/run/secrets/cookie-secret",
        "--email-domain=example.org",
        "--code-challenge-method=S256",
    } <= set(login["args"])
    assert "env" not in login
    (volume,) = [each for each in _pod(manifests)["volumes"] if each["name"] == "login"]
    paths = {item["key"]: item["path"] for item in volume["secret"]["items"]}
    assert paths == {"client-secret": "client-secret", "cookie-secret": "cookie-secret"}


def test_where_groups_alone_decide_every_address_is_taken() -> None:
    _, login = _pod(objects_of("maskgate", "private-registry"))["containers"]
    told = [each for each in login["args"] if each.startswith(("--email", "--allowed"))]
    assert told == ["--email-domain=*", "--allowed-group=doors"]


def test_without_a_log_in_the_notes_say_so() -> None:
    assert "The dashboard asks nobody for a password" in notes(CLOUD, {})
    login = {"dashboard": {"login": {"kind": "basic", "existingSecret": "people"}}}
    said = notes(CLOUD, login)
    assert "A log-in stands in front of the dashboard (dashboard.login.kind=basic)" in said


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"kind": "basic"}, ["dashboard.login.existingSecret", "dashboard-people"]),
        ({"kind": "oauth2-proxy"}, ["existingSecret", "client-secret and cookie-secret"]),
        ({"kind": "oauth2-proxy", "existingSecret": "s"}, ["clientId"]),
        (
            {"kind": "oauth2-proxy", "existingSecret": "s", "oauth2Proxy": {"clientId": "c"}},
            ["issuerUrl"],
        ),
        (
            {
                "kind": "oauth2-proxy",
                "existingSecret": "s",
                "oauth2Proxy": {"clientId": "c", "issuerUrl": "https://login.example.org"},
            },
            ["who may log in", "emailDomains", "allowedGroups"],
        ),
        ({"kind": "password"}, ["/dashboard/login/kind"]),
    ],
)
def test_a_log_in_that_lacks_something_is_refused(login: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(CLOUD, {"dashboard": {"login": login}})
    for word in words:
        assert word in str(refused.value)


def test_streamlit_reads_every_host_name_that_the_chart_gives() -> None:
    page = _pod(objects_of("maskgate", "several-hosts"))["containers"][0]
    said = environment(page)["STREAMLIT_SERVER_ALLOWED_HOSTS"]
    script = (
        "import json, sys\n"
        "from streamlit import config\n"
        "from streamlit.web import cli\n"
        "def told(**_): print(json.dumps(config.get_option('server.allowedHosts')))\n"
        "config.show_config = told\n"
        "sys.argv = ['streamlit', 'config', 'show']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"STREAMLIT_SERVER_ALLOWED_HOSTS": said},
        timeout=120,
    )
    read = json.loads(done.stdout.strip().splitlines()[-1])
    assert read == ["localhost", "127.0.0.1", "desk.example.org", "desk.example.com"]
