"""Manifests: plain data that describes what a plugin provides, without importing it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OP_CATEGORIES = ("source", "function", "target", "declaration", "target_attachment")
"""Values of ``coco.op.OpCategory``, as text, since the import of that enum is not light."""

TAKES = ("", "app", "flow")

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_COMMAND = re.compile(r"[a-z][a-z0-9-]*")
_COMMAND_TEXT = "a name of lower case letters, digits and -"


class Manifest:
    """Base of the four manifests: an import path, one line of documentation, and a key."""

    __slots__ = ()
    target: str
    doc: str

    @property
    def key(self) -> str:
        """``category:name``, the form that ``COCO_PLUGINS`` takes."""
        raise NotImplementedError

    def _check(self, name: Any, is_name: Callable[[str], object], wanted: str) -> None:
        """Raise ``ValueError`` for an invalid name, import path or documentation line."""
        if not isinstance(name, str) or not is_name(name):
            raise self._refused(wanted, name)
        if not isinstance(self.target, str) or not _TARGET.fullmatch(self.target):
            raise self._refused("a target like 'package.module:Name'", self.target)
        if not isinstance(self.doc, str) or "\n" in self.doc:
            raise self._refused("one line as doc", self.doc)

    def _refused(self, wanted: str, given: Any) -> ValueError:
        return ValueError(f"{type(self).__name__} {self.key}: expected {wanted}, got {given!r}")


@dataclass(frozen=True, slots=True)
class OpManifest(Manifest):
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
        if self.category not in OP_CATEGORIES:
            raise self._refused(f"a category of {', '.join(OP_CATEGORIES)}", self.category)
        self._check(self.name, str.isidentifier, "an identifier as name")
        if not isinstance(self.also, tuple) or not all(
            isinstance(name, str) and (name.isidentifier() or _TARGET.fullmatch(name)) for name in self.also
        ):
            raise self._refused("a tuple of identifiers as also", self.also)

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
class StoreManifest(Manifest):
    """A state store.

    scheme: of its URL, without ``://``. target: ``"module:factory"``, called with the URL, gives a ``StateStore``.
    persistent: whether its state outlives the process; commands that write refuse a store whose state does not.
    Raises ``ValueError`` for anything malformed.
    """

    scheme: str
    target: str
    doc: str = ""
    persistent: bool = True

    def __post_init__(self) -> None:
        self._check(self.scheme, _SCHEME.fullmatch, "a URL scheme")

    @property
    def key(self) -> str:
        """``store:scheme``."""
        return f"store:{self.scheme}"


@dataclass(frozen=True, slots=True)
class RunnerManifest(Manifest):
    """A place where calls of functions run, such as a pool or a cluster.

    name: what ``runner=`` says. target: ``"module:factory"``, called without arguments, gives a ``coco.op.Runner``.
    Raises ``ValueError`` for anything malformed.
    """

    name: str
    target: str
    doc: str = ""

    def __post_init__(self) -> None:
        self._check(self.name, _COMMAND.fullmatch, _COMMAND_TEXT)

    @property
    def key(self) -> str:
        """``runner:name``."""
        return f"runner:{self.name}"


@dataclass(frozen=True, slots=True)
class CommandManifest(Manifest):
    """A command of the ``coco`` program.

    doc: its line in ``coco --help``. target: ``"module:command"``, a click command. takes: what its first argument is,
    so that messages can name the command ready to be run: ``app`` (APP_TARGET), ``flow`` (APP_FLOW_SPECIFIER), or empty
    for anything else, for an argument that may be left out too. Raises ``ValueError`` for anything malformed.
    """

    name: str
    target: str
    doc: str = ""
    takes: str = ""

    def __post_init__(self) -> None:
        self._check(self.name, _COMMAND.fullmatch, _COMMAND_TEXT)
        if self.takes not in TAKES:
            raise self._refused("'app', 'flow' or '' as takes", self.takes)

    @property
    def key(self) -> str:
        """``command:name``."""
        return f"command:{self.name}"


def load_target(target: str) -> Any:
    """Import ``"module:name"``. Raises what the import raises, or ``AttributeError``."""
    module, _, path = target.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


INFERRED_CATEGORIES = ("source", "function", "target")


def names_operation(value: str) -> bool:
    """Whether the value of an entry point is an operation itself, ``module:name``, rather than a module with hooks."""
    return ":" in value


def inferred_op(entry: str, value: str) -> OpManifest:
    """The manifest of a plugin with one operation, from its entry point alone: ``target-jsonl = "pkg.jsonl:Jsonl"``.

    The category is the first part of the entry point's name. The operation's name is that of the object, in CamelCase.
    Nothing is imported. Raises ``ValueError`` for an entry point whose name does not begin with a category.
    """
    category = next((item for item in INFERRED_CATEGORIES if entry.startswith(f"{item}-")), None)
    if category is None:
        raise ValueError(
            f"{value!r} is an operation, so the entry point's name has to begin with source-, function- or target-; it is "
            f"{entry!r}. Rename it, or let it name a module with hooks"
        )
    return OpManifest(category, operation_name(value.rpartition(":")[2].strip()), value.replace(" ", ""))


def operation_name(name: str) -> str:
    """The name of the operation that an object of this name registers: ``split_text`` gives ``SplitText``."""
    return "".join(part[0].upper() + part[1:] for part in name.split("_") if part)
