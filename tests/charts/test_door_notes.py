"""What an operator is told after an installation of doors."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from release.version import project_version
from tests.charts.rendering import EDGE, rendered, texts

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}
BY_KEY = {"secretKeyRef": {"name": "proxy", "key": "url"}}
BY_SECRET = {"kind": "network", "existingSecret": "cameras"}


def _notes(**values: Any) -> str:
    return texts(EDGE, {**CLOUD_AT, "doors": {"main": {}}, **values})[
        "maskgate-edge/templates/NOTES.txt"
    ]


def test_each_door_is_told_of_its_node_its_code_and_its_examination() -> None:
    notes = _notes(
        doors={
            "front": {"nodeSelector": {"maskgate.io/door": "front"}},
            "back": {
                "nodeSelector": {"kubernetes.io/hostname": "pi-back"},
                "camera": {"resource": "smarter-devices/video2"},
                "enrolment": {"existingSecret": "door-back"},
            },
        }
    )
    assert "kubectl label node NODE maskgate.io/door=front" in notes
    assert "kubectl get nodes -l kubernetes.io/hostname=pi-back" in notes
    assert "label node NODE kubernetes.io" not in notes, "a node's own labels are not to be set"
    assert "These doors have no enrolment code: front." in notes
    assert "--set doors.front.enrolment.existingSecret=door-front" in notes
    for door in ("front", "back"):
        assert f"exec ds/mg-maskgate-edge-{door} -- python -m edge doctor" in notes
    assert "WARNING" not in notes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"camera": BY_SECRET}, ["doors.main", "camera.ports", "80, 322, 443 and 554"]),
        ({"state": {"kind": "emptyDir"}}, ["doors.main", "loses its key"]),
        ({"doors": {"a": {"state": {"kind": "emptyDir"}}}}, ["doors.a", "loses its key"]),
        ({"camera": {"url": "rtsp://10.0.0.7/1"}}, ["camera.kind=resource", "network"]),
        (
            {"extraEnv": [{"name": "HTTPS_PROXY", "valueFrom": BY_KEY}]},
            ["doors.main", "HTTPS_PROXY", "networkPolicy.proxyPorts"],
        ),
        ({"hostNetwork": True}, ["9100", "metrics.port"]),
        ({"settings": {"EDGE_INFERENCE_DEVICE": "GPU.0"}}, [f"image.tag={project_version()}-gpu"]),
        ({"cloud": {"url": "http://gate.example.org"}}, ["unencrypted"]),
        ({"cloud": {"url": "https://maskgate-api.gates.svc"}}, ["opens port 443", "8000"]),
    ],
)
def test_what_will_surprise_is_said(values: dict[str, Any], words: list[str]) -> None:
    (warning,) = _notes(**values).split("WARNING")[1:]
    for word in words:
        assert word in warning


@pytest.mark.parametrize(
    "values",
    [
        {"camera": {**BY_SECRET, "ports": [10554]}},
        {"camera": BY_SECRET, "networkPolicy": {"cameraPorts": [10554]}},
        {"camera": BY_SECRET, "networkPolicy": {"enabled": False}},
        {
            "settings": {"EDGE_INFERENCE_DEVICE": "GPU"},
            "image": {"tag": "1.2.3-gpu"},
        },
        {"hostNetwork": True, "metrics": {"port": 9464}},
    ],
)
def test_what_was_thought_of_is_not_warned_of(values: dict[str, Any]) -> None:
    assert "WARNING" not in _notes(**values)


def test_doors_that_watch_one_claim_are_told_of_its_access_modes() -> None:
    camera = {"kind": "file", "claim": "clips"}
    doors = {name: {"nodeSelector": {"at": name}} for name in ("a", "b")}
    assert "doors.a, doors.b use the claim clips" in _notes(camera=camera, doors=doors)
    assert "WARNING" not in _notes(camera=camera)


def test_forty_doors_are_compared_and_told_of() -> None:
    doors = {
        f"door-{number:02}": {
            "nodeSelector": {"kubernetes.io/hostname": f"pi-{number // 4}"},
            "camera": {"resource": f"smarter-devices/video{number % 4}"},
            "enrolment": {"key": f"door-{number:02}"},
        }
        for number in range(40)
    }
    values = {**CLOUD_AT, "doors": doors, "enrolment": {"existingSecret": "doors"}}
    assert len([each for each in rendered(EDGE, values) if each["kind"] == "DaemonSet"]) == 40
    doors["door-39"]["camera"] = {"resource": "smarter-devices/video0"}
    with pytest.raises(HelmError, match=r"doors\.door-36 and doors\.door-39"):
        rendered(EDGE, values)
