"""The values that a chart takes, where the default in values.yaml does not tell.

Values that are settings of a process are taken from its `Settings` class, so that a chart refuses
a variable that nothing reads, and a number that the process would refuse.
"""

import typing
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings

import cloud.settings
import dashboard.settings
import edge.door.settings
import edge.settings
from charts.value_types import (
    AFFINITY,
    CIDR,
    CIDRS,
    CRON,
    DIGEST,
    DURATION,
    HOSTS,
    KEY,
    MOUNTS,
    NAME,
    NAMES,
    PEERS,
    POLICY,
    PORTS,
    POSITIVE,
    RESOURCES,
    RULES,
    SERVICE,
    SIZE,
    SOURCES,
    TAG,
    TEXTS,
    TOLERATIONS,
    URL,
    USER,
    VARIABLES,
    VOLUMES,
    Schema,
    closed,
)

EVERYWHERE: Final[Mapping[str, Schema]] = {
    "registry": {"type": "string", "pattern": "^[^/\\s]*(/[^\\s]*)?$"},
    "repository": {"type": "string", "minLength": 1},
    "tag": TAG,
    "digest": DIGEST,
    "pullPolicy": POLICY,
    "imageRegistry": {"type": "string", "pattern": "^[^/\\s]*(/[^\\s]*)?$"},
    "imagePullSecrets": NAMES,
    "namespaceOverride": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"},
    "bindAddress": {
        "type": "string",
        "pattern": "^[0-9]+(\\.[0-9]+){3}$|^[0-9a-fA-F]*(:[0-9a-fA-F.]*)+$",
    },
    "existingSecret": NAME,
    "existingClaim": NAME,
    "caSecret": NAME,
    "tlsSecret": NAME,
    "storageClass": NAME,
    "key": KEY,
    "tokenKey": KEY,
    "passwordKey": KEY,
    "signingKeyKey": KEY,
    "urlKey": KEY,
    "caKey": KEY,
    "size": SIZE,
    "resources": RESOURCES,
    "nodeSelector": TEXTS,
    "tolerations": TOLERATIONS,
    "affinity": AFFINITY,
    "annotations": TEXTS,
    "podAnnotations": TEXTS,
    "labels": TEXTS,
    "podLabels": TEXTS,
    "commonLabels": TEXTS,
    "commonAnnotations": TEXTS,
    "schedule": CRON,
    "timeZone": {"type": "string", "pattern": "^[A-Za-z0-9_+/-]*$"},
    "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
    "interval": DURATION,
    "keep": POSITIVE,
    "maxReplicas": POSITIVE,
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "targetCPU": {"type": "integer", "minimum": 1, "maximum": 100},
    "hosts": HOSTS,
    "clients": PEERS,
    "monitoring": PEERS,
    "dns": PEERS,
    "mail": PEERS,
    "redis": PEERS,
    "cidr": CIDR,
    "except": CIDRS,
    "ports": PORTS,
    "dnsPorts": {**PORTS, "minItems": 1},
    "redisPorts": PORTS,
    "extraEgress": RULES,
    "extraEnv": VARIABLES,
    "extraEnvFrom": SOURCES,
    "extraVolumes": VOLUMES,
    "extraVolumeMounts": MOUNTS,
    "runAsUser": USER,
    "runAsGroup": USER,
    "sentinels": NAMES,
    "priorityClassName": NAME,
}

_GATE_ID: Final = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


def _by_id(schema: Schema) -> Schema:
    """Return the schema of an object whose keys are names, such as the gates' ids."""
    return {**closed(), "patternProperties": {_GATE_ID: schema}}


