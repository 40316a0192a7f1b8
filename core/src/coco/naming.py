"""Composes names of namespaces, flows and targets, and tells which names of flows clash."""

from __future__ import annotations

DELIMITER = "__"


def namespace_of(full_name: str) -> str:
    """Return the namespace in a flow's full name; empty text if it has none."""
    return full_name.rpartition(".")[0]


def name_parts(flow: str, target: str, namespace: str = "") -> tuple[str, ...]:
    """Return the parts of the default name of a target's resource."""
    return (namespace, flow, target) if namespace else (flow, target)


def default_name(flow: str, target: str, *, namespace: str = "", delimiter: str = DELIMITER) -> str:
    """Return ``[Namespace__]Flow__Target``, the name of a target's resource whose spec gives no name."""
    return delimiter.join(name_parts(flow, target, namespace))


def state_name(full_name: str) -> str:
    """Return ``[namespace__]flow`` in lower case.

    Two flows for which it is equal clash: some stores and targets ignore case.
    """
    return full_name.replace(".", DELIMITER).lower()
