"""Random JSON Schemas of the subset that models are held to, and hostile definitions.

In: a random generator. Out: schemas, and values that are valid by them. Tests and benchmarks share
them.
"""

import string
from random import Random
from typing import Any

import orjson

from deployments.contracts.generation import FormatKind, OutputFormat

Schema = dict[str, Any]

_PATTERNS = (
    "^[a-z]{1,8}$",
    "^[A-Z][a-z]+$",
    r"^\d{3}-\d{2}$",
    "^(red|green|blue)$",
    "^#[0-9a-f]{6}$",
)
_MATCHES = ("abc", "Hello", "123-45", "green", "#00ff7f")
_FORMATS = {
    "date": "2026-02-28",
    "date-time": "2026-11-30T10:00:00Z",
    "time": "23:59:59.5+02:00",
    "email": "a.b@example.org",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "https://example.org/a?b=c#d",
    "ipv4": "192.168.0.1",
    "hostname": "a.example.org",
}
_LEAVES = ("string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format")
_NODES = ("object", "array", "tuple", "map", "anyOf", "oneOf", "types", "reference", "recursive")


class RandomSchema:
    """One random schema and values of it. Depth and sizes are small, so that answers end."""

    def __init__(self, rng: Random, depth: int = 2) -> None:
        self._rng = rng
        self._definitions: dict[str, Schema] = {}
        self.schema = self._object(depth)
        if self._definitions:
            self.schema["$defs"] = self._definitions

    def value(self, schema: Any = None) -> Any:  # noqa: C901 - one case a keyword
        """A random value that is valid by the schema, its members in the schema's order."""
        schema = self.schema if schema is None else schema
        rng = self._rng
        if "$ref" in schema:
            return self.value(self._definitions[schema["$ref"].rsplit("/", 1)[1]])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(rng.choice(schema[key]))
        kind = schema["type"]
        kind = rng.choice(kind) if isinstance(kind, list) else kind
        match kind:
            case "object":
                return self._object_value(schema)
            case "array":
                return self._array_value(schema)
            case "string":
                return self._string_value(schema)
            case "boolean":
                return rng.random() < 0.5
            case "null":
                return None
            case "integer":
                return rng.randint(schema.get("minimum", -(10**9)), schema.get("maximum", 10**9))
        low, high = schema.get("minimum", -1000), schema.get("maximum", 1000)
        return round(rng.uniform(low, high), 3)

    def _schema(self, depth: int) -> Schema:
        kind = self._rng.choice(_LEAVES if depth == 0 else _LEAVES + _NODES)
        return self._leaf(kind) if kind in _LEAVES else self._node(kind, depth - 1)

    def _leaf(self, kind: str) -> Schema:
        rng = self._rng
        match kind:
            case "string":
                least = rng.choice([0, 0, 1, 2])
                return {"type": "string", "minLength": least, "maxLength": rng.randint(8, 40)}
            case "integer":
                low = rng.randint(-200, 200)
                bounds = {"minimum": low, "maximum": low + rng.randint(0, 3000)}
                return {"type": "integer", **(bounds if rng.random() < 0.7 else {})}
            case "number":
                low = rng.randint(-50, 50)
                limits = {"minimum": float(low), "maximum": low + rng.choice([0.5, 1, 2.25, 100])}
                return {"type": "number", **(limits if rng.random() < 0.7 else {})}
            case "enum":
                values = ["low", "high", "höher", 1, 2.5, None, True, [1], {"a": "b"}]
                return {"enum": rng.sample(values, rng.randint(1, 5))}
            case "const":
                return {"const": rng.choice(["fixed", 7, None, {"k": [1, 2]}])}
            case "pattern":
                return {"type": "string", "pattern": rng.choice(_PATTERNS)}
            case "format":
                return {"type": "string", "format": rng.choice(list(_FORMATS))}
        return {"type": kind}

    def _node(self, kind: str, depth: int) -> Schema:  # noqa: C901 - one case a kind
        rng = self._rng
        match kind:
            case "object":
                return self._object(depth)
            case "array":
                least = rng.randint(0, 2)
                bounds = {"minItems": least, "maxItems": least + rng.randint(0, 2)}
                return {"type": "array", "items": self._schema(depth), **bounds}
            case "tuple":
                items = [self._schema(depth) for _ in range(rng.randint(1, 3))]
                return {
                    "type": "array",
                    "prefixItems": items,
                    "items": False,
                    "minItems": len(items),
                }
            case "map":
                return {"type": "object", "additionalProperties": self._schema(0)}
            case "anyOf":
                return {"anyOf": [self._schema(depth), {"type": "null"}]}
            case "oneOf":
                return {"oneOf": [self._tagged("a", depth), self._tagged("b", depth)]}
            case "types":
                return {"type": rng.sample(["boolean", "integer", "null"], 2)}
            case "reference":
                return self._defined(self._schema(depth))
        return self._recursive()

    def _object(self, depth: int) -> Schema:
        rng = self._rng
        names = rng.sample(
            ["id", "title", "näme", "tags", "a/b", 'q"t', "score"], rng.randint(1, 4)
        )
        return {
            "type": "object",
            "properties": {name: self._schema(depth) for name in names},
            "required": [name for name in names if rng.random() < 0.6],
            "additionalProperties": False,
        }

    def _tagged(self, tag: str, depth: int) -> Schema:
        return {
            "type": "object",
            "properties": {"kind": {"const": tag}, "value": self._schema(depth)},
            "required": ["kind"],
            "additionalProperties": False,
        }

    def _defined(self, schema: Schema) -> Schema:
        name = f"d{len(self._definitions)}"
        self._definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}

    def _recursive(self) -> Schema:
        name = f"d{len(self._definitions)}"
        reference = {"$ref": f"#/$defs/{name}"}
        self._definitions[name] = {
            "type": "object",
            "properties": {
                "leaf": {"type": "integer", "minimum": 0, "maximum": 9},
                "next": {"anyOf": [{"type": "null"}, reference]},
            },
            "required": ["leaf", "next"],
            "additionalProperties": False,
        }
        return reference

    def _object_value(self, schema: Schema) -> dict[str, Any]:
        rng = self._rng
        if "properties" not in schema:
            names = [_word(rng, 6) for _ in range(rng.randint(0, 2))]
            return {name: self.value(schema["additionalProperties"]) for name in names}
        return {
            name: self.value(member)
            for name, member in schema["properties"].items()
            if name in schema["required"] or rng.random() < 0.5
        }

    def _array_value(self, schema: Schema) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(item) for item in schema["prefixItems"]]
        count = self._rng.randint(schema["minItems"], schema["maxItems"])
        return [self.value(schema["items"]) for _ in range(count)]

    def _string_value(self, schema: Schema) -> str:
        if "pattern" in schema:
            return _MATCHES[_PATTERNS.index(schema["pattern"])]
        if "format" in schema:
            return _FORMATS[schema["format"]]
        return _word(self._rng, self._rng.randint(schema["minLength"], schema["maxLength"]))