# Variables that a chart sets itself, or that come from a Secret.
_OWN: Final[Mapping[str, frozenset[str]]] = {
    "CLOUD_": frozenset(
        {
            "CLOUD_REDIS_DIR",
            "CLOUD_REDIS_FSYNC",
            "CLOUD_HOST",
            "CLOUD_PORT",
            "CLOUD_METRICS_PORT",
            "CLOUD_TELEGRAM_WEBHOOK_PORT",
        }
    ),
    "DASHBOARD_": frozenset({"DASHBOARD_API_URL"}),
    "EDGE_": frozenset(
        {
            "EDGE_SOURCE",
            "EDGE_CLOUD_URL",
            "EDGE_STATE_DIR",
            "EDGE_SECRETS_DIR",
            "EDGE_MODEL_CACHE_DIR",
            "EDGE_METRICS_PORT",
            "EDGE_METRICS_HOST",
            "EDGE_HEARTBEAT_FILE",
            "EDGE_LOG_JSON",
        }
    ),
}

_KEPT: Final = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def settings_schema(settings: type[BaseSettings]) -> Schema:
    """Return the closed schema of a process's variables, without secrets."""
    prefix = str(settings.model_config["env_prefix"])
    whole = settings.model_json_schema()
    properties: Schema = {}
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if variable in _OWN.get(prefix, ()) or SecretStr in _types_of(field.annotation):
            continue
        said = _resolved(whole["properties"][name], whole)
        kept = {word: said[word] for word in _KEPT if word in said}
        if kept.get("type") in (None, "array"):
            kept = {"type": "string"}
        properties[variable] = {**kept, "description": field.description or ""}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _types_of(annotation: Any) -> set[Any]:
    """Return an annotation and all types inside it, such as the members of a union."""
    inside = [*typing.get_args(annotation)]
    return {annotation, *(found for each in inside for found in _types_of(each))}


def _resolved(said: Schema, whole: Schema) -> Schema:
    """Return a property with its references resolved, and without the null that means unset."""
    choices = [each for each in said.get("anyOf", []) if each.get("type") != "null"]
    if len(choices) == 1:
        said = {**said, **choices[0]}
    if "$ref" in said:
        said = {**said, **whole["$defs"][said["$ref"].rpartition("/")[2]]}
    return said


_PULL_SECRETS: Final[Schema] = {
    "type": "array",
    "items": {
        "anyOf": [
            {**NAME, "minLength": 1},
            {**closed(name={**NAME, "minLength": 1}), "required": ["name"]},
        ]
    },
}
_HOST: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9.*-]+$"}
# A host name, or one with a certificate of its own.
_INGRESS_HOSTS: Final[Schema] = {
    "type": "array",
    "items": {
        "anyOf": [_HOST, {**closed(host=_HOST, tlsSecret=NAME), "required": ["host"]}],
    },
}
_FAMILY_POLICY: Final[Schema] = {"enum": ["", "SingleStack", "PreferDualStack", "RequireDualStack"]}
_FAMILIES: Final[Schema] = {
    "type": "array",
    "items": {"enum": ["IPv4", "IPv6"]},
    "maxItems": 2,
    "uniqueItems": True,
}
_SERVICES: Final = ("api", "bot", "dashboard", "redis.bundled")


def _log_in() -> Mapping[str, Schema]:
    return {
        "dashboard.login.kind": {"enum": ["none", "basic", "oauth2-proxy"]},
        "dashboard.login.basic.peopleKey": KEY,
        "dashboard.login.oauth2Proxy.provider": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "dashboard.login.oauth2Proxy.issuerUrl": URL,
        "dashboard.login.oauth2Proxy.clientSecretKey": KEY,
        "dashboard.login.oauth2Proxy.cookieSecretKey": KEY,
        "dashboard.login.oauth2Proxy.emailDomains": NAMES,
        "dashboard.login.oauth2Proxy.allowedGroups": NAMES,
        "dashboard.login.oauth2Proxy.extraArgs": {
            "type": "array",
            "items": {"type": "string", "pattern": "^--"},
        },
    }


def _policies() -> Mapping[str, Schema]:
    peers = ("dashboardClients", "telegram", "webhooks", "otlp", "proxy", "login")
    ports = ("telegramPorts", "otlpPorts", "proxyPorts", "loginPorts")
    return {
        **{f"networkPolicy.{name}": PEERS for name in peers},
        **{f"networkPolicy.{name}": PORTS for name in ports},
        "networkPolicy.ingressNamespaces": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        },
        "networkPolicy.mailPort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
        "networkPolicy.internet.cidr6": {
            "type": "string",
            "pattern": "^([0-9a-fA-F:.]+/[0-9]{1,3})?$",
        },
        "networkPolicy.internet.except6": CIDRS,
    }


