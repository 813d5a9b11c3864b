"""The whole mind of a Region as bytes, and back: where a replay begins.

A Region that is rebuilt from its ledger decides as rightly as the one before it, but not the same: sessions, gossip,
reservations and what was learnt of run times are in memory only. So an image is all that is reachable from the Region,
object by object. It means something only to the very code that wrote it (`code_digest`), it holds no key (the Authority
stays outside), and nothing is called while it is read but what rebuilds the core's own types. It lies beside the ledger
and deserves as much trust.

Objects that stand for themselves (core.rows.NO_WRITES and the like) are written as their names: they are compared
by identity.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import pickle  # noqa: TID251 - of the core's own types only; see _Unpickler.find_class
import pkgutil
import sys
import threading
import types
from functools import cache
from pathlib import Path
from typing import Any

import hanse.core
from hanse.core.federation.roster.ballot import Authority
from hanse.core.model.errors import EnvironmentFault
from hanse.core.region import Region

# The graph of a large region is deep: lanes lead to lanes. 512 MiB of address space for the stack; touched as needed.
_STACK_BYTES = 512 * 1024 * 1024
_DEPTH_MAX = 1_000_000
_AUTHORITY = "authority"
# All that an image may be made of, besides the core's own types.
_FOREIGN = {
    ("builtins", "str"),
    ("builtins", "bool"),
    ("builtins", "int"),
    ("hanse.decisions.image", "bound_method"),
    ("builtins", "tuple"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "slice"),
    ("builtins", "range"),
    ("builtins", "bytearray"),
    ("array", "array"),
    ("array", "_array_reconstructor"),
    ("collections", "deque"),
    ("collections", "defaultdict"),
    ("collections", "OrderedDict"),
    ("functools", "partial"),
    ("itertools", "count"),
    ("copyreg", "__newobj__"),
    ("copyreg", "__newobj_ex__"),
    ("copyreg", "_reconstructor"),
    ("builtins", "object"),
    ("msgspec._utils", "rebuild"),
    ("msgspec._core", "UNSET"),
    ("random", "Random"),
    ("re", "_compile"),
}
_NUMPY = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)
_NUMPY_NAMES = ("ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer")


class ImageUnusable(EnvironmentFault):
    """An image that this code cannot take for a Region."""


def dump(region: Region, authority: Authority | None) -> bytes:
    """All of it. The Region must not be stepped meanwhile: whoever has no time for that forks."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.authority = authority
    _deeply(lambda: pickler.dump(region))
    return buffer.getvalue()


def load(image: bytes, authority: Authority | None) -> Region:
    """The Region as it was. Raises ImageUnusable."""
    unpickler = _Unpickler(io.BytesIO(image))
    unpickler.authority = authority
    try:
        region = _deeply(unpickler.load)
    except (pickle.UnpicklingError, AttributeError, ImportError, EOFError, TypeError) as error:
        raise ImageUnusable(str(error)) from error
    if not isinstance(region, Region):
        raise ImageUnusable("it holds no Region")
    return region


def prepare() -> None:
    """Do now what a forked child should not have to."""
    _singletons()
    code_digest()


@cache
def code_digest() -> str:
    """Of everything that decides: the core's source, and the Python that it runs on."""
    digest = hashlib.blake2b(sys.version.encode(), digest_size=16)
    root = Path(hanse.core.__path__[0])
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def bound_method(owner: object, name: str) -> Any:
    """A method of one of the core's objects."""
    if not type(owner).__module__.startswith("hanse.core.") or name.startswith("__"):
        raise pickle.UnpicklingError(f"{type(owner).__name__}.{name} is no method of the core")
    return getattr(owner, name)


class _Pickler(pickle.Pickler):
    authority: Authority | None = None

    def persistent_id(self, obj: Any) -> Any:
        """What is not written but named."""
        if obj is self.authority and obj is not None:
            return _AUTHORITY
        return _singletons().get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        """Methods as their object and name, to be looked up by a function that looks up nothing else."""
        if isinstance(obj, types.MethodType):
            return bound_method, (obj.__self__, obj.__func__.__name__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    authority: Authority | None = None

    def persistent_load(self, pid: Any) -> Any:
        """What stands for itself."""
        if pid == _AUTHORITY:
            return self.authority
        module, name = pid
        return getattr(self._module(module), name)

    def find_class(self, module_name: str, global_name: str) -> Any:
        """The core's own classes, and the few things that they are built of: an image calls nothing else."""
        if module_name.startswith("hanse.core."):
            found: Any = self._module(module_name)
            for part in global_name.split("."):
                found = getattr(found, part)
            if isinstance(found, type) and found.__module__ == module_name:
                return found
        elif (module_name, global_name) in _FOREIGN or (
            module_name in _NUMPY and global_name in _NUMPY_NAMES
        ):
            return super().find_class(module_name, global_name)
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, which no Region is made of")

    def _module(self, name: str) -> Any:
        if not name.startswith("hanse.core."):
            raise pickle.UnpicklingError(f"it names the module {name}")
        return importlib.import_module(name)


@cache
def _singletons() -> dict[int, tuple[str, str]]:
    """Values that the core's modules define once, of types that are compared by identity or changed in place."""
    found: dict[int, tuple[str, str]] = {}
    for each in pkgutil.walk_packages(hanse.core.__path__, "hanse.core."):
        module = importlib.import_module(each.name)
        for name, value in vars(module).items():
            kind = type(value)
            if kind.__module__.startswith("hanse.core.") and not isinstance(value, type):
                found.setdefault(id(value), (each.name, name))
    return found


def _deeply(work: Any) -> Any:
    """Do it with room for a deep graph: in a thread, because only those choose their stack."""
    result: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits
            failure.append(error)

    depth, stack = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(_DEPTH_MAX)
    try:
        thread = threading.Thread(target=run, name="image")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(stack)
        sys.setrecursionlimit(depth)
    if failure:
        raise failure[0]
    return result[0]
