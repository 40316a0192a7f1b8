"""What plugins say about themselves: plain data, no imports of what is described."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

OP_CATEGORIES = ("source", "function", "target", "declaration", "target_attachment")
"""Values of ``coco.op.OpCategory``; as text here, for that enum is not light enough to import."""

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_COMMAND = re.compile(r"[a-z][a-z0-9-]*")


def _check_target(owner: str, target: str) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise ValueError(f"{owner}: expected a target like 'package.module:Name', got {target!r}")


def _check_doc(owner: str, doc: str) -> None:
    if not isinstance(doc, str) or "\n" in doc:
        raise ValueError(f"{owner}: expected one line as doc, got {doc!r}")


@dataclass(frozen=True, slots=True)
class OpManifest:
    """One operation.

    category: ``source``, ``function``, ``target``, ``declaration`` or ``target_attachment``.
    name: the spec class's name, which is the operation's kind; unique within its category.
    target: ``"module:Class"`` of the *spec* class. Importing the module registers the connector or executor
    too.
    doc: one line for lists.
    also: other names of that module that users of the operation need, such as classes of its options. They
    stand beside it in ``coco.sources``, ``coco.functions`` or ``coco.targets``. ``"module:Name"`` says that a name
    comes from another module: several plugins may share it.

    Raises ``ValueError`` for anything malformed.
    """

    category: str
    name: str
    target: str
    doc: str = ""
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        owner = f"OpManifest {self.category} {self.name}"
        if self.category not in OP_CATEGORIES:
            raise ValueError(
                f"{owner}: expected a category of {', '.join(OP_CATEGORIES)}, got {self.category!r}"
            )
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"{owner}: expected an identifier as name, got {self.name!r}")
        _check_target(owner, self.target)
        _check_doc(owner, self.doc)
        if not isinstance(self.also, tuple) or not all(
            isinstance(name, str) and (name.isidentifier() or _TARGET.fullmatch(name)) for name in self.also
        ):
            raise ValueError(f"{owner}: expected a tuple of identifiers as also, got {self.also!r}")

    @property
    def companions(self) -> dict[str, str]:
        """Names of ``also`` with their ``"module:Name"``."""
        module = self.target.partition(":")[0]
        targets = [name if ":" in name else f"{module}:{name}" for name in self.also]
        return {target.rpartition(":")[2]: target for target in targets}

    @property
    def key(self) -> str:
        """``category:name``, the form that ``COCO_PLUGINS`` takes."""
        return f"{self.category}:{self.name}"


@dataclass(frozen=True, slots=True)
class StoreManifest:
    """A state store.

    scheme: of its URL, without ``://``. target: ``"module:factory"``, called with the URL.
    """

    scheme: str
    target: str
    doc: str = ""

    def __post_init__(self) -> None:
        owner = f"StoreManifest {self.scheme}"
        if not isinstance(self.scheme, str) or not _SCHEME.fullmatch(self.scheme):
            raise ValueError(f"{owner}: expected a URL scheme, got {self.scheme!r}")
        _check_target(owner, self.target)
        _check_doc(owner, self.doc)

    @property
    def key(self) -> str:
        return f"store:{self.scheme}"


@dataclass(frozen=True, slots=True)
class RunnerManifest:
    """A place where calls of functions run, such as a pool or a cluster.

    name: what ``runner=`` says. target: ``"module:factory"``, called without arguments, gives a ``coco.op.Runner``.
    """

    name: str
    target: str
    doc: str = ""

    def __post_init__(self) -> None:
        owner = f"RunnerManifest {self.name}"
        if not isinstance(self.name, str) or not _COMMAND.fullmatch(self.name):
            raise ValueError(
                f"{owner}: expected a name of lower case letters, digits and -, got {self.name!r}"
            )
        _check_target(owner, self.target)
        _check_doc(owner, self.doc)

    @property
    def key(self) -> str:
        return f"runner:{self.name}"


@dataclass(frozen=True, slots=True)
class CommandManifest:
    """A command of the ``coco`` program.

    doc: its line in ``coco --help``. target: ``"module:command"``, a click command.
    """

    name: str
    target: str
    doc: str = ""

    def __post_init__(self) -> None:
        owner = f"CommandManifest {self.name}"
        if not isinstance(self.name, str) or not _COMMAND.fullmatch(self.name):
            raise ValueError(
                f"{owner}: expected a name of lower case letters, digits and -, got {self.name!r}"
            )
        _check_target(owner, self.target)
        _check_doc(owner, self.doc)

    @property
    def key(self) -> str:
        return f"command:{self.name}"


def load_target(target: str) -> Any:
    """Import what ``"module:name"`` says. Raises whatever the import raises, or ``AttributeError``."""
    module, _, path = target.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value
