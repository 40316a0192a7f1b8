"""Names made from those of namespaces, flows and targets, and when two of them are one too many."""

from __future__ import annotations

DELIMITER = "__"


def namespace_of(full_name: str) -> str:
    """The namespace in a flow's full name; empty without one."""
    return full_name.rpartition(".")[0]


def name_parts(flow: str, target: str, namespace: str = "") -> tuple[str, ...]:
    """What the default name of a target's resource consists of."""
    return (namespace, flow, target) if namespace else (flow, target)


def default_name(flow: str, target: str, *, namespace: str = "", delimiter: str = DELIMITER) -> str:
    """``[Namespace__]Flow__Target``: what a target calls a resource whose spec gives no name."""
    return delimiter.join(name_parts(flow, target, namespace))


def state_name(full_name: str) -> str:
    """``[namespace__]flow``, lower-cased: flows for which it is equal cannot be told apart everywhere."""
    return full_name.replace(".", DELIMITER).lower()
