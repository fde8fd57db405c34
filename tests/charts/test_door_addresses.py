"""A camera's password stands in a Secret alone: neither in a pod's spec, nor in an error."""

import json
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import EDGE, objects_of, rendered

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}

WITH_A_PASSWORD = [
    "rtsp://admin:hush@10.0.0.7:554/1",
    "rtsp://admin:hush#x@10.0.0.7:554/1",
    "rtsp://admin:hush/x@10.0.0.7:554/1",
    "rtsp://admin:hush?x@10.0.0.7:554/1",
    "rtsp://admin:hu@hush@10.0.0.7/1",
    "rtsp://admin:h hush@10.0.0.7/1",
    "rtsp://hush@10.0.0.7/1",
    "RTSPS://admin:hush@[fd00::7]:322/1",
    "http://admin:hush@10.0.0.7/video",
    "admin:hush@10.0.0.7",
    "rtsp://10.0.0.7:554/user=admin&password=hush&channel=1&stream=0.sdp",
    "http://10.0.0.7/snapshot.cgi?usr=admin&pwd=hush",
    "http://10.0.0.7/video?access_token=hush",
    "http://10.0.0.7/video?api_key=hush",
    "https://10.0.0.7/video?w=640&sig=hush",
]


@pytest.mark.parametrize("url", WITH_A_PASSWORD)
@pytest.mark.parametrize("place", ["all", "one"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str, place: str) -> None:
    camera = {"kind": "network", "url": url}
    values: dict[str, Any] = {
        "all": {**CLOUD_AT, "camera": camera, "doors": {"main": {}}},
        "one": {**CLOUD_AT, "doors": {"main": {"camera": camera}}},
    }[place]
    with pytest.raises(HelmError) as refused:
        rendered(EDGE, values)
    said = str(refused.value)
    assert {"all": "'/camera/url'", "one": "'/doors/main/camera/url'"}[place] in said
    assert "camera.existingSecret" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    "url", ["ftp://10.0.0.7/1", "10.0.0.7", "rtsp:/10.0.0.7/1", "rtsp://10.0.0.7/a b", "rtsp:///1"]
)
def test_what_is_no_address_of_a_camera_is_refused(url: str) -> None:
    camera = {"kind": "network", "url": url}
    with pytest.raises(HelmError, match="begins with rtsp://"):
        rendered(EDGE, {**CLOUD_AT, "doors": {"main": {"camera": camera}}})


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.7:554/user=admin&password=&channel=1&stream=0.sdp",
        "http://10.0.0.7/video?resolution=640x480&mapping=flat",
        "rtsp://camera.inside/Streaming/Channels/101",
    ],
)
def test_an_address_without_a_password_is_taken(url: str) -> None:
    values = {**CLOUD_AT, "doors": {"main": {"camera": {"kind": "network", "url": url}}}}
    assert url in json.dumps(rendered(EDGE, values))


def test_an_address_in_a_secret_is_a_file_of_the_container_and_no_variable() -> None:
    for manifest in objects_of("maskgate-edge", "camera-secret"):
        if manifest["kind"] != "DaemonSet":
            continue
        spec = manifest["spec"]["template"]["spec"]
        variables = {each["name"]: each for each in spec["containers"][0]["env"]}
        assert "EDGE_SOURCE" not in variables
        assert variables["EDGE_SECRETS_DIR"]["value"] == "/run/secrets"
        (secrets,) = [each for each in spec["volumes"] if each["name"] == "secrets"]
        ((secret,),) = [
            [each["secret"] for each in secrets["projected"]["sources"]],
        ]
        door = manifest["spec"]["template"]["metadata"]["labels"]["maskgate.io/door"]
        assert secret == {"name": "cameras", "items": [{"key": door, "path": "edge_source"}]}


def test_a_secret_of_its_own_takes_the_place_of_an_address_for_all() -> None:
    camera = {"kind": "network", "url": "rtsp://10.0.0.7:8554/1"}
    doors = {
        "front": {"nodeSelector": {"at": "front"}},
        "back": {"nodeSelector": {"at": "back"}, "camera": {"existingSecret": "back"}},
    }
    text = {
        each["metadata"]["name"].rpartition("-")[2]: json.dumps(each["spec"])
        for each in rendered(EDGE, {**CLOUD_AT, "camera": camera, "doors": doors})
        if each["kind"] == "DaemonSet"
    }
    assert "rtsp://10.0.0.7:8554/1" in text["front"]
    assert "10.0.0.7" not in text["back"]
    swapped = rendered(
        EDGE,
        {
            **CLOUD_AT,
            "camera": {"kind": "network", "existingSecret": "cameras"},
            "doors": {"main": {"camera": {"url": "rtsp://10.0.0.7/1"}}},
        },
    )
    assert "cameras" not in json.dumps([each for each in swapped if each["kind"] == "DaemonSet"])
