"""Holds a value against a schema of an OpenAPI 3.1 document: as much of JSON Schema as our description uses, and nothing that it does not know is passed over."""

import datetime
import re
from urllib.parse import urlsplit

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list, "null": type(None)}
FORMATS = {
    "date": datetime.date.fromisoformat,
    "date-time": lambda text: datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z"),
    "uri": lambda text: urlsplit(text).scheme in ("http", "https") and urlsplit(text).netloc or 1 / 0,
    "uri-reference": urlsplit,
    "int64": lambda number: -(2**63) <= number < 2**63 or 1 / 0,
}
KNOWN = {"$ref", "type", "description", "properties", "required", "additionalProperties", "items", "oneOf", "enum", "default", "pattern", "format",
         "minimum", "maximum", "multipleOf", "minLength", "maxLength"}


def is_of(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def errors(document, schema, value, at="$"):
    """Sentences about what is wrong."""
    assert set(schema) <= KNOWN, f"{at}: the schema has {set(schema) - KNOWN}, which no test understands"
    if "$ref" in schema:
        yield from errors(document, resolve(document, schema["$ref"]), value, at)
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not list(errors(document, one, value, at))]
        if len(fitting) != 1:
            yield f"{at}: {value!r:.100} fits {len(fitting)} of {schema['oneOf']}"
    names = schema.get("type", [])
    if names and not any(is_of(value, name) for name in ([names] if isinstance(names, str) else names)):
        yield f"{at}: {value!r:.100} is not {names}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r:.100} is none of {schema['enum']}"
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{at}: {value!r:.100} has a wrong length"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r:.100} has not the form {schema['pattern']}"
    if value is not None and "format" in schema:
        try:
            FORMATS[schema["format"]](value)
        except (ValueError, ZeroDivisionError):
            yield f"{at}: {value!r:.100} is no {schema['format']}"
    if is_of(value, "number"):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value) or value % schema.get("multipleOf", 1 if isinstance(value, int) else value or 1):
            yield f"{at}: {value} is out of range"
    if isinstance(value, list):
        for n, item in enumerate(value):
            yield from errors(document, schema.get("items", {}), item, f"{at}[{n}]")
    if isinstance(value, dict):
        yield from object_errors(document, schema, value, at)


def object_errors(document, schema, value, at):
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name} is missing"
    for name, item in value.items():
        of_name = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        if of_name is False:
            yield f"{at}: {name} is not described"
        else:
            yield from errors(document, of_name, item, f"{at}.{name}")


def resolve(document, reference):
    place = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def check(document, path, answer):
    """Holds a whole answer (status, content-type, JSON body) against what the path's GET promises; returns the body."""
    responses = document["paths"][path]["get"]["responses"]
    promised = responses.get(str(answer.status), responses["default"])
    if "$ref" in promised:
        promised = resolve(document, promised["$ref"])
    (kind, content), = promised["content"].items()
    assert answer.line("content-type") == kind, (answer.status, answer.line("content-type"))
    value = answer.json()
    wrong = list(errors(document, content["schema"], value))
    assert not wrong, f"{path}: " + "\n".join(wrong)
    return value
