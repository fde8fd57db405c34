"""What a default in values.yaml alone does not tell: what else may stand there.

Values that are settings of a process are taken from its `Settings` class, so that a chart refuses
a variable that nothing reads, and a number that the process would refuse.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings

import cloud.settings
import dashboard.settings
import edge.settings

Schema = dict[str, Any]

_NAME: Final[Schema] = {"type": "string", "maxLength": 253, "pattern": "^[a-z0-9.-]*$"}
_KEY: Final[Schema] = {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"}
_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_POLICY: Final[Schema] = {"enum": ["Always", "IfNotPresent", "Never"]}
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
_TAG: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_.-]*$", "not": {"const": "latest"}}
_SIZE: Final[Schema] = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(Mi|Gi|Ti)$"}
_PORTS: Final[Schema] = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 65535},
}
_NAMES: Final[Schema] = {"type": "array", "items": {"type": "string", "minLength": 1}}
_HOSTS: Final[Schema] = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[A-Za-z0-9.*-]+$"},
}
_CRON: Final[Schema] = {"type": "string", "pattern": "^(@[a-z]+|(\\S+ ){4}\\S+)$"}
_URL: Final[Schema] = {"type": "string", "pattern": "^(https?://\\S+)?$"}
_DURATION: Final[Schema] = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
_SERVICE: Final[Schema] = {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}
_USER: Final[Schema] = {"type": ["integer", "null"], "minimum": 1}


def closed(**properties: Schema) -> Schema:
    """Return the schema of an object that has these properties and no other."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


_QUANTITY: Final[Schema] = {"type": ["string", "number"]}
_AMOUNTS: Final[Schema] = {
    "type": "object",
    "required": ["cpu", "memory"],
    "additionalProperties": _QUANTITY,
}
_RESOURCES: Final[Schema] = {
    **closed(requests=_AMOUNTS, limits={**_AMOUNTS, "required": ["memory"]}),
    "required": ["requests", "limits"],
}
_TOLERATIONS: Final[Schema] = {
    "type": "array",
    "items": closed(
        key={"type": "string"},
        operator={"enum": ["Exists", "Equal"]},
        value={"type": "string"},
        effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        tolerationSeconds={"type": "integer"},
    ),
}
_OBJECT: Final[Schema] = {"type": "object"}
_AFFINITY: Final[Schema] = closed(
    nodeAffinity=_OBJECT, podAffinity=_OBJECT, podAntiAffinity=_OBJECT
)
_SELECTOR: Final[Schema] = closed(
    matchLabels=_TEXTS,
    matchExpressions={
        "type": "array",
        "items": closed(
            key={"type": "string"},
            operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
            values={"type": "array", "items": {"type": "string"}},
        ),
    },
)
_CIDR: Final[Schema] = {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"}
_CIDRS: Final[Schema] = {"type": "array", "items": _CIDR}
_PEERS: Final[Schema] = {
    "type": "array",
    "items": closed(
        namespaceSelector=_SELECTOR,
        podSelector=_SELECTOR,
        ipBlock=closed(cidr=_CIDR, **{"except": _CIDRS}),
    ),
}
_RULES: Final[Schema] = {
    "type": "array",
    "items": closed(
        to=_PEERS,
        ports={
            "type": "array",
            "items": closed(
                port={"type": ["integer", "string"]},
                endPort={"type": "integer"},
                protocol={"enum": ["TCP", "UDP", "SCTP"]},
            ),
        },
    ),
}
_REFERENCE: Final[Schema] = {
    **closed(name={"type": "string", "minLength": 1}, key=_KEY, optional={"type": "boolean"}),
    "required": ["name", "key"],
}
# EnvVar: a value, or where Kubernetes takes it from.
_VARIABLES: Final[Schema] = {
    "type": "array",
    "items": {
        **closed(
            name={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
            value={"type": "string"},
            valueFrom={
                **closed(
                    secretKeyRef=_REFERENCE,
                    configMapKeyRef=_REFERENCE,
                    fieldRef=_OBJECT,
                    resourceFieldRef=_OBJECT,
                ),
                "minProperties": 1,
                "maxProperties": 1,
            },
        ),
        "required": ["name"],
        "anyOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
        "not": {"required": ["value", "valueFrom"]},
    },
}
_WHOLE: Final[Schema] = {
    **closed(name={"type": "string", "minLength": 1}, optional={"type": "boolean"}),
    "required": ["name"],
}
# EnvFromSource: all keys of a Secret or a ConfigMap.
_SOURCES: Final[Schema] = {
    "type": "array",
    "items": {
        **closed(prefix={"type": "string"}, secretRef=_WHOLE, configMapRef=_WHOLE),
        "anyOf": [{"required": ["secretRef"]}, {"required": ["configMapRef"]}],
        "not": {"required": ["secretRef", "configMapRef"]},
    },
}
# Volume and VolumeMount: Kubernetes has dozens of kinds, and names what is wrong itself.
_VOLUMES: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}},
        "required": ["name"],
        "minProperties": 2,
    },
}
_MOUNTS: Final[Schema] = {
    "type": "array",
    "items": {
        **closed(
            name={"type": "string", "minLength": 1},
            mountPath={"type": "string", "pattern": "^/"},
            subPath={"type": "string"},
            subPathExpr={"type": "string"},
            readOnly={"type": "boolean"},
            recursiveReadOnly={"type": "string"},
            mountPropagation={"type": "string"},
        ),
        "required": ["name", "mountPath"],
    },
}
_POSITIVE: Final[Schema] = {"type": "integer", "minimum": 1}

