"""What the edge's chart promises of each door, looked up in the objects that it gives."""

from tests.charts.rendering import Manifest, environment, named, objects_of, of_kind, pods


def _door(manifests: list[Manifest] | tuple[Manifest, ...], name: str) -> Manifest:
    spec: Manifest = named(manifests, "DaemonSet", name)["spec"]["template"]["spec"]
    return spec


def test_each_door_is_on_its_own_node_with_its_own_settings() -> None:
    manifests = objects_of("maskgate-edge", "several-doors")
    assert len(of_kind(manifests, "DaemonSet")) == 3
    front, back, yard = (_door(manifests, name) for name in ("front", "back", "yard"))
    assert front["nodeSelector"] == {"maskgate.io/door": "front"}
    assert back["nodeSelector"] == {"kubernetes.io/hostname": "pi-back"}
    assert environment(front["containers"][0])["EDGE_VOTES"] == "5"
    assert environment(back["containers"][0])["EDGE_VOTES"] == "7"
    assert environment(yard["containers"][0])["EDGE_SOURCE"] == "rtsp://10.0.0.7/1"
    assert environment(front["containers"][0])["EDGE_SOUND"] == "false"
    assert front["containers"][0]["resources"]["limits"]["cpu"] == "4"
    assert yard["tolerations"] == [{"operator": "Exists"}]


def test_a_camera_comes_from_a_device_plugin_or_a_typed_path_without_privilege() -> None:
    plugged = _door(objects_of("maskgate-edge", "default"), "main")
    limits = plugged["containers"][0]["resources"]["limits"]
    assert limits["smarter-devices/video0"] == "1"
    assert "hostPath" not in str(plugged["volumes"])
    assert plugged["securityContext"]["supplementalGroups"] == [44]
    typed = _door(objects_of("maskgate-edge", "kubeedge"), "main")
    (camera,) = [volume for volume in typed["volumes"] if volume["name"] == "camera"]
    assert camera["hostPath"] == {"path": "/dev/video0", "type": "CharDevice"}
    assert "smarter-devices" not in str(typed["containers"][0]["resources"])


def test_a_password_of_a_camera_is_in_a_file_alone() -> None:
    back = _door(objects_of("maskgate-edge", "several-doors"), "back")
    assert "EDGE_SOURCE" not in environment(back["containers"][0])
    assert "{'key': 'back', 'path': 'edge_source'}" in str(back["volumes"])


def test_an_enrolment_code_may_be_gone_once_it_is_used() -> None:
    for scenario in ("several-doors", "kubeedge"):
        for _, pod in pods(objects_of("maskgate-edge", scenario)):
            for volume in pod["spec"]["volumes"]:
                for source in volume.get("projected", {}).get("sources", []):
                    if "secret" not in source:
                        continue
                    (item, *_) = source["secret"]["items"]
                    if item["path"].endswith("edge_enrolment_code"):
                        assert source["secret"]["optional"] is True


def test_nodes_of_one_door_have_a_code_each() -> None:
    door = _door(objects_of("maskgate-edge", "kubeedge"), "main")
    assert environment(door["containers"][0])["EDGE_SECRETS_DIR"] == "/run/secrets/$(NODE_NAME)"
    assert "{'key': 'pi-2', 'path': 'pi-2/edge_enrolment_code'}" in str(door["volumes"])
    # The edge refuses a folder of secrets that is not there, and a used code may be deleted.
    (folder, _) = next(each for each in door["volumes"] if each["name"] == "secrets")["projected"][
        "sources"
    ]
    assert [item["path"] for item in folder["downwardAPI"]["items"]] == ["pi-1/pod", "pi-2/pod"]


def test_a_door_lives_while_its_node_is_cut_off() -> None:
    door = _door(objects_of("maskgate-edge", "default"), "main")
    borne = {each["key"] for each in door["tolerations"] if each.get("effect") == "NoExecute"}
    assert borne == {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}
    (container,) = door["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert "online" not in str(container["readinessProbe"]), "the cloud may be away"


def test_a_door_lives_by_its_heartbeat_and_is_ready_with_its_camera() -> None:
    (container,) = _door(objects_of("maskgate-edge", "default"), "main")["containers"]
    heartbeat = environment(container)["EDGE_HEARTBEAT_FILE"]
    alive = ["python", "/app/probe.py", heartbeat]
    assert container["livenessProbe"]["exec"]["command"] == alive
    assert container["startupProbe"]["exec"]["command"] == alive
    stalled = ["http://127.0.0.1:9100/metrics", "maskgate_edge_camera_stalled=0"]
    assert container["readinessProbe"]["exec"]["command"] == [*alive, *stalled]


def test_what_a_door_keeps_outlives_its_release() -> None:
    claim = named(objects_of("maskgate-edge", "default"), "PersistentVolumeClaim", "main")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
