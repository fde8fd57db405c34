"""Doors that cannot run together are refused, whichever two of them it is; all others are taken."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import EDGE, environment, objects_of, of_kind, rendered

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}
ON_ARM = {"kubernetes.io/arch": "arm64"}


def _on(*values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "door", "operator": "In", "values": list(values)}]}
    rule = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"nodeAffinity": {rule: {"nodeSelectorTerms": [term]}}}


def _rendered(doors: dict[str, Any], **values: Any) -> list[str]:
    manifests = rendered(EDGE, {**CLOUD_AT, **values, "doors": doors})
    return [each["metadata"]["name"] for each in of_kind(manifests, "DaemonSet")]


def _refused(doors: dict[str, Any], **values: Any) -> str:
    with pytest.raises(HelmError) as refused:
        _rendered(doors, **values)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["resource", "device"])
def test_the_same_camera_is_seen_in_any_pair_of_doors(kind: str) -> None:
    cameras = {"a": "/dev/video0", "b": "/dev/video2", "c": "/dev/video0", "d": "/dev/video4"}
    doors = {name: {"camera": {"path": path}} for name, path in cameras.items()}
    said = _refused(doors, camera={"kind": kind})
    assert "doors.a and doors.c" in said
    assert "/dev/video0" in said
    assert "nodeSelector" in said
    assert "doors.b" not in said
    assert "doors.d" not in said


def test_every_pair_is_named_at_once() -> None:
    said = _refused({"a": {}, "b": {}, "c": {}})
    for pair in ("doors.a and doors.b", "doors.a and doors.c", "doors.b and doors.c"):
        assert pair in said


def test_a_plugin_and_a_file_are_the_same_camera() -> None:
    doors = {
        "a": {"camera": {"kind": "device", "path": "/dev//video2"}},
        "b": {"camera": {"resource": "smarter-devices/video2"}},
    }
    assert "same camera (/dev/video2)" in _refused(doors)


def test_nodes_of_one_door_that_are_among_those_of_another_are_seen() -> None:
    wide, narrow = ON_ARM, {**ON_ARM, "maskgate.io/door": "front"}
    for first, second in ((wide, narrow), (narrow, wide)):
        doors = {"a": {"nodeSelector": first}, "b": {"nodeSelector": second}}
        assert "doors.a and doors.b" in _refused(doors)
    other = {**ON_ARM, "maskgate.io/door": "back"}
    assert len(_rendered({"a": {"nodeSelector": narrow}, "b": {"nodeSelector": other}})) == 2


def test_doors_that_an_affinity_keeps_apart_are_taken() -> None:
    assert len(_rendered({"a": {"affinity": _on("a")}, "b": {"affinity": _on("b")}})) == 2
    assert "doors.a and doors.b" in _refused({"a": {}, "b": {"affinity": _on("b")}})
    same = {"a": {"affinity": _on("x")}, "b": {"affinity": _on("x")}}
    assert "doors.a and doors.b" in _refused(same)


def test_three_doors_with_three_cameras_share_a_node() -> None:
    doors = of_kind(objects_of("maskgate-edge", "three-doors-one-node"), "DaemonSet")
    seen = {}
    for door in doors:
        spec = door["spec"]["template"]["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/hostname": "box-hall"}
        (container,) = spec["containers"]
        (plugged,) = [each for each in container["resources"]["limits"] if "/" in each]
        assert container["resources"]["requests"][plugged] == "1"
        seen[environment(container)["EDGE_SOURCE"]] = plugged
    assert seen == {f"/dev/video{each}": f"smarter-devices/video{each}" for each in (0, 2, 4)}


def test_one_network_camera_serves_two_doors() -> None:
    camera = {"kind": "network", "url": "rtsp://10.0.0.7/1"}
    assert len(_rendered({"a": {}, "b": {}}, camera=camera)) == 2


def test_plugins_may_give_two_cameras_at_one_path() -> None:
    doors = {
        name: {"camera": {"resource": f"example.org/{name}", "path": "/dev/video0"}}
        for name in ("left", "right")
    }
    assert len(_rendered(doors)) == 2


def test_doors_on_the_network_of_one_node_have_a_port_each() -> None:
    camera = {"kind": "network", "url": "rtsp://10.0.0.7/1"}
    doors: dict[str, Any] = {"a": {}, "b": {"metrics": {"port": 9465}}, "c": {}}
    said = _refused(doors, camera=camera, hostNetwork=True, metrics={"port": 9464})
    assert "doors.a and doors.c" in said
    assert "9464" in said
    assert "metrics.port" in said
    assert "doors.b" not in said
    # The port is taken on the node, whether or not others may read it.
    hidden = {"port": 9464, "expose": False}
    assert "metrics.port" in _refused(doors, camera=camera, hostNetwork=True, metrics=hidden)
    apart = {name: {"nodeSelector": {"at": name}} for name in doors}
    assert len(_rendered(apart, camera=camera, hostNetwork=True, metrics={"port": 9464})) == 3
    doors["c"] = {"hostNetwork": False}
    assert len(_rendered(doors, camera=camera, hostNetwork=True, metrics={"port": 9464})) == 3


def test_two_doors_on_the_network_of_one_node_are_probed_at_their_own_ports() -> None:
    seen = {}
    for door in of_kind(objects_of("maskgate-edge", "host-network"), "DaemonSet"):
        spec = door["spec"]["template"]["spec"]
        assert spec["hostNetwork"] is True
        assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"
        (container,) = spec["containers"]
        (port,) = container["ports"]
        assert environment(container)["EDGE_METRICS_PORT"] == str(port["containerPort"])
        address = f"http://127.0.0.1:{port['containerPort']}/metrics"
        assert address in container["readinessProbe"]["exec"]["command"]
        seen[door["metadata"]["name"]] = port["containerPort"]
    assert seen == {"mg-maskgate-edge-front": 9464, "mg-maskgate-edge-back": 9465}


def test_a_code_enrols_one_door() -> None:
    apart = {name: {"nodeSelector": {"at": name}} for name in ("a", "b", "c")}
    doors: dict[str, Any] = {
        "a": {**apart["a"], "enrolment": {"key": "a"}},
        "b": {**apart["b"], "enrolment": {"key": "x"}},
        "c": {**apart["c"], "enrolment": {"key": "x"}},
    }
    said = _refused(doors, enrolment={"existingSecret": "doors"})
    assert "doors.b and doors.c" in said
    assert "doors/x" in said
    assert "enrolment.key" in said
    assert "doors.a" not in said
    doors["c"]["enrolment"] = {"existingSecret": "another", "key": "x"}
    assert len(_rendered(doors, enrolment={"existingSecret": "doors"})) == 3
    assert len(_rendered(apart)) == 3


def test_a_code_enrols_one_node() -> None:
    doors: dict[str, Any] = {
        name: {
            "nodeSelector": {"at": name},
            "enrolment": {"existingSecret": "doors", "nodes": nodes},
            "state": {"kind": "hostPath"},
        }
        for name, nodes in {"a": ["pi-1", "pi-2"], "b": ["pi-2", "pi-3"]}.items()
    }
    assert "doors/pi-2" in _refused(doors)
    doors["b"]["enrolment"]["nodes"] = ["pi-3"]
    assert len(_rendered(doors)) == 2


def test_state_in_a_folder_of_the_node_is_a_door_s_own() -> None:
    camera = {"kind": "network", "url": "rtsp://10.0.0.7/1"}
    state = {"kind": "hostPath"}
    doors: dict[str, Any] = {"a": {}, "b": {}}
    assert len(_rendered(doors, camera=camera, state=state)) == 2
    doors["b"] = {"state": {"hostPath": {"path": "/var/lib/maskgate/a"}}}
    assert "state.hostPath.path" in _refused(doors, camera=camera, state=state)


def test_a_claim_or_a_folder_is_chosen_door_by_door() -> None:
    doors = {
        "a": {"nodeSelector": {"at": "a"}},
        "b": {"nodeSelector": {"at": "b"}, "state": {"kind": "hostPath"}},
        "c": {"nodeSelector": {"at": "c"}, "state": {"claim": {"storageClass": "fast"}}},
    }
    manifests = rendered(EDGE, {**CLOUD_AT, "doors": doors})
    claims = {
        each["metadata"]["name"]: each["spec"].get("storageClassName")
        for each in of_kind(manifests, "PersistentVolumeClaim")
    }
    assert claims == {"mg-maskgate-edge-a": None, "mg-maskgate-edge-c": "fast"}