def cloud_chart() -> Mapping[str, Schema]:
    """Return the schema of each value of charts/maskgate, by the value's path."""
    return {
        **_log_in(),
        **_policies(),
        "global.imagePullSecrets": _PULL_SECRETS,
        "imagePullSecrets": _PULL_SECRETS,
        "ingress.api.hosts": _INGRESS_HOSTS,
        "ingress.dashboard.hosts": _INGRESS_HOSTS,
        **{f"{name}.service.ipFamilyPolicy": _FAMILY_POLICY for name in _SERVICES},
        **{f"{name}.service.ipFamilies": _FAMILIES for name in _SERVICES},
        "settings": settings_schema(cloud.settings.Settings),
        "dashboard.settings": settings_schema(dashboard.settings.Settings),
        "gates": _by_id({"type": "string", "minLength": 1}),
        "telegram.webhookSecretKey": {**KEY, "pattern": "^[-._a-zA-Z0-9]*$"},
        "redis.mode": {"enum": ["bundled", "external"]},
        "redis.bundled.fsync": {"enum": ["always", "everysec"]},
        "redis.bundled.maxMemory": {
            "type": "string",
            "pattern": "^([0-9]+([kKmMgG][bB]?)?)?$",
        },
        # templates/checks-redis.yaml looks at them: a schema's error would repeat a password.
        "redis.external.url": {"type": "string"},
        "redis.external.queueUrl": {"type": "string"},
        "redis.external.queueUrlKey": {"type": "string", "pattern": "^[-._a-zA-Z0-9]*$"},
        "api.service.type": SERVICE,
        "dashboard.service.type": SERVICE,
        "worker.autoscaling.kind": {"enum": ["none", "hpa", "keda"]},
        "worker.autoscaling.keda.trigger": {"enum": ["redis", "prometheus"]},
        "worker.autoscaling.keda.prometheusAddress": URL,
        "worker.autoscaling.keda.redis": {},
        "worker.terminationGracePeriodSeconds": {"type": "integer", "minimum": 30},
        "bot.replicas": {"type": "integer", "minimum": 1, "maximum": 2},
        "gateway.parentRefs": {
            "type": "array",
            "items": {
                **closed(
                    name={"type": "string", "minLength": 1},
                    namespace={"type": "string"},
                    sectionName={"type": "string"},
                    group={"type": "string"},
                    kind={"type": "string"},
                    port={"type": "integer"},
                ),
                "required": ["name"],
            },
        },
        "gateway.apiHostnames": HOSTS,
        "gateway.dashboardHostnames": HOSTS,
        "redis": {},
        "monitoring": {},
        "monitoring.rules.backupAfterSeconds": {"type": "integer", "minimum": 3600},
        "monitoring.rules.lateAfterSeconds": {"type": "number", "exclusiveMinimum": 0},
        "monitoring.rules.slowAfterSeconds": {"type": "number", "exclusiveMinimum": 0},
    }


_CAMERA: Final[Mapping[str, Schema]] = {
    "kind": {"enum": ["resource", "device", "network", "file"]},
    "path": {"type": "string", "pattern": "^(/\\S*)?$"},
    "resource": {"type": "string", "pattern": "^([a-z0-9.-]+/[A-Za-z0-9._-]+)?$"},
    "group": {"type": ["integer", "null"], "minimum": 1},
    # templates/_faults.tpl looks at addresses: a schema's error would repeat a password.
    "url": {"type": "string"},
    "existingSecret": NAME,
    "urlKey": KEY,
    "ports": PORTS,
    "claim": NAME,
}
_ENROLMENT: Final[Mapping[str, Schema]] = {
    "existingSecret": NAME,
    "key": KEY,
    "nodes": {"type": "array", "items": {**NAME, "minLength": 1}, "uniqueItems": True},
}


