"""The base of every frozen value: immutable, strict about unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """An immutable value. Unknown fields are errors, so a misspelt one never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Document(BaseModel):
    """An immutable value that people write as YAML or send to the API: camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A name people and metrics share: lower-case letters, digits and hyphens, 1 to 63 characters (RFC 1123 label)."""
