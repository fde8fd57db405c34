"""Types of values that a chart takes, as fragments of JSON Schema."""

from typing import Any, Final

Schema = dict[str, Any]

NAME: Final[Schema] = {"type": "string", "maxLength": 253, "pattern": "^[a-z0-9.-]*$"}
KEY: Final[Schema] = {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
POLICY: Final[Schema] = {"enum": ["Always", "IfNotPresent", "Never"]}
DIGEST: Final[Schema] = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
TAG: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_.-]*$", "not": {"const": "latest"}}
SIZE: Final[Schema] = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(Mi|Gi|Ti)$"}
PORTS: Final[Schema] = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 65535},
}
NAMES: Final[Schema] = {"type": "array", "items": {"type": "string", "minLength": 1}}
HOSTS: Final[Schema] = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[A-Za-z0-9.*-]+$"},
}
CRON: Final[Schema] = {"type": "string", "pattern": "^(@[a-z]+|(\\S+ ){4}\\S+)$"}
URL: Final[Schema] = {"type": "string", "pattern": "^(https?://\\S+)?$"}
DURATION: Final[Schema] = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
SERVICE: Final[Schema] = {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}
USER: Final[Schema] = {"type": ["integer", "null"], "minimum": 1}


def closed(**properties: Schema) -> Schema:
    """Return the schema of an object that has these properties and no other."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


QUANTITY: Final[Schema] = {"type": ["string", "number"]}
AMOUNTS: Final[Schema] = {
    "type": "object",
    "required": ["cpu", "memory"],
    "additionalProperties": QUANTITY,
}
RESOURCES: Final[Schema] = {
    **closed(requests=AMOUNTS, limits={**AMOUNTS, "required": ["memory"]}),
    "required": ["requests", "limits"],
}
TOLERATIONS: Final[Schema] = {
    "type": "array",
    "items": closed(
        key={"type": "string"},
        operator={"enum": ["Exists", "Equal"]},
        value={"type": "string"},
        effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        tolerationSeconds={"type": "integer"},
    ),
}
OBJECT: Final[Schema] = {"type": "object"}
AFFINITY: Final[Schema] = closed(nodeAffinity=OBJECT, podAffinity=OBJECT, podAntiAffinity=OBJECT)
SELECTOR: Final[Schema] = closed(
    matchLabels=TEXTS,
    matchExpressions={
        "type": "array",
        "items": closed(
            key={"type": "string"},
            operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
            values={"type": "array", "items": {"type": "string"}},
        ),
    },
)
CIDR: Final[Schema] = {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"}
CIDRS: Final[Schema] = {"type": "array", "items": CIDR}
PEERS: Final[Schema] = {
    "type": "array",
    "items": closed(
        namespaceSelector=SELECTOR,
        podSelector=SELECTOR,
        ipBlock=closed(cidr=CIDR, **{"except": CIDRS}),
    ),
}
RULES: Final[Schema] = {
    "type": "array",
    "items": closed(
        to=PEERS,
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
REFERENCE: Final[Schema] = {
    **closed(name={"type": "string", "minLength": 1}, key=KEY, optional={"type": "boolean"}),
    "required": ["name", "key"],
}
# EnvVar: a value, or where Kubernetes takes it from.
VARIABLES: Final[Schema] = {
    "type": "array",
    "items": {
        **closed(
            name={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
            value={"type": "string"},
            valueFrom={
                **closed(
                    secretKeyRef=REFERENCE,
                    configMapKeyRef=REFERENCE,
                    fieldRef=OBJECT,
                    resourceFieldRef=OBJECT,
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
WHOLE: Final[Schema] = {
    **closed(name={"type": "string", "minLength": 1}, optional={"type": "boolean"}),
    "required": ["name"],
}
# EnvFromSource: all keys of a Secret or a ConfigMap.
SOURCES: Final[Schema] = {
    "type": "array",
    "items": {
        **closed(prefix={"type": "string"}, secretRef=WHOLE, configMapRef=WHOLE),
        "anyOf": [{"required": ["secretRef"]}, {"required": ["configMapRef"]}],
        "not": {"required": ["secretRef", "configMapRef"]},
    },
}
# Volume and VolumeMount: Kubernetes has dozens of kinds, and names what is wrong itself.
VOLUMES: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}},
        "required": ["name"],
        "minProperties": 2,
    },
}
MOUNTS: Final[Schema] = {
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
POSITIVE: Final[Schema] = {"type": "integer", "minimum": 1}
