"""The JSON Schema of the documents, for editors and checks elsewhere. Made from the models, so it cannot drift."""

from typing import Any

from services.console.configuration.documents import API_VERSION, KINDS, Metadata


def json_schema() -> dict[str, Any]:
    """One schema for any of our documents (JSON Schema 2020-12), told apart by `kind`."""
    definitions: dict[str, Any] = {}
    for kind, model in KINDS.items():
        spec = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions.update(spec.pop("$defs", {}))
        _without_name(spec)
        definitions[f"{kind}Spec"] = spec
        definitions[f"{kind}Document"] = _document(kind)
    definitions["Metadata"] = Metadata.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mail Automator document",
        "oneOf": [{"$ref": f"#/$defs/{kind}Document"} for kind in KINDS],
        "$defs": definitions,
    }


def _document(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata"] + (["spec"] if kind == "Mailbox" else []),
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind},
            "metadata": {"$ref": "#/$defs/Metadata"},
            "spec": {"$ref": f"#/$defs/{kind}Spec"},
        },
    }


def _without_name(spec: dict[str, Any]) -> None:
    """In a document the name stands in `metadata`."""
    spec["properties"].pop("name", None)
    if "name" in spec.get("required", []):
        spec["required"].remove("name")
