"""The smallest JSON value that a JSON schema allows, for response_format and tool calls."""

from typing import Any

MAX_DEPTH = 32


def minimal(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """Covers what clients send: objects, arrays, scalars, enums, unions and local references."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return {}
    if "$ref" in schema:
        return minimal(_resolve(schema["$ref"], root), root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return minimal(schema[key][0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: dict[str, Any], root: Any, depth: int) -> Any:
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: minimal(properties.get(name), root, depth + 1) for name in schema.get("required", [])}
        case "array":
            return [minimal(schema.get("items"), root, depth + 1) for _ in range(schema.get("minItems", 0))]
        case "string":
            text = "fake engine"
            return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case _:
            return None


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step, {}) if isinstance(found, dict) else {}
    return found
