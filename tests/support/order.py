"""What takes longest is begun first, so that at the end of a run no worker is left alone with a long file.

A pytest plugin. Within its group a file keeps the place that pytest-randomly gave it. `make test` tells xdist to keep
this order (`--no-loadscope-reorder`): by itself it would begin with the files of many tests, and those of one test that
starts a whole system would come last.
"""

from pathlib import Path

import pytest

LONG = ("architecture", "fuzz")
"""Folders with a test that takes a minute: pyright over everything, a thousand inputs for each parser."""
QUICK = ("unit",)
"""Folders of files that take seconds: they fill the gaps at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems and what is as long first, then tests with servers, then the quick ones."""
    items.sort(key=_group)


def _group(item: pytest.Item) -> int:
    folder = Path(item.nodeid).parts[1]
    if folder in LONG or item.get_closest_marker("e2e") is not None:
        return 0
    return 2 if folder in QUICK else 1
