"""Type stubs of ``coco.sources``, ``coco.functions`` and ``coco.targets``, from the manifests of plugins.

At run time these modules look their names up among the installed plugins, which a type checker cannot do. The stubs
say what each name is. They form a *partial stub package* (PEP 561): ``coco-stubs`` replaces these three modules, and
type checkers read all others from coco itself.
"""

from __future__ import annotations

from coco.errors import PluginError
from coco.plugins.loader import PluginHost
from coco.plugins.namespace import NAMESPACES, OpNamespace

FOLDER = "coco-stubs"
"""The name that type checkers look for."""

HEADER = "# Written by `coco stubs` from the manifests of the installed plugins.\n"
"""The first line of each stub, by which a folder of ours is told from another one."""


def stub_files(host: PluginHost) -> tuple[dict[str, str], list[str]]:
    """The files of the stub package, text by name, and a remark for each name that they leave out.

    Names that several plugins provide are left out until the user picks one. Imports no operation.
    """
    files = {"py.typed": "partial\n"}
    remarks: list[str] = []
    for module in NAMESPACES:
        files[f"{module.rpartition('.')[2]}.pyi"] = _stub(OpNamespace(module, host), remarks)
    return files, remarks


def _stub(namespace: OpNamespace, remarks: list[str]) -> str:
    paths: dict[str, str] = {}
    for name in namespace.names():
        try:
            path = namespace.import_path(name)
        except PluginError as error:
            remarks.append(f"{namespace.module}.{name} is left out: {error}")
            continue
        if path is not None:
            paths[name] = path
    lines = [line for name, path in paths.items() for line in _import(name, path)]
    names = "".join(f"    {name!r},\n".replace("'", '"') for name in paths)
    return "\n".join([HEADER, *lines, "", f"__all__: list[str] = [\n{names}]", ""])


def _import(name: str, path: str) -> list[str]:
    """Statements that give ``name`` the type of what ``path`` says."""
    module, _, qualified = path.partition(":")
    outer, dot, inner = qualified.partition(".")
    if not dot:
        return [f"from {module} import {outer} as {name}"]
    return [f"from {module} import {outer} as _{outer}", f"{name} = _{outer}.{inner}"]
