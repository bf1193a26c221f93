"""Schemas of the OpenAPI document: plain names, descriptions, no defaults in patches, no unused ones."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from app.api.openapi.glossary import PATCH_EXAMPLES, SCHEMAS, description_of

Json = dict[str, Any]

_PREFIX = "#/components/schemas/"
_OF_SURFACE = re.compile(r"app__schemas__(?P<surface>\w+?)__\w+?__(?P<name>[A-Z]\w*)")
# Responses where `fields` selects keys of the objects in this list.
_INNER = {"ListChangesOut": "entries"}
# Keys that are present whatever `fields` selects.
_ALWAYS = {"RecommendationOut": ("part", "reason", "because")}
_PARTIAL = re.compile(r"(Patch|Put|Operation)$")


def restore_examples(schemas: Json) -> None:
    """Restore nulls in examples, which FastAPI removes."""
    for model in _models(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if not isinstance(extra, dict) or "example" not in extra:
            continue
        whole = f"{model.__module__}.{model.__name__}".replace(".", "__")
        for name in {model.__name__, whole} & set(schemas):
            if schemas[name].get("example") == _without_nulls(extra["example"]):
                schemas[name]["example"] = extra["example"]


def describe_schemas(schemas: Json) -> None:
    """Give every property a description, and patches one example and no defaults."""
    for name, schema in schemas.items():
        schema.setdefault("description", SCHEMAS.get(name) or _as_sentence(name))
        if schema["description"].startswith("``"):
            schema["description"] = f"{_as_sentence(name)} {schema['description']}"
        schema["description"] = schema["description"].replace("``", "`")
        describe_properties(schema, name)
        if _PARTIAL.search(name):
            for shape in schema.get("properties", {}).values():
                shape.pop("default", None)
        if name in PATCH_EXAMPLES:
            schema["example"] = PATCH_EXAMPLES[name]


def describe_properties(schema: Json, name: str = "") -> None:
    properties = schema.get("properties", {})
    for key, shared in properties.items():
        properties[key] = shape = dict(shared)  # a copy, since constants are shared by several schemas
        text = shape.get("description") or description_of(key, name)
        if text is not None:
            shape["description"] = text
        shape.pop("title", None)
        describe_properties(shape)


def add_partial_operations(document: Json) -> None:
    """Give each operation that takes ``fields`` a second form, whose response has optional keys.

    Its path is the same with a trailing slash, which every route accepts.
    """
    paths, schemas = document["paths"], document["components"]["schemas"]
    for path in [path for path in paths if "get" in paths[path]]:
        operation = paths[path]["get"]
        taken = [one for one in operation.get("parameters", ()) if one["name"] == "fields"]
        if not taken:
            continue
        part = deepcopy(operation)
        operation["parameters"] = [one for one in operation["parameters"] if one["name"] != "fields"]
        part["operationId"] += "Fields"
        part["summary"] = f"{operation['summary']}, some keys"
        for one in part["parameters"]:
            one["required"] = one["required"] or one["name"] == "fields"
        _make_part(part["responses"]["200"], schemas)
        paths[f"{path}/"] = {"get": part}


def _make_part(response: Json, schemas: Json) -> None:
    schema = response["content"]["application/json"]["schema"]
    holder = schema["items"] if schema.get("type") == "array" else schema
    whole = holder["$ref"].removeprefix(_PREFIX)
    holder["$ref"] = _PREFIX + _part_of(whole, schemas)


def _part_of(whole: str, schemas: Json) -> str:
    """The name of the variant with optional keys, or whose list items have them."""
    part = f"{whole.removesuffix('Out')}PartOut"
    if part in schemas:
        return part
    schemas[part] = schema = deepcopy(schemas[whole])
    schema.pop("example", None)
    if inner := _INNER.get(whole):
        items = schema["properties"][inner]["items"]
        items["$ref"] = _PREFIX + _part_of(items["$ref"].removeprefix(_PREFIX), schemas)
    else:
        schema["required"] = list(_ALWAYS.get(whole, ()))
        schema["description"] = "The keys that `fields` selects."
    return part


def rename(document: Json) -> None:
    """Rename schemas for generated clients: ``Anime``, ``AnimeInput``, ``EntryPatch``."""
    schemas = document["components"]["schemas"]
    names = {name: _plain(name) for name in schemas}
    if len(set(names.values())) != len(names):
        raise AssertionError(f"two schemas would have one name: {sorted(names.values())}")
    document["components"]["schemas"] = {names[name]: schema for name, schema in sorted(schemas.items())}
    for node in _nodes(document):
        if isinstance(reference := node.get("$ref"), str) and reference.startswith(_PREFIX):
            node["$ref"] = _PREFIX + names[reference.removeprefix(_PREFIX)]
        if isinstance(mapping := node.get("mapping"), dict) and "propertyName" in node:
            node["mapping"] = {
                value: _PREFIX + names[place.removeprefix(_PREFIX)] for value, place in mapping.items()
            }


def drop_unused(document: Json) -> None:
    schemas = document["components"]["schemas"]
    while True:
        used = {node["$ref"].removeprefix(_PREFIX) for node in _nodes(document) if "$ref" in node}
        unused = set(schemas) - used
        if not unused:
            return
        for name in unused:
            del schemas[name]


def _plain(name: str) -> str:
    if found := _OF_SURFACE.fullmatch(name):
        surface = found["surface"]
        name = found["name"] if surface == "core" else f"{surface.capitalize()}{found['name']}"
    if name.startswith("Body_"):
        operation = name.removeprefix("Body_")
        return f"{operation[0].upper()}{operation[1:]}Form"
    if name.endswith("Out"):
        return name.removesuffix("Out")
    return f"{name.removesuffix('In')}Input" if name.endswith("In") else name


def _as_sentence(name: str) -> str:
    """`ApiToken` as `Api token.`, for schemas without a description."""
    words = re.findall(r"[A-Z][a-z]*", _plain(name).removesuffix("Input"))
    return f"{' '.join(words).capitalize()}." if words else f"{name}."


def _nodes(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _nodes(child)


def _models(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        yield model
        yield from _models(model)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
