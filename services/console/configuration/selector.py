"""Which things are meant, by their labels: `team=helpdesk,site=berlin`. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from services.console.configuration.documents import Documents
from shared.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Selector:
    """The labels that a thing must carry, each with its value. An empty one means everything."""

    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def __bool__(self) -> bool:
        return bool(self.labels)

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether a thing with these labels is meant."""
        return all(labels.get(key) == value for key, value in self.labels.items())

    def of(self, documents: Documents) -> Documents:
        """The documents that are meant."""
        mailboxes = tuple(one for one in documents.mailboxes if self.takes(one.labels))
        catalogue = tuple(one for one in documents.catalogue if self.takes(one.labels))
        return replace(documents, mailboxes=mailboxes, catalogue=catalogue)


def parse(given: Iterable[str]) -> Selector:
    """The selector that is written as `key=value`, several joined by commas. Raises ConfigurationError."""
    labels: dict[str, str] = {}
    for part in (part for text in given for part in text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or key.strip() in labels:
            raise ConfigurationError(
                f'"{part[:63]}" selects nothing', where="--selector", remedy="write key=value, each key once"
            )
        labels[key.strip()] = value.strip()
    return Selector(labels)
