"""Coverage-guided fuzzing of one target with atheris: `python -m tests.fuzz mail --seconds 3600`.

What is found is written beside the corpus, in `.data/fuzz/<target>`: make a mail of our own of it, in tests/mails.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shared", "services"]):
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until the time is up; exit 1 with the input on disk if a target raises."""
    options = argparse.ArgumentParser(prog="tests.fuzz")
    options.add_argument("target", choices=sorted(TARGETS))
    options.add_argument("--seconds", type=int, default=3600)
    options.add_argument("--data", type=Path, default=Path(".data/fuzz"))
    given = options.parse_args()
    place = given.data / given.target
    corpus, found = place / "corpus", place / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(given.target)):
        (corpus / f"seed-{number:04d}").write_bytes(seed)
    arguments = (f"-max_total_time={given.seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=16384")
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={found}/", *arguments], TARGETS[given.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
