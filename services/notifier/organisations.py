"""Which domains belong to one organisation, by the public suffix list that is installed with us (no network)."""

from publicsuffixlist import PublicSuffixList


class Organisations:
    """The list, read once."""

    def __init__(self) -> None:
        self._list = PublicSuffixList()

    def of(self, domain: str) -> str:
        """The registrable domain: `mail.example.co.uk` -> `example.co.uk`; a domain that has none is its own."""
        return self._list.privatesuffix(domain) or domain