EVERYWHERE: Final[Mapping[str, Schema]] = {
    "registry": {"type": "string", "pattern": "^[^/\\s]*(/[^\\s]*)?$"},
    "repository": {"type": "string", "minLength": 1},
    "tag": _TAG,
    "digest": _DIGEST,
    "pullPolicy": _POLICY,
    "imageRegistry": {"type": "string", "pattern": "^[^/\\s]*(/[^\\s]*)?$"},
    "imagePullSecrets": _NAMES,
    "namespaceOverride": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"},
    "bindAddress": {
        "type": "string",
        "pattern": "^[0-9]+(\\.[0-9]+){3}$|^[0-9a-fA-F]*(:[0-9a-fA-F.]*)+$",
    },
    "existingSecret": _NAME,
    "existingClaim": _NAME,
    "caSecret": _NAME,
    "tlsSecret": _NAME,
    "storageClass": _NAME,
    "key": _KEY,
    "tokenKey": _KEY,
    "passwordKey": _KEY,
    "urlKey": _KEY,
    "caKey": _KEY,
    "size": _SIZE,
    "resources": _RESOURCES,
    "nodeSelector": _TEXTS,
    "tolerations": _TOLERATIONS,
    "affinity": _AFFINITY,
    "annotations": _TEXTS,
    "podAnnotations": _TEXTS,
    "labels": _TEXTS,
    "podLabels": _TEXTS,
    "commonLabels": _TEXTS,
    "commonAnnotations": _TEXTS,
    "schedule": _CRON,
    "timeZone": {"type": "string", "pattern": "^[A-Za-z0-9_+/-]*$"},
    "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
    "interval": _DURATION,
    "keep": _POSITIVE,
    "maxReplicas": _POSITIVE,
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "targetCPU": {"type": "integer", "minimum": 1, "maximum": 100},
    "hosts": _HOSTS,
    "clients": _PEERS,
    "monitoring": _PEERS,
    "dns": _PEERS,
    "mail": _PEERS,
    "redis": _PEERS,
    "cidr": _CIDR,
    "except": _CIDRS,
    "ports": _PORTS,
    "dnsPorts": {**_PORTS, "minItems": 1},
    "redisPorts": _PORTS,
    "extraEgress": _RULES,
    "extraEnv": _VARIABLES,
    "extraEnvFrom": _SOURCES,
    "extraVolumes": _VOLUMES,
    "extraVolumeMounts": _MOUNTS,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "sentinels": _NAMES,
    "priorityClassName": _NAME,
}

_GATE_ID: Final = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


def _by_id(schema: Schema) -> Schema:
    """Return the schema of things under names such as gates have."""
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
            "EDGE_LOG_JSON",
        }
    ),
}

_KEPT: Final = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def settings_schema(settings: type[BaseSettings]) -> Schema:
    """Return the closed schema of a process's variables that are no secrets."""
    prefix = str(settings.model_config["env_prefix"])
    whole = settings.model_json_schema()
    properties: Schema = {}
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if variable in _OWN[prefix] or SecretStr in _types_of(field.annotation):
            continue
        said = _resolved(whole["properties"][name], whole)
        kept = {word: said[word] for word in _KEPT if word in said}
        if kept.get("type") in (None, "array"):
            kept = {"type": "string"}
        properties[variable] = {**kept, "description": field.description or ""}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _types_of(annotation: Any) -> set[Any]:
    return {annotation, *getattr(annotation, "__args__", ())}