def _word(rng: Random, length: int) -> str:
    return "".join(rng.choice(string.ascii_letters + " .,äß✓🎉") for _ in range(length))


def hostile_format(rng: Random) -> OutputFormat:
    """A definition that is broken, endless, huge, or slow to follow."""
    count = rng.randint(101, 100_000)
    nested: Any = {"type": "string"}
    for _ in range(rng.randint(40, 90)):
        nested = {"type": "array", "items": nested}
    laughs = {f"l{i}": {"anyOf": [{"$ref": f"#/$defs/l{i + 1}"}] * 3} for i in range(60)}
    choices: list[tuple[FormatKind, str]] = [
        ("regex", "("),
        ("regex", "a(?=b)c"),
        ("regex", r"(a)\1"),
        ("regex", f"[a-z]{{0,{count}}}"),
        ("regex", "[a-z]{0,100}" * rng.randint(2, 6)),
        ("regex", "((a{1,50}){1,50}){1,50}"),
        ("regex", "(a*)*b"),
        ("regex", "(" * rng.randint(33, 900)),
        ("grammar", "root ::= root"),
        ("grammar", 'root ::= "a" other'),
        ("grammar", 'root ::= root "a" | "b"'),
        ("grammar", 'root ::= ("a"?)*'),
        ("grammar", "root ::= [a"),
        ("grammar", f'root ::= "a"{{0,{count}}}'),
        ("grammar", 'root ::= (="a") "b"'),
        ("grammar", "root ::= " + "(" * 5_000),
        ("json_schema", "{"),
        ("json_schema", '{"type": "nothing"}'),
        ("json_schema", '{"enum": []}'),
        ("json_schema", '{"not": {"type": "string"}}'),
        ("json_schema", '{"$ref": "#"}'),
        ("json_schema", '{"$ref": "https://example.org/schema"}'),
        (
            "json_schema",
            _dumps({"type": "array", "items": {"type": "integer"}, "minItems": count}),
        ),
        ("json_schema", _dumps(nested)),
        ("json_schema", _dumps({"$ref": "#/$defs/l0", "$defs": laughs})),
        ("json_schema", _dumps({"enum": [f"value {i}" for i in range(5_000)]})),
        ("json_schema", '{"type": "string", "pattern": "(a+)+$", "enum": ["%s"]}' % ("a" * 90)),
        ("choice", "[]"),
        ("choice", _dumps(["x" * 70_000])),
    ]
    kind, definition = rng.choice(choices)
    return OutputFormat(kind, definition)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
