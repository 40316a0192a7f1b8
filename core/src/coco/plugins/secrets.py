"""``coco.secret``, and the look-up of values through plugins.

The import of this module connects references with the plugins. Unpickling a reference imports it.
"""

from __future__ import annotations

import copyreg

from coco import secrets
from coco.errors import SecretError, is_retriable, mark_retriable
from coco.plugins.built_in import built_in_plugin
from coco.plugins.plugin import FAULTS, Plugin
from coco.secrets import SecretRef

__all__ = ["SecretRef", "secret"]

BUILT_IN_SCHEMES = ("env", "file")


def secret(ref: str) -> SecretRef:
    """Return a reference to a secret, for use instead of a password, an API key or a URL.

    ``env:NAME`` refers to an environment variable, also one from ``.env``. ``file:PATH`` refers to the text of a file without
    the line break at its end; a relative path starts at the working folder. Plugins provide other schemes, such as
    ``vault:NAME`` (hook ``coco_resolve_secret``).

    Auth entries, ``DatabaseConnectionSpec`` and fields declared as ``coco.typing.Secret`` accept a reference. coco looks the
    value up for each connection, never stores it, and masks it in errors. Raises ``DefinitionError`` for text of another
    form. An unknown scheme or a missing secret raises ``SecretError`` when the value is needed, so a process that makes no
    connection, such as a worker, needs neither the plugin nor the secret.
    """
    return SecretRef(ref)


def value_of(ref: SecretRef, wanted_by: str | None) -> str:
    """The current value, from coco's own resolver or a plugin's. Raises ``SecretError``, whose text never holds the value."""
    asked = [built_in_plugin()] if ref.scheme in BUILT_IN_SCHEMES else _others()
    for plugin in asked:
        found = _answer(plugin, ref, wanted_by)
        if found is not None:
            return found
    raise _unknown(ref, wanted_by)


def _answer(plugin: Plugin, ref: SecretRef, wanted_by: str | None) -> str | None:
    by = _by(wanted_by)
    try:
        found = plugin.hooks["coco_resolve_secret"](ref=ref.ref)
    except SecretError as error:
        text, retriable = f"{ref!r}{by}: {error}", is_retriable(error)
    except FAULTS as error:  # its text may quote the value, so neither that nor the cause is shown
        retriable = is_retriable(error)
        text = f"{ref!r}{by}: the plugin {plugin.title()} failed with {type(error).__name__}"
    else:
        if found is None or (isinstance(found, str) and found):
            return found
        given = "an empty text" if found == "" else f"a value of type {type(found).__name__}"
        text, retriable = f"{ref!r}{by}: the plugin {plugin.title()} gave {given} where text is wanted", False
    raise mark_retriable(SecretError(text), retriable)


def _others() -> list[Plugin]:
    from coco.plugins import plugin_host

    return [plugin for plugin in plugin_host().secret_plugins() if not plugin.built_in]


def _unknown(ref: SecretRef, wanted_by: str | None) -> SecretError:
    from coco.plugins import plugin_host
    from coco.plugins.hints import distribution_for

    text = f"{ref!r}{_by(wanted_by)}: no installed plugin resolves '{ref.scheme}:'; coco itself resolves env: and file:"
    others = [plugin.title() for plugin in _others()]
    if others:
        text += f", and other schemes come from {', '.join(others)}, which did not know this one"
    broken = [item for item in plugin_host().plugins if not item.loaded and ref.scheme in item.name]
    distribution = distribution_for("secret", ref.scheme)
    if broken:
        text += f"; the plugin {broken[0].title()} is {broken[0].status}: {broken[0].reason}"
    elif distribution:
        text += f"; pip install {distribution}"
    else:
        text += "; a plugin with the hook coco_resolve_secret has to bring it"
    return SecretError(text)


def _by(wanted_by: str | None) -> str:
    return f" (wanted by {wanted_by})" if wanted_by else ""


secrets.set_resolver(value_of)
copyreg.pickle(SecretRef, lambda ref: (secret, (ref.ref,)))
