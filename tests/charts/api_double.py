"""A Kubernetes API that a test owns: it keeps what Helm puts there, and runs nothing.

It speaks as much of the API as Helm uses to install, upgrade, roll back and remove a release:
discovery, and get, list, create, apply, patch and delete of namespaced objects. Jobs are complete
as soon as they are made.
"""

import contextlib
import copy
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]

KINDS: dict[str, dict[str, str]] = {
    "v1": {
        "ConfigMap": "configmaps",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {
        "DaemonSet": "daemonsets",
        "Deployment": "deployments",
        "StatefulSet": "statefulsets",
    },
    "batch/v1": {"CronJob": "cronjobs", "Job": "jobs"},
    "networking.k8s.io/v1": {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}


@dataclass
class ApiDouble:
    """A context manager. `kubeconfig` leads to it; `objects` is what it holds."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """By plural and name: there is one namespace."""
    unheard: list[str] = field(default_factory=list)
    """What it was asked and does not speak."""

    def __post_init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self._version = 0
        self._left = threading.Event()

    @property
    def kubeconfig(self) -> str:
        """The text of a kubeconfig."""
        assert self._server is not None, "use the double as a context manager"
        port = self._server.server_address[1]
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "nobody"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )

    def held(self, plural: str) -> dict[str, Object]:
        """Return the objects of one kind by name."""
        return {name: each for (kind, name), each in self.objects.items() if kind == plural}

    def __enter__(self) -> Self:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def do_GET(self) -> None:
                double._answer(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Keep the test's output to itself."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._left.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = yaml.safe_load(request.rfile.read(length)) if length else None
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, answer = self._handled(request.command, parts.path, query, body)
        if query.get("watch") and status == 200:
            said = self._watched(answer, query)
        else:
            said = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    def _watched(self, listed: Object, query: dict[str, str]) -> bytes:
        """Return what is there, and that this was all of it; a later watch sees nothing happen."""
        if not query.get("sendInitialEvents"):
            self._left.wait(1)
            return b""
        end = {
            **{"apiVersion": "v1", "kind": "Object"},
            **(
                {name: listed["items"][0][name] for name in ("apiVersion", "kind")}
                if listed["items"]
                else {}
            ),
            "metadata": {
                "resourceVersion": str(self._version),
                "annotations": {"k8s.io/initial-events-end": "true"},
            },
        }
        events = [{"type": "ADDED", "object": each} for each in listed["items"]]
        events.append({"type": "BOOKMARK", "object": end})
        return b"".join(json.dumps(event).encode() + b"\n" for event in events)

    def _handled(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Object]:
        found = self._discovery(path)
        if found is not None:
            return 200, found
        words = path.strip("/").split("/")
        if "namespaces" not in words:
            self.unheard.append(f"{method} {path}")
            return _missing(path)
        at = words.index("namespaces")
        if len(words) == at + 2:  # the namespace itself
            return 200, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": words[-1]}}
        plural, *name = words[at + 2 :]
        if method == "POST":
            return 201, self._keep(plural, body)
        if not name:
            return 200, self._listed(plural, query)
        key = (plural, name[0])
        if method == "PATCH":
            return 200, self._keep(plural, _merged(self.objects.get(key, {}), body))
        if key not in self.objects:
            return _missing(path)
        if method == "PUT":
            return 200, self._keep(plural, body)
        if method == "DELETE":
            return 200, self.objects.pop(key)
        return 200, self.objects[key]

    def _keep(self, plural: str, body: Object) -> Object:
        self._version += 1
        kept = copy.deepcopy(body)
        kept["metadata"] |= {"resourceVersion": str(self._version), "namespace": "doors"}
        kept["metadata"].setdefault("uid", f"uid-{self._version}")
        if plural == "jobs":
            kept["status"] = {
                "succeeded": 1,
                "conditions": [{"type": "Complete", "status": "True"}],
            }
        self.objects[plural, kept["metadata"]["name"]] = kept
        return kept

    def _listed(self, plural: str, query: dict[str, str]) -> Object:
        wanted = dict(
            pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if "=" in pair
        )
        field_ = query.get("fieldSelector", "").removeprefix("metadata.name=")
        items = [
            each
            for name, each in self.held(plural).items()
            if wanted.items() <= each["metadata"].get("labels", {}).items() and field_ in ("", name)
        ]
        return {
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {"resourceVersion": str(self._version)},
            "items": items,
        }

    def _discovery(self, path: str) -> Object | None:
        groups = [version for version in KINDS if "/" in version]
        match path.strip("/").split("/"):
            case ["version"]:
                return {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return {
                    "kind": "APIGroupList",
                    "apiVersion": "v1",
                    "groups": [
                        {
                            "name": version.split("/")[0],
                            "versions": [{"groupVersion": version, "version": "v1"}],
                            "preferredVersion": {"groupVersion": version, "version": "v1"},
                        }
                        for version in groups
                    ],
                }
            case ["openapi", "v3"]:
                places = {version: _place(version) for version in KINDS}
                return {
                    "paths": {
                        place: {"serverRelativeURL": f"/openapi/v3/{place}"}
                        for place in places.values()
                    }
                }
            case ["openapi", "v3", *place]:
                return _openapi("/".join(place))
            case ["api", "v1"] | ["apis", _, "v1"]:
                version = path.strip("/").removeprefix("apis/").removeprefix("api/")
                return {
                    "kind": "APIResourceList",
                    "groupVersion": version,
                    "resources": [
                        {
                            "name": plural,
                            "kind": kind,
                            "namespaced": True,
                            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
                        }
                        for kind, plural in KINDS[version].items()
                    ],
                }
        return None


def _place(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


def _openapi(place: str) -> Object:
    """Say of each kind of a group that the server itself looks for unknown fields."""
    (version,) = [each for each in KINDS if _place(each) == place]
    group = version.rpartition("/")[0]
    return {
        "openapi": "3.0.0",
        "info": {"title": "double", "version": "v1"},
        "paths": {
            f"/{place}/namespaces/{{namespace}}/{plural}/{{name}}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "responses": {},
                    "x-kubernetes-group-version-kind": {
                        "group": group,
                        "version": "v1",
                        "kind": kind,
                    },
                }
            }
            for kind, plural in KINDS[version].items()
        },
    }


def _missing(path: str) -> tuple[int, Object]:
    return 404, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "NotFound",
        "message": f"{path} not found",
        "code": 404,
    }


def _merged(held: Object, change: Object) -> Object:
    """Return `held` changed as a JSON merge patch (RFC 7396) says."""
    merged = dict(held)
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _merged(merged[name], value)
        else:
            merged[name] = value
    return merged
