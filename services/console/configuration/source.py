"""Reads YAML: files, directories and standard input, each with any number of documents. Knows nothing of their meaning.

Keeps the line of every field, so that an error can name it, and refuses a key that is written twice.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import cast

import yaml

from services.console.configuration.problems import ConfigurationProblems, Path, Position
from shared.domain.errors import ConfigurationError

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One YAML document: what it says, and where it stands."""

    content: object
    position: Position


def read(paths: Sequence[str], stdin: Iterable[str]) -> tuple[RawDocument, ...]:
    """Every document of the given paths, in order; `-` is standard input, a directory gives its *.yaml by name.

    Raises ConfigurationProblems if a path cannot be read or is not YAML.
    """
    found: list[RawDocument] = []
    problems: list[ConfigurationError] = []
    for path in paths:
        for name in _files(path, problems):
            try:
                text = "".join(stdin) if name == "-" else _text(FilePath(name))
                found.extend(parse(text, "standard input" if name == "-" else name))
            except ConfigurationError as error:
                problems.append(error)
    if problems:
        raise ConfigurationProblems(problems)
    return tuple(found)


def parse(text: str, source: str) -> tuple[RawDocument, ...]:
    """The documents of one text. Empty documents are skipped but counted. Raises ConfigurationError."""
    found: list[RawDocument] = []
    try:
        loader = yaml.SafeLoader(text)
        number = 0
        while loader.check_node():
            number += 1
            node = cast("yaml.Node", loader.get_node())
            lines = dict(_lines(node, ()))
            position = Position(source, number, lines=lines)
            _refuse_repeats(node, position, ())
            content = cast("object", loader.construct_document(node))  # pyright: ignore[reportUnknownMemberType]  # stub
            if content is not None:
                found.append(RawDocument(content, position))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, source) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(
            f"is not YAML: {type(error).__name__}", where=source, remedy="correct the file"
        ) from None
    return tuple(found)


def _files(path: str, problems: list[ConfigurationError]) -> list[str]:
    if path == "-":
        return [path]
    place = FilePath(path)
    if place.is_file():
        return [path]
    if place.is_dir():
        names = sorted(str(one) for one in place.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        if names:
            return names
        problems.append(ConfigurationError("directory has no *.yaml", where=path, remedy="name another path"))
    else:
        problems.append(ConfigurationError("no such file or directory", where=path, remedy="correct the path after -f"))
    return []


def _text(path: FilePath) -> str:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ConfigurationError("file is over 8 MiB", where=str(path), remedy="split it")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("file is not UTF-8 text", where=str(path), remedy="save it as UTF-8") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"cannot be read: {reason}", where=str(path), remedy="check the path and its rights"
        ) from None


def _not_yaml(error: yaml.MarkedYAMLError, source: str) -> ConfigurationError:
    mark = error.problem_mark
    where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    return ConfigurationError(
        f"is not YAML: {error.problem or 'cannot be read'}",
        where=where,
        remedy="check indentation, colons and quotes here",
    )


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    yield path, node.start_mark.line + 1
    if len(path) > 12:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, index))


def _refuse_repeats(node: yaml.Node, position: Position, path: Path) -> None:
    if isinstance(node, yaml.MappingNode) and len(path) < 12:
        seen: set[Hashable] = set()
        for key, value in node.value:
            inner = (*path, str(key.value))
            if key.value in seen:
                raise position.problem(f'field "{key.value}" is written twice', "keep one of the two", inner)
            seen.add(str(key.value))
            _refuse_repeats(value, position, inner)