def _resolved(said: Schema, whole: Schema) -> Schema:
    """Return a property without references, and without the null that means unset."""
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
            {**_NAME, "minLength": 1},
            {**closed(name={**_NAME, "minLength": 1}), "required": ["name"]},
        ]
    },
}
_HOST: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9.*-]+$"}
# A host name, or one with a certificate of its own.
_INGRESS_HOSTS: Final[Schema] = {
    "type": "array",
    "items": {
        "anyOf": [_HOST, {**closed(host=_HOST, tlsSecret=_NAME), "required": ["host"]}],
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
        "dashboard.login.basic.peopleKey": _KEY,
        "dashboard.login.oauth2Proxy.provider": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "dashboard.login.oauth2Proxy.issuerUrl": _URL,
        "dashboard.login.oauth2Proxy.clientSecretKey": _KEY,
        "dashboard.login.oauth2Proxy.cookieSecretKey": _KEY,
        "dashboard.login.oauth2Proxy.emailDomains": _NAMES,
        "dashboard.login.oauth2Proxy.allowedGroups": _NAMES,
        "dashboard.login.oauth2Proxy.extraArgs": {
            "type": "array",
            "items": {"type": "string", "pattern": "^--"},
        },
    }


def _policies() -> Mapping[str, Schema]:
    peers = ("dashboardClients", "telegram", "webhooks", "otlp", "proxy", "login")
    ports = ("telegramPorts", "otlpPorts", "proxyPorts", "loginPorts")
    return {
        **{f"networkPolicy.{name}": _PEERS for name in peers},
        **{f"networkPolicy.{name}": _PORTS for name in ports},
        "networkPolicy.ingressNamespaces": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        },
        "networkPolicy.mailPort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
        "networkPolicy.internet.cidr6": {
            "type": "string",
            "pattern": "^([0-9a-fA-F:.]+/[0-9]{1,3})?$",
        },
        "networkPolicy.internet.except6": _CIDRS,
    }


def cloud_chart() -> Mapping[str, Schema]:
    """Return what may stand in charts/maskgate, by the path of the value."""
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
        "telegram.webhookSecretKey": {**_KEY, "pattern": "^[-._a-zA-Z0-9]*$"},
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
        "api.service.type": _SERVICE,
        "dashboard.service.type": _SERVICE,
        "worker.autoscaling.kind": {"enum": ["none", "hpa", "keda"]},
        "worker.autoscaling.keda.trigger": {"enum": ["redis", "prometheus"]},
        "worker.autoscaling.keda.prometheusAddress": _URL,
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
        "gateway.apiHostnames": _HOSTS,
        "gateway.dashboardHostnames": _HOSTS,
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
    "existingSecret": _NAME,
    "urlKey": _KEY,
    "ports": _PORTS,
    "claim": _NAME,
}
_ENROLMENT: Final[Mapping[str, Schema]] = {
    "existingSecret": _NAME,
    "key": _KEY,
    "nodes": {"type": "array", "items": {**_NAME, "minLength": 1}, "uniqueItems": True},
}


_STATE: Final[Mapping[str, Schema]] = {
    "kind": {"enum": ["claim", "hostPath", "emptyDir"]},
    "claim": closed(size=_SIZE, storageClass=_NAME),
    "hostPath": closed(path={"type": "string", "pattern": "^/\\S+$"}, prepare={"type": "boolean"}),
}
_EDGE_IMAGE: Final = closed(
    registry=EVERYWHERE["registry"],
    repository=EVERYWHERE["repository"],
    tag=_TAG,
    digest=_DIGEST,
    pullPolicy=_POLICY,
)
_HOST_ALIASES: Final[Schema] = {
    "type": "array",
    "items": closed(ip={"type": "string"}, hostnames=_HOSTS),
}
_GROUPS: Final[Schema] = {"type": "array", "items": {"type": "integer", "minimum": 1}}


def _or_blank(schema: Schema) -> Schema:
    """Return the schema of a thing that may be named with nothing behind it."""
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def edge_chart() -> Mapping[str, Schema]:
    """Return what may stand in charts/maskgate-edge, by the path of the value."""
    settings = settings_schema(edge.settings.Settings)
    # What may be said for all doors and for one; templates/_door.tpl puts the two together.
    either: dict[str, Schema] = {
        "affinity": _AFFINITY,
        "extraEnv": _VARIABLES,
        "extraEnvFrom": _SOURCES,
        "extraVolumes": _VOLUMES,
        "extraVolumeMounts": _MOUNTS,
        "hostAliases": _HOST_ALIASES,
        "hostNetwork": {"type": "boolean"},
        "nodeSelector": _TEXTS,
        "podAnnotations": _TEXTS,
        "podLabels": _TEXTS,
        "priorityClassName": _NAME,
        "resources": _RESOURCES,
        "runtimeClassName": _NAME,
        "settings": settings,
        "supplementalGroups": _GROUPS,
        "tolerations": _TOLERATIONS,
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
    door = closed(**{name: _or_blank(schema) for name, schema in own.items()})
    return {
        **either,
        "global.imagePullSecrets": _PULL_SECRETS,
        "imagePullSecrets": _PULL_SECRETS,
        "doors": _by_id(_or_blank(door)),
        **{f"camera.{name}": schema for name, schema in _CAMERA.items()},
        **{f"enrolment.{name}": schema for name, schema in _ENROLMENT.items()},
        "state.kind": _STATE["kind"],
        "state.hostPath.path": _STATE["hostPath"]["properties"]["path"],
        "monitoring": {},
        "networkPolicy.cloud": _PEERS,
        "networkPolicy.cloudPorts": _PORTS,
        "networkPolicy.cameras": _PEERS,
        "networkPolicy.cameraPorts": _PORTS,
        "networkPolicy.proxy": _PEERS,
        "networkPolicy.proxyPorts": _PORTS,
    }
