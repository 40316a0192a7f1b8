"""The naming rule as functions, for tools that take names from users.

Fields, targets, flows and app namespaces have one rule: 1 to 64 ASCII letters, digits and underscores, no digit first,
no double underscore first. Flows and app namespaces have no double underscore last either.
"""

from __future__ import annotations

from coco.errors import CallShapeError
from coco.flow.names import MAX_NAME_LENGTH, NamingError, check_flow_name, check_name, name_problem

__all__ = [
    "NamingError",
    "validate_app_namespace_name",
    "validate_field_name",
    "validate_flow_name",
    "validate_full_flow_name",
    "validate_identifier_name",
    "validate_target_name",
]


def validate_identifier_name(
    name: str,
    max_length: int = MAX_NAME_LENGTH,
    allow_dots: bool = False,
    identifier_type: str = "identifier",
) -> str | None:
    """Return what is wrong with a name, as a sentence; None for a legal one.

    max_length: in characters. allow_dots: whether the name may hold dots. identifier_type: what the sentence calls it.
    Raises ``CallShapeError`` (a ``TypeError``) if ``name`` is not a str.
    """
    if not isinstance(name, str):
        raise CallShapeError(f"the name of a {identifier_type} must be a str, got {type(name).__name__}")
    problem = name_problem(name, max_length=max_length, allow_dots=allow_dots)
    return None if problem is None else f"invalid {identifier_type} name {name!r}: it {problem}"


def validate_field_name(name: str) -> None:
    """Raise ``NamingError`` (a ``ValueError``) unless ``name`` can be the name of a field."""
    check_name(name, "field")


def validate_target_name(name: str) -> None:
    """Raise ``NamingError`` unless ``name`` can be the name of a target."""
    check_name(name, "target")


def validate_flow_name(name: str) -> None:
    """Raise ``NamingError`` unless ``name`` can be the short name of a flow."""
    check_flow_name(name)


def validate_app_namespace_name(name: str) -> None:
    """Raise ``NamingError`` unless ``name`` can be the app namespace."""
    check_flow_name(name, "app namespace")


def validate_full_flow_name(name: str) -> None:
    """Raise ``NamingError`` unless ``name`` can be a flow's full name, which may hold dots."""
    problem = validate_identifier_name(name, allow_dots=True, identifier_type="full flow")
    if problem is not None:
        raise NamingError(problem)