_STATE: Final[Mapping[str, Schema]] = {
    "kind": {"enum": ["claim", "hostPath", "emptyDir"]},
    "claim": closed(size=SIZE, storageClass=NAME),
    "hostPath": closed(path={"type": "string", "pattern": "^/\\S+$"}, prepare={"type": "boolean"}),
}
_EDGE_IMAGE: Final = closed(
    registry=EVERYWHERE["registry"],
    repository=EVERYWHERE["repository"],
    tag=TAG,
    digest=DIGEST,
    pullPolicy=POLICY,
)
_HOST_ALIASES: Final[Schema] = {
    "type": "array",
    "items": closed(ip={"type": "string"}, hostnames=HOSTS),
}
_GROUPS: Final[Schema] = {"type": "array", "items": {"type": "integer", "minimum": 1}}


def _or_blank(schema: Schema) -> Schema:
    """Return the schema of a value that may also be left blank."""
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def _entrance_settings() -> Schema:
    """Return the schema of the variables of `python -m edge door`."""
    schema = settings_schema(edge.door.settings.DoorSettings)
    schema["properties"] |= {
        "EDGE_SOURCE": {
            "type": "string",
            "not": {"pattern": "@"},
            "description": "Camera that reads codes; an address with a password is the key "
            "edge_source of the Secret",
        },
    }
    return schema


def edge_chart() -> Mapping[str, Schema]:
    """Return the schema of each value of charts/maskgate-edge, by the value's path."""
    settings = settings_schema(edge.settings.Settings)
    # What may be said for all doors and for one; templates/_door.tpl puts the two together.
    either: dict[str, Schema] = {
        "affinity": AFFINITY,
        "extraEnv": VARIABLES,
        "extraEnvFrom": SOURCES,
        "extraVolumes": VOLUMES,
        "extraVolumeMounts": MOUNTS,
        "hostAliases": _HOST_ALIASES,
        "hostNetwork": {"type": "boolean"},
        "nodeSelector": TEXTS,
        "podAnnotations": TEXTS,
        "podLabels": TEXTS,
        "priorityClassName": NAME,
        "resources": RESOURCES,
        "runtimeClassName": NAME,
        "settings": settings,
        "supplementalGroups": _GROUPS,
        "tolerations": TOLERATIONS,
        "updateStrategy": {"enum": ["RollingUpdate", "OnDelete"]},
    }
    own: dict[str, Schema] = {
        **either,
        "camera": closed(**_CAMERA),
        "enrolment": closed(**_ENROLMENT),
        "image": _EDGE_IMAGE,
        "metrics": closed(port=EVERYWHERE["port"]),
        "state": closed(**_STATE),
    }
    entrance = {
        **closed(
            existingSecret={**NAME, "minLength": 1},
            nodeSelector={**TEXTS, "minProperties": 1},
            resources=RESOURCES,
            settings=_entrance_settings(),
            supplementalGroups=_GROUPS,
        ),
        "required": ["existingSecret", "nodeSelector"],
    }
    door = closed(**{name: _or_blank(schema) for name, schema in own.items()})
    return {
        **either,
        "global.imagePullSecrets": _PULL_SECRETS,
        "imagePullSecrets": _PULL_SECRETS,
        "doors": _by_id(_or_blank(door)),
        "entrances": _by_id(entrance),
        "entranceResources": RESOURCES,
        **{f"camera.{name}": schema for name, schema in _CAMERA.items()},
        **{f"enrolment.{name}": schema for name, schema in _ENROLMENT.items()},
        "state.kind": _STATE["kind"],
        "state.hostPath.path": _STATE["hostPath"]["properties"]["path"],
        "monitoring": {},
        "networkPolicy.cloud": PEERS,
        "networkPolicy.cloudPorts": PORTS,
        "networkPolicy.cameras": PEERS,
        "networkPolicy.cameraPorts": PORTS,
        "networkPolicy.entranceDevices": PEERS,
        "networkPolicy.entrancePorts": PORTS,
        "networkPolicy.proxy": PEERS,
        "networkPolicy.proxyPorts": PORTS,
    }
