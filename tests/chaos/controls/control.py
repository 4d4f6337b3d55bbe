"""What a negative control is: a safety that is switched off in a copy of the code, and what must then turn red."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Patch:
    """A replacement in one file (relative to the root). `old` stands there exactly once."""

    file: str
    old: str
    new: str

    def fits(self, root: Path) -> bool:
        """Whether the code is still what this patch was written for."""
        return (root / self.file).read_text().count(self.old) == 1

    def apply(self, root: Path) -> None:
        """Replace it. Raises ValueError if it does not fit."""
        if not self.fits(root):
            raise ValueError(f"{self.file} does not hold exactly once: {self.old}")
        file = root / self.file
        file.write_text(file.read_text().replace(self.old, self.new))


@dataclass(frozen=True)
class Control:
    """A safety to be switched off.

    `sentence` says what is switched off. `probe` is a scenario's name or a pytest node id. `expects` is what it must
    say, as a regular expression: over "word invariant sentence" of one violation, or over pytest's output.
    """

    name: str
    sentence: str
    patches: tuple[Patch, ...]
    probe: str
    expects: str
