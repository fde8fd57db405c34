"""Which ports the doors may reach: those of their addresses, unless a value says others."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import EDGE, Manifest, named, objects_of, rendered

Ports = set[tuple[int, str]]


def _policy(manifests: list[Manifest] | tuple[Manifest, ...], name: str) -> Manifest:
    (rule,) = named(manifests, "NetworkPolicy", name)["spec"]["egress"]
    found: Manifest = rule
    return found


def _ports(manifests: list[Manifest] | tuple[Manifest, ...], name: str) -> Ports:
    return {(port["port"], port["protocol"]) for port in _policy(manifests, name)["ports"]}


def _door(url: str = "https://gate.example.org", **values: Any) -> list[Manifest]:
    return rendered(EDGE, {"cloud": {"url": url}, "doors": {"main": {}}, **values})


def _camera(url: str, **values: Any) -> list[Manifest]:
    return _door(camera={"kind": "network", "url": url}, **values)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://gate.example.org", 443),
        ("https://gate.example.org/", 443),
        ("https://gate.example.org:8443", 8443),
        ("https://gate.example.org:8443/api", 8443),
        ("https://gate.example.org?at=10:30", 443),
        ("http://gate.example.org", 80),
        ("http://maskgate-api.maskgate:8000", 8000),
        ("https://10.0.0.5:9443", 9443),
        ("https://[fd00::5]", 443),
        ("https://[fd00::5]:8443/", 8443),
        ("http://[fe80::1%25eth0]:8000", 8000),
        ("HTTPS://gate.example.org", 443),
    ],
)
def test_the_cloud_is_reached_at_the_port_of_its_address(url: str, port: int) -> None:
    assert _ports(_door(url), "doors-to-cloud") == {(port, "TCP")}


def test_a_port_that_is_named_counts_more_than_the_address() -> None:
    told = {"networkPolicy": {"cloudPorts": [8443, 9443], "cameraPorts": [10554]}}
    manifests = _camera("rtsp://10.0.0.7:8554/1", **told)
    assert _ports(manifests, "doors-to-cloud") == {(8443, "TCP"), (9443, "TCP")}
    assert _ports(manifests, "doors-to-cameras") == {(10554, "TCP")}


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("rtsp://10.0.0.7/1", 554),
        ("rtsp://10.0.0.7:8554/1", 8554),
        ("RTSP://camera.inside:8554", 8554),
        ("rtsps://10.0.0.7/1", 322),
        ("http://10.0.0.7/video", 80),
        ("http://10.0.0.7:8080/video?at=12:15", 8080),
        ("https://10.0.0.7/video", 443),
        ("rtsp://[fd00::7]/1", 554),
        ("rtsp://[fd00::7]:8554/1", 8554),
    ],
)
def test_a_camera_is_reached_at_the_port_of_its_address(url: str, port: int) -> None:
    assert _ports(_camera(url), "doors-to-cameras") == {(port, "TCP")}


def test_each_camera_is_reached_at_a_port_of_its_own() -> None:
    doors = {
        "front": {"camera": {"url": "rtsp://10.0.0.7:8554/1"}},
        "back": {"camera": {"url": "http://10.0.0.8:8080/video"}},
        "yard": {"camera": {"url": "rtsp://10.0.0.9:8554/2"}},
        "hall": {"camera": {"kind": "resource"}},
    }
    manifests = _door(camera={"kind": "network"}, doors=doors)
    assert _ports(manifests, "doors-to-cameras") == {(8554, "TCP"), (8080, "TCP")}
    selected = named(manifests, "NetworkPolicy", "doors-to-cameras")["spec"]["podSelector"]
    (expression,) = selected["matchExpressions"]
    assert expression["values"] == ["door-back", "door-front", "door-yard"]


def test_a_camera_whose_address_is_in_a_secret_is_reached_at_the_ports_that_are_named() -> None:
    secret = {"kind": "network", "existingSecret": "cameras"}
    unknown = _ports(_door(camera=secret), "doors-to-cameras")
    assert unknown == {(80, "TCP"), (322, "TCP"), (443, "TCP"), (554, "TCP")}
    known = _door(camera={**secret, "ports": [10554]})
    assert _ports(known, "doors-to-cameras") == {(10554, "TCP")}
    assert (10554, "TCP") in _ports(
        objects_of("maskgate-edge", "camera-secret"), "doors-to-cameras"
    )


def test_pictures_by_udp_are_let_through_where_the_edge_asks_for_them() -> None:
    """OpenCV asks a camera for RTSP over TCP, unless this variable says otherwise."""
    asked = [{"name": "OPENCV_FFMPEG_CAPTURE_OPTIONS", "value": "rtsp_transport;udp|x;1"}]
    url = "rtsp://10.0.0.7/1"
    assert _ports(_camera(url), "doors-to-cameras") == {(554, "TCP")}
    for manifests in (
        _camera(url, extraEnv=asked),
        _camera(url, doors={"main": {"extraEnv": asked}}),
        _camera(url, networkPolicy={"cameraUDP": True}),
    ):
        assert _policy(manifests, "doors-to-cameras")["ports"] == [
            {"port": 554, "protocol": "TCP"},
            {"port": 1024, "endPort": 65535, "protocol": "UDP"},
        ]


def test_a_proxy_is_reached_at_the_port_of_its_variable() -> None:
    rule = _policy(objects_of("maskgate-edge", "per-door"), "doors-to-proxy")
    assert rule == {
        "ports": [{"port": 3128, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.9.1/32"}}],
    }
    (more,) = named(objects_of("maskgate-edge", "per-door"), "NetworkPolicy", "doors-to-others")[
        "spec"
    ]["egress"]
    assert more["ports"] == [{"port": 123, "protocol": "UDP"}]
    for name, value, port in (
        ("https_proxy", "http://[fd00::9]:8080", 8080),
        ("ALL_PROXY", "socks5://proxy.inside", 1080),
        ("ALL_PROXY", "socks5h://proxy.inside:9050", 9050),
        ("HTTP_PROXY", "http://proxy.inside/", 80),
    ):
        manifests = _door(extraEnv=[{"name": name, "value": value}])
        assert _ports(manifests, "doors-to-proxy") == {(port, "TCP")}
    reference = {"secretKeyRef": {"name": "proxy", "key": "url"}}
    unseen = [{"name": "HTTPS_PROXY", "valueFrom": reference}]
    told = _door(extraEnv=unseen, networkPolicy={"proxyPorts": [3128]})
    assert _ports(told, "doors-to-proxy") == {(3128, "TCP")}


def test_a_proxy_s_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(HelmError, match="HTTPS_PROXY with a password") as refused:
        _door(extraEnv=[{"name": "HTTPS_PROXY", "value": "http://me:hush@proxy:3128"}])
    assert "hush" not in str(refused.value)


def test_dns_is_asked_where_and_at_the_port_that_is_said() -> None:
    usual = _policy(_door(), "doors-to-dns")
    assert usual["ports"] == [
        {"port": 53, "protocol": "UDP"},
        {"port": 53, "protocol": "TCP"},
    ]
    space = usual["to"][0]["namespaceSelector"]["matchLabels"]
    assert space == {"kubernetes.io/metadata.name": "kube-system"}

    openshift = _policy(objects_of("maskgate-edge", "openshift"), "doors-to-dns")
    assert {port["port"] for port in openshift["ports"]} == {5353}
    space = openshift["to"][0]["namespaceSelector"]["matchLabels"]
    assert space == {"kubernetes.io/metadata.name": "openshift-dns"}

    local = [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert _policy(_door(networkPolicy={"dns": local}), "doors-to-dns")["to"] == local


def test_nobody_reads_metrics_where_nobody_is_named() -> None:
    """An empty `from` would let everybody in."""
    manifests = _door(monitoring={"enabled": True}, networkPolicy={"monitoring": []})
    policies = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    assert {each["metadata"]["name"].removeprefix("mg-maskgate-edge-") for each in policies} == {
        "default-deny",
        "doors-to-dns",
        "doors-to-cloud",
    }


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://fd00::5", ["/cloud/url", "brackets"]),
        ("https://fd00::5:8443", ["/cloud/url", "brackets"]),
        ("https://gate.example.org:99999", ["/cloud/url", "65535"]),
        ("https://gate.example.org:0", ["/cloud/url", "65535"]),
        ("https://gate.example.org:http", ["/cloud/url", "host and port"]),
        ("https://me:hush@gate.example.org", ["/cloud/url", "password"]),
        ("https://me:hu/hush@gate.example.org", ["/cloud/url", "password"]),
        ("me:hush@gate.example.org", ["/cloud/url", "password"]),
        ("gate.example.org:8443", ["/cloud/url", "http://"]),
        ("https:///v1", ["/cloud/url", "http://"]),
    ],
)
def test_an_address_of_the_cloud_without_a_usable_port_is_refused(
    url: str, words: list[str]
) -> None:
    with pytest.raises(HelmError) as refused:
        _door(url)
    for word in words:
        assert word in str(refused.value)
    assert "hush" not in str(refused.value)
