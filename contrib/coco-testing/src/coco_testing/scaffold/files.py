"""The files of a new package: the common templates and those of its kind, filled in."""

from __future__ import annotations

import string
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from coco_testing.scaffold.names import PluginNames

WHAT = {
    "target": "target of coco flows",
    "source": "source of coco flows",
    "function": "function of coco flows",
    "store": "state store of coco",
    "runner": "runner of coco functions",
}
ALSO = {
    "target": '\n            also=("{spec}Connection",),',
    "source": '\n            also=("{spec}Connection",),',
}


MINIMAL = ("target",)
"""Kinds that also have a package of one function."""


def package_files(names: PluginNames, version: str, *, minimal: bool = False) -> dict[str, str]:
    """Path -> text. version: of the coco-core for which the package is written. minimal: for kinds in ``MINIMAL``."""
    values = {
        "name": names.distribution,
        "entry": names.entry,
        "package": names.package,
        "value": f"{names.package}:{names.spec}" if minimal else f"{names.package}._plugin",
        "spec": names.spec,
        "slug": names.slug,
        "upper": names.slug.replace("-", "_").upper(),
        "title": names.title,
        "kind": names.kind,
        "what": WHAT[names.kind],
        "range": core_range(version),
        "also": ALSO.get(names.kind, "").format(spec=names.spec),
    }
    found = {}
    root = files("coco_testing.scaffold") / "templates"
    for folder in ("common", f"{names.kind}_minimal" if minimal else names.kind):
        for path, text in sorted(_templates(root / folder)):
            if minimal and path.endswith("/_plugin.py.in"):
                continue  # the entry point is the operation
            path = path.replace("PACKAGE", names.package).replace("DOT", ".")
            found[path.removesuffix(".in")] = string.Template(text).substitute(values)
    return found


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _templates(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".in"):
            yield prefix + item.name, item.read_text(encoding="utf-8")


def core_range(version: str) -> str:
    """The range of releases that a package written for one release works with: ``0.3.1`` -> ``>=0.3,<1``."""
    major, minor, *_ = version.split(".")
    return f">={major}.{minor},<{int(major) + 1}"
