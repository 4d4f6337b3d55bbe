"""JSON Schemas of the events, made from the models, so they cannot drift. Open: a reader must bear new fields."""

from collections.abc import Mapping
from typing import Any, Final, cast

from shared.contracts.events import EVENTS, CloudEvent, EventData, schema_name

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def data_schema(kind: str) -> Schema:
    """The schema of the `data` of an event type. Its `$id` is what the event's `dataschema` says."""
    return {"$schema": DIALECT, "$id": schema_name(kind), **_opened(EVENTS[kind], "#/$defs/{model}")}


def event_schema(kind: str) -> Schema:
    """The schema of a whole event of that type, as its body is."""
    schema = _opened(_whole(kind), "#/$defs/{model}")
    return {"$schema": DIALECT, "$id": f"{schema_name(kind)}:event", **_named(schema, kind)}


def definitions() -> Schema:
    """Every event, every form of `data` and what they are made of, by name, referring to each other as parts of an
    AsyncAPI document do."""
    found: Schema = {}
    for kind in EVENTS:
        schema = _opened(_whole(kind), "#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[envelope_name(kind)] = _named(schema, kind)
    return dict(sorted(found.items()))


def envelope_name(kind: str) -> str:
    """How the schema of a whole event is called in an AsyncAPI document: `TicketCreatedV1Event`."""
    return f"{EVENTS[kind].__name__}Event"


def _whole(kind: str) -> type[CloudEvent[EventData]]:
    return cast("type[CloudEvent[EventData]]", CloudEvent.__class_getitem__(EVENTS[kind]))


def _opened(model: type[Any], references: str) -> Schema:
    return _without_closing(model.model_json_schema(mode="serialization", ref_template=references))


def _without_closing(node: Any) -> Any:
    """Without `additionalProperties: false`: our own models refuse what they do not know, subscribers must not."""
    if isinstance(node, Mapping):
        pairs = cast("Mapping[str, Any]", node).items()
        return {key: _without_closing(value) for key, value in pairs if (key, value) != ("additionalProperties", False)}
    return [_without_closing(one) for one in cast("list[Any]", node)] if isinstance(node, list) else node


def _named(schema: Schema, kind: str) -> Schema:
    """The schema of one type of event: its type and the name of its data's schema are fixed."""
    fields: Schema = schema["properties"]
    fields["type"] |= {"const": kind}
    fields["dataschema"] |= {"const": schema_name(kind)}
    return {**schema, "title": envelope_name(kind), "description": EVENTS[kind].__doc__}
