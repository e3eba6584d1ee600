"""CRC-32C from the crc32c package's C module, without what else importing that package would load.

The package looks up its own version when it is imported, for which Python loads its e-mail, zip and inspection
modules: two thirds of the time in which our tools start. Where the C module is not found as we know it, the package
is imported after all.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Final, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


def _load() -> Callable[[Buffer], int]:
    package = PathFinder.find_spec("crc32c")
    if package is not None and package.submodule_search_locations is not None:
        spec = PathFinder.find_spec("crc32c._crc32c", package.submodule_search_locations)
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            function: Callable[[Buffer], int] | None = getattr(module, "crc32c", None)
            if function is not None:
                return function
    import crc32c

    return crc32c.crc32c


crc32c: Final = _load()
