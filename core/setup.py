"""Builds the kernels of ``coco.hot``; everything else is in pyproject.toml.

A kernel is a plain Python module in Cython's pure mode, so a build without a C compiler is a slower coco, not
a broken one. Environment:

COCO_PURE=1          build no extension
COCO_REQUIRE_EXT=1   fail if an extension cannot be built (releases and CI)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
KERNELS = Path("src", "coco", "hot")

DESCRIBES = {"sdist", "egg_info", "dist_info"}
"""Commands that only describe or pack sources, which needs no translation of kernels."""


def asked(variable: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(variable, "") not in ("", "0")


def kernel_sources() -> dict[str, Path]:
    """Module name -> its file, relative to this folder, for every kernel on disk."""
    found = sorted((HERE / KERNELS).glob("*_cy.py"))
    return {f"coco.hot.{path.stem}": KERNELS / path.name for path in found}


def kernel_extensions() -> list[Extension]:
    """What there is to compile. Empty if nothing is wanted or Cython is not there."""
    if asked("COCO_PURE") or DESCRIBES.intersection(sys.argv):
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return give_up("Cython is not installed")
    required = asked("COCO_REQUIRE_EXT")
    extensions = [
        Extension(name, [path.as_posix()], optional=not required) for name, path in kernel_sources().items()
    ]
    try:
        built: list[Extension] = cythonize(
            extensions,
            build_dir=str(Path("build", "cython")),
            compiler_directives={"language_level": "3", "embedsignature": True},
            quiet=True,
        )
    except Exception as error:
        return give_up(f"Cython refused a kernel: {error}")
    return built


def give_up(reason: str) -> list[Extension]:
    """Go on without extensions, or fail where they are required."""
    if asked("COCO_REQUIRE_EXT"):
        sys.exit(f"coco-core: {reason}, and COCO_REQUIRE_EXT is set")
    print(f"coco-core: {reason}; installing the pure Python kernels, which are slower", file=sys.stderr)
    return []


class OptionalBuildExt(build_ext):
    """Says in one line what a missing compiler means."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            give_up(f"the kernels cannot be compiled: {error}")
            return
        missing = [
            item.name for item in self.extensions if not Path(self.get_ext_fullpath(item.name)).exists()
        ]
        if missing:
            give_up(f"not compiled: {', '.join(missing)}")


if __name__ == "__main__":
    setup(ext_modules=kernel_extensions(), cmdclass={"build_ext": OptionalBuildExt})
