"""From the name of something that is missing to the distribution that brings it."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def _hints() -> dict[str, dict[str, str]]:
    import tomllib

    with Path(__file__).with_name("install_hints.toml").open("rb") as file:
        return tomllib.load(file)


def distribution_for(category: str, name: str) -> str | None:
    """The distribution known to bring ``name``; None if none is known."""
    return _hints().get(category, {}).get(name)


def hinted_names(category: str) -> list[str]:
    """All names of a category for which a distribution is known."""
    return sorted(_hints().get(category, {}))
