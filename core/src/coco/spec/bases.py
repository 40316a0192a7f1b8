"""The five kinds of specs."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NoReturn

from coco import ports
from coco.errors import CallShapeError
from coco.spec.meta import SpecBase, SpecMeta


class OpCategory(enum.Enum):
    """What an operation is for."""

    FUNCTION = "function"
    SOURCE = "source"
    TARGET = "target"
    DECLARATION = "declaration"
    TARGET_ATTACHMENT = "target_attachment"


class SourceSpec(SpecBase, category=OpCategory.SOURCE):
    """Base of specs that ``FlowBuilder.add_source`` takes."""


class FunctionSpec(SpecBase, category=OpCategory.FUNCTION):
    """Base of specs that ``transform`` takes."""

    if not TYPE_CHECKING:  # type checkers report this mistake themselves

        def __call__(self, *_: Any, **__: Any) -> NoReturn:
            """Raise ``CallShapeError`` with what to write: a spec describes a function and cannot be called."""
            name = type(self).__name__
            raise CallShapeError(
                f"{name}(...) describes a function and cannot be called: write slice.transform({name}(...)) in a flow, "
                f"{name}(...).execute(value) for one value"
            )

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function once, in memory, outside any flow.

        Takes plain Python values and returns one. Blocks until the result is there, so never call it on the event
        loop that runs flows.
        """
        return ports.execute_spec(self, args, kwargs)


class TargetSpec(SpecBase, category=OpCategory.TARGET):
    """Base of specs that ``export`` takes."""


class DeclarationSpec(SpecBase, category=OpCategory.DECLARATION):
    """Base of specs that ``FlowBuilder.declare`` takes."""


class TargetAttachmentSpec(SpecBase, category=OpCategory.TARGET_ATTACHMENT):
    """Base of specs that ``export(attachments=...)`` takes. Subclasses have a field ``name: str``."""


class EmptyFunctionSpec(FunctionSpec):
    """The spec of functions that ``@function`` registers. It has no fields."""


def spec_category(spec: Any) -> OpCategory | None:
    """Return the category of a spec or spec class; None for anything else."""
    cls = spec if isinstance(spec, type) else type(spec)
    category = getattr(cls, "__coco_category__", None) if isinstance(cls, SpecMeta) else None
    return category if isinstance(category, OpCategory) else None


def spec_kind(spec: Any) -> str:
    """Return the kind of a spec or spec class, which is the name of the class.

    Raises ``CallShapeError`` for anything else.
    """
    cls = spec if isinstance(spec, type) else type(spec)
    if not isinstance(cls, SpecMeta):
        raise CallShapeError(f"expected a spec, got {cls.__name__}")
    return cls.__name__


def spec_doc(cls: type) -> str | None:
    """Return the docstring that stands in the class itself, without its indentation; None if there is none."""
    import inspect

    text = cls.__dict__.get("__doc__")
    return inspect.cleandoc(text) if text else None
