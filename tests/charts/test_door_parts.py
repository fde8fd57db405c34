"""What is said for all doors, and what a door says for itself: which of the two counts."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from release.version import project_version
from tests.charts.rendering import (
    EDGE,
    Manifest,
    Scenario,
    environment,
    named,
    objects_of,
    of_kind,
    rendered,
)

CLOUD_AT: dict[str, Any] = {"cloud": {"url": "https://gate.example.org"}}


def _pod(name: str, scenario: str = "per-door") -> Manifest:
    template: Manifest = named(objects_of("maskgate-edge", scenario), "DaemonSet", name)["spec"][
        "template"
    ]
    return template


def _container(name: str, scenario: str = "per-door") -> Manifest:
    container: Manifest = _pod(name, scenario)["spec"]["containers"][0]
    return container


def _one(**values: Any) -> Manifest:
    (door,) = of_kind(rendered(EDGE, {**CLOUD_AT, "doors": {"main": {}}, **values}), "DaemonSet")
    spec: Manifest = door["spec"]["template"]["spec"]
    return spec


def test_labels_and_annotations_of_a_door_win_key_by_key() -> None:
    assert _pod("plain")["metadata"]["annotations"] == {
        "example.org/log": "json",
        "example.org/zone": "hall",
    }
    assert _pod("own")["metadata"]["annotations"] == {
        "example.org/log": "json",
        "example.org/zone": "yard",
    }
    labels = _pod("own")["metadata"]["labels"]
    assert {each: labels[each] for each in ("tier", "shift", "team", "maskgate.io/door")} == {
        "tier": "edge",
        "shift": "night",
        "team": "access",
        "maskgate.io/door": "own",
    }


def test_where_a_door_runs_is_its_own_or_that_of_all() -> None:
    plain, own = _pod("plain")["spec"], _pod("own")["spec"]
    assert (plain["priorityClassName"], own["priorityClassName"]) == (
        "doors",
        "system-node-critical",
    )
    assert (plain["runtimeClassName"], own["runtimeClassName"]) == ("runc", "nvidia")
    assert "nodeAffinity" in plain["affinity"]
    assert "affinity" not in own
    assert len(plain["tolerations"]) == 3
    assert own["tolerations"] == [{"operator": "Exists"}]
    assert plain["hostAliases"][0]["ip"] == "10.0.0.2"
    assert [each["ip"] for each in own["hostAliases"]] == ["10.0.0.3"]
    assert _container("own")["resources"]["limits"].keys() == {"memory", "smarter-devices/video0"}


def test_variables_are_added_by_name_and_a_door_s_win() -> None:
    plain, own = environment(_container("plain")), environment(_container("own"))
    assert (plain["EDGE_VOTES"], own["EDGE_VOTES"]) == ("7", "5")
    assert (plain["EDGE_SOUND"], own["EDGE_SOUND"]) == ("false", "false")
    assert (plain["HTTPS_PROXY"], own["HTTPS_PROXY"]) == ("http://proxy.example.org:3128", "")
    taken = {
        each["name"]: each["valueFrom"] for each in _container("own")["env"] if "valueFrom" in each
    }
    assert taken["POD_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert taken["SITE"]["configMapKeyRef"]["name"] == "site"
    assert "SITE" not in plain
    assert _container("plain")["envFrom"] == [{"configMapRef": {"name": "site"}}]
    assert [each["configMapRef"]["name"] for each in _container("own")["envFrom"]] == [
        "site",
        "yard",
    ]


def test_no_variable_stands_twice(scenario: Scenario) -> None:
    for manifest in of_kind(objects_of(scenario.chart.name, scenario.name), "DaemonSet"):
        names = [
            each["name"] for each in manifest["spec"]["template"]["spec"]["containers"][0]["env"]
        ]
        assert len(names) == len(set(names))


def test_volumes_are_added_by_name_and_mounts_by_path() -> None:
    def sounds(name: str) -> str:
        volumes = {each["name"]: each for each in _pod(name)["spec"]["volumes"]}
        assert volumes["models"]["persistentVolumeClaim"]["claimName"] == "models"
        found: str = volumes["sounds"]["configMap"]["name"]
        return found

    assert (sounds("plain"), sounds("own")) == ("sounds", "sounds-of-the-yard")
    assert [
        each["mountPath"] for each in _container("own")["volumeMounts"] if each["name"] == "sounds"
    ] == ["/sounds", "/sounds/yard"]


def test_a_variable_may_come_from_a_secret() -> None:
    reference = {"secretKeyRef": {"name": "proxy", "key": "url"}}
    spec = _one(
        extraEnv=[{"name": "HTTPS_PROXY", "valueFrom": reference}],
        extraEnvFrom=[{"secretRef": {"name": "site"}}],
    )
    (container,) = spec["containers"]
    assert container["env"][-1] == {"name": "HTTPS_PROXY", "valueFrom": reference}
    assert container["envFrom"] == [{"secretRef": {"name": "site"}}]


def test_an_image_is_the_door_s_own_and_from_one_registry() -> None:
    at = "registry.inside.example.org:5000/mirror/maskgate/edge"
    digest = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
    seen = {
        name: (_container(name, "private-registry"), _pod(name, "private-registry")["spec"])
        for name in ("front", "back", "yard")
    }
    assert {name: container["image"] for name, (container, _) in seen.items()} == {
        "front": f"{at}:0.2.0-rc.1",
        "back": f"{at}@{digest}",
        "yard": f"{at}:{project_version()}",
    }
    assert {name: container["imagePullPolicy"] for name, (container, _) in seen.items()} == {
        "front": "IfNotPresent",
        "back": "Always",
        "yard": "Always",
    }
    for _, spec in seen.values():
        assert spec["imagePullSecrets"] == [{"name": "inside"}, {"name": "doors"}]


def test_secrets_of_registries_are_said_as_names_or_as_kubernetes_does() -> None:
    spec = _one(
        imagePullSecrets=["a", {"name": "b"}], **{"global": {"imagePullSecrets": [{"name": "a"}]}}
    )
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_a_chart_around_this_one_may_hand_down_more() -> None:
    values = {"imageRegistry": "registry.example.org", "storageClass": "fast"}
    spec = _one(**{"global": values})
    assert (
        spec["containers"][0]["image"] == f"registry.example.org/maskgate/edge:{project_version()}"
    )


def test_a_tag_of_a_door_counts_where_all_have_a_digest() -> None:
    digest = f"sha256:{'0' * 64}"
    image = {"digest": digest, "registry": "registry.example.org"}
    spec = _one(image=image, doors={"main": {"image": {"tag": "0.2.0"}}})
    assert spec["containers"][0]["image"] == "registry.example.org/maskgate/edge:0.2.0"
    assert _one(image=image)["containers"][0]["image"].endswith(f"@{digest}")


def test_the_container_that_prepares_a_folder_has_the_door_s_image() -> None:
    spec = _one(doors={"main": {"image": {"tag": "0.2.0"}, "state": {"kind": "hostPath"}}})
    assert {each["image"] for each in (*spec["initContainers"], *spec["containers"])} == {
        "maskgate/edge:0.2.0"
    }


def test_graphics_come_from_a_plugin_and_a_runtime() -> None:
    front = _container("front", "graphics")
    assert front["image"] == "maskgate/edge:0.1.0-gpu"
    assert environment(front)["EDGE_INFERENCE_DEVICE"] == "GPU"
    for side in ("requests", "limits"):
        assert front["resources"][side]["gpu.intel.com/i915"] == 1
        assert front["resources"][side]["smarter-devices/video0"] == "1"
    assert _pod("front", "graphics")["spec"]["securityContext"]["supplementalGroups"] == [44, 105]
    yard = _pod("yard", "graphics")["spec"]
    assert yard["runtimeClassName"] == "nvidia"
    assert yard["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "gpu.intel.com/i915" not in yard["containers"][0]["resources"]["limits"]


def test_a_cluster_with_ipv6_alone_is_listened_on_and_probed() -> None:
    container = _container("front", "ipv6")
    assert environment(container)["EDGE_METRICS_HOST"] == "::"
    assert "http://[::1]:9100/metrics" in container["readinessProbe"]["exec"]["command"]
    hidden = _one(bindAddress="::", metrics={"expose": False})["containers"][0]
    assert environment(hidden)["EDGE_METRICS_HOST"] == "::1"
    usual = environment(_one()["containers"][0])
    assert usual["EDGE_METRICS_HOST"] == "0.0.0.0"


def test_a_door_may_wait_for_its_hour() -> None:
    doors = {
        "now": {"nodeSelector": {"at": "now"}},
        "later": {"nodeSelector": {"at": "later"}, "updateStrategy": "OnDelete"},
    }
    manifests = rendered(EDGE, {**CLOUD_AT, "doors": doors})
    assert named(manifests, "DaemonSet", "now")["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1},
    }
    later = named(manifests, "DaemonSet", "later")["spec"]["updateStrategy"]
    assert later == {"type": "OnDelete"}


def test_a_cluster_may_choose_user_and_group() -> None:
    told = _pod("front", "openshift")["spec"]["securityContext"]
    assert told == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_door_without_a_word_of_its_own_takes_all_from_above() -> None:
    (door,) = of_kind(rendered(EDGE, {**CLOUD_AT, "doors": {"main": None}}), "DaemonSet")
    assert door["metadata"]["name"] == "mg-maskgate-edge-main"


BLANK: dict[str, Any] = {
    **dict.fromkeys(
        [
            "affinity",
            "commonAnnotations",
            "commonLabels",
            "enrolment",
            "extraEnv",
            "extraEnvFrom",
            "extraVolumeMounts",
            "extraVolumes",
            "global",
            "hostAliases",
            "imagePullSecrets",
            "podAnnotations",
            "podLabels",
            "settings",
            "supplementalGroups",
            "updateStrategy",
        ]
    ),
    "camera": dict.fromkeys(("path", "ports", "resource", "url")),
    "image": dict.fromkeys(("digest", "registry", "tag")),
    "networkPolicy": dict.fromkeys(("cameraPorts", "cloud", "cloudPorts", "extraEgress", "proxy")),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_value_may_be_left_blank(name: str) -> None:
    """In YAML, nothing behind a colon is null."""
    values = {**CLOUD_AT, "doors": {"main": {}}}
    assert rendered(EDGE, {**values, name: BLANK[name]}) == rendered(EDGE, values)


def test_a_door_s_value_that_is_left_blank_is_that_of_all() -> None:
    own = dict.fromkeys(("camera", "settings", "extraEnv", "podLabels", "resources", "tolerations"))
    values = {**CLOUD_AT, "settings": {"EDGE_VOTES": 7}, "podLabels": {"tier": "edge"}}
    assert rendered(EDGE, {**values, "doors": {"main": own}}) == rendered(
        EDGE, {**values, "doors": {"main": {}}}
    )


def test_a_camera_s_path_and_its_plugin_s_name_for_it_follow_one_another() -> None:
    def camera(**values: Any) -> tuple[str, list[str]]:
        (container,) = _one(**values)["containers"]
        plugged = [each for each in container["resources"]["limits"] if "/" in each]
        return environment(container)["EDGE_SOURCE"], plugged

    video2 = ("/dev/video2", ["smarter-devices/video2"])
    assert camera() == ("/dev/video0", ["smarter-devices/video0"])
    for said in ({"resource": "smarter-devices/video2"}, {"path": "/dev/video2"}):
        assert camera(camera=said) == video2
        assert camera(doors={"main": {"camera": said}}) == video2
    both = {"resource": "example.org/cam", "path": "/dev/video7"}
    assert camera(camera=both) == ("/dev/video7", ["example.org/cam"])
    assert camera(camera={"resource": "example.org/cam"}) == ("/dev/video0", ["example.org/cam"])
    assert camera(camera=both, doors={"main": {"camera": {"resource": "x.org/c"}}}) == (
        "/dev/video7",
        ["x.org/c"],
    )


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"nodeSelectr": {}}, ["nodeSelectr"]),
    ({"camera": {"urll": ""}}, ["camera", "urll"]),
    ({"image": {"tga": "1"}}, ["image", "tga"]),
    ({"image": {"tag": "latest"}}, ["image/tag"]),
    ({"metrics": {"expose": True}}, ["metrics", "expose"]),
    ({"settings": {"EDGE_VOTE": 7}}, ["settings", "EDGE_VOTE"]),
    ({"settings": {"EDGE_VOTES": "seven"}}, ["settings/EDGE_VOTES", "integer"]),
    ({"settings": {"EDGE_SOUND": "no"}}, ["settings/EDGE_SOUND", "boolean"]),
    *(
        ({"settings": {f"EDGE_{name}": "x"}}, [f"EDGE_{name}"])
        for name in (
            "SOURCE",
            "CLOUD_URL",
            "STATE_DIR",
            "SECRETS_DIR",
            "MODEL_CACHE_DIR",
            "METRICS_PORT",
            "METRICS_HOST",
            "LOG_JSON",
            "ENROLMENT_CODE",
        )
    ),
    *(
        ({"extraEnv": [{"name": name, "value": "x"}]}, [name, "extraEnv"])
        for name in (
            "EDGE_SOURCE",
            "EDGE_CLOUD_URL",
            "EDGE_STATE_DIR",
            "EDGE_SECRETS_DIR",
            "EDGE_MODEL_CACHE_DIR",
            "EDGE_METRICS_PORT",
            "EDGE_METRICS_HOST",
            "EDGE_HEARTBEAT_FILE",
            "EDGE_LOG_JSON",
            "EDGE_ENROLMENT_CODE",
            "NODE_NAME",
        )
    ),
    (
        {"settings": {"EDGE_VOTES": 5}, "extraEnv": [{"name": "EDGE_VOTES", "value": "7"}]},
        ["EDGE_VOTES", "settings and in extraEnv"],
    ),
    ({"extraEnv": [{"name": "A", "value": "x", "valueFrom": {}}]}, ["extraEnv/0"]),
    ({"extraEnv": [{"name": "A", "valueFrom": {"secretRef": {}}}]}, ["extraEnv/0", "secretRef"]),
    ({"extraEnv": [{"name": "A", "value": 1}]}, ["extraEnv/0/value", "string"]),
    ({"extraVolumes": [{"name": "state", "emptyDir": {}}]}, ["extraVolumes", "state"]),
    (
        {"extraVolumeMounts": [{"name": "models", "mountPath": "/models"}]},
        ["extraVolumeMounts", "models", "extraVolumes"],
    ),
    (
        {
            "extraVolumes": [{"name": "x", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "x", "mountPath": "/run/secrets/"}],
        },
        ["/run/secrets", "mountPath"],
    ),
    (
        {
            "resources": {
                "requests": {"cpu": "1", "memory": "1Gi", "gpu.intel.com/i915": 1},
                "limits": {"memory": "1Gi"},
            }
        },
        ["gpu.intel.com/i915", "limits"],
    ),
    ({"resources": {"limits": {"gpu.intel.com/i915": 1}}}, ["resources", "requests"]),
    ({"podAnnotations": {"a": 1}}, ["podAnnotations", "string"]),
    ({"nodeSelector": {}}, ["nodeSelector is empty"]),
]


@pytest.mark.parametrize(("own", "words"), REFUSED, ids=[str(own)[:60] for own, _ in REFUSED])
def test_what_cannot_be_meant_in_a_door_is_refused_with_the_door_and_the_key(
    own: dict[str, Any], words: list[str]
) -> None:
    doors = {"front": {"nodeSelector": {"at": "front"}}, "back": own}
    with pytest.raises(HelmError) as refused:
        rendered(EDGE, {**CLOUD_AT, "doors": doors})
    said = str(refused.value)
    assert "doors/back" in said or "doors.back" in said, said
    assert "doors/front" not in said
    for word in words:
        assert word in said, said


def test_all_that_is_wrong_is_said_at_once() -> None:
    doors = {
        name: {
            "nodeSelector": {"at": name},
            "camera": {"kind": "network"},
            "enrolment": {"existingSecret": "codes"},
        }
        for name in ("a", "b")
    }
    with pytest.raises(HelmError) as refused:
        rendered(EDGE, {"doors": doors})
    for words in (
        "cloud.url",
        "doors.a: set camera.url",
        "doors.b: set camera.url",
        "a code works",
    ):
        assert words in str(refused.value)


def test_a_folder_that_is_handed_over_needs_a_user() -> None:
    with pytest.raises(HelmError, match=r"securityContext\.runAsUser"):
        _one(state={"kind": "hostPath"}, securityContext={"runAsUser": None})
