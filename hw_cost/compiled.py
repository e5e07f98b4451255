"""Compiled functions: how the inner loops are compiled, and a cache that is safe across files.

Numba compiles into a function whatever it calls and keeps the result on disk, until the function's
own file changes: a change of a callee, a constant or a named tuple in another file goes unseen. So
what is kept here bears a digest of all files that compiled functions see, and a change of any of
them compiles all anew. Where it is kept (beside the module, else a folder of the user's, or
``NUMBA_CACHE_DIR``) is left to numba.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.extending import is_jitted

SOURCES = (
    "attention.py",
    "chip.py",
    "compiled.py",
    "execution.py",
    "gemm.py",
    "gemm_costs.py",
    "layer_mapping.py",
    "parts.py",
    "sentence.py",
    "special_functions.py",
    "stage_mapping.py",
    "work.py",
)
"""Files of the room with compiled functions, or with constants and named tuples that they read."""

F = TypeVar("F", bound=Callable[..., Any])


class Compiler:
    """Compiles functions of some files, which may call each other across them.

    Attributes:
        files: what the compiled functions see of Python source.
        digest: of the contents of the files when this was made.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        """Read the files: make this before they are imported."""
        self.files = tuple(files)
        contents = sha256()
        for file in self.files:
            contents.update(sha256(file.read_bytes()).digest())
        self.digest = contents.hexdigest()[:16]

    def __call__(
        self, *, inline: Literal["never", "always"] = "never", nogil: bool = False
    ) -> Callable[[F], Dispatcher[F]]:
        """A decorator that compiles a function at its first call, or loads it from disk.

        Divisions by zero are as in NumPy: infinite or NaN.

        Args:
            inline: "always" puts the function's body into its callers, where handing over its
                arguments would cost more than its work.
            nogil: whether other threads run meanwhile.

        Raises:
            ValueError: the function's file is not among `files`.
        """

        def decorated(function: F) -> Dispatcher[F]:
            file = Path(inspect.getfile(function))
            if file.name not in {known.name for known in self.files}:
                raise ValueError(
                    f"{file} has a compiled function, {function.__name__}, but is not among the "
                    "files whose change compiles anew: add it to them (hw_cost.compiled.SOURCES)."
                )
            dispatcher = njit(error_model="numpy", inline=inline, nogil=nogil)(function)
            if is_jitted(dispatcher):  # a plain function where NUMBA_DISABLE_JIT is set
                cache = _DigestedCache(function, self.digest)
                dispatcher._cache = cache  # type: ignore[attr-defined]  # no public way
            return dispatcher

        return decorated


class _DigestedCache(FunctionCache):
    """Numba's cache of one function, in files that bear a digest.

    Processes with other sources so never write to the same files. Saving removes the files that the
    function left under other digests; a process that misses them compiles.
    """

    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]  # numba's caching has no types
        self._plain_name: str = self._impl.filename_base
        self._digested_name = f"{self._plain_name}-{digest}"
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]  # as above
            cache_path=self.cache_path, filename_base=self._digested_name, source_stamp=digest
        )

    def save_overload(self, sig: object, data: object) -> None:
        """Save what was compiled for the types of ``sig``."""
        super().save_overload(sig, data)  # type: ignore[no-untyped-call]  # as above
        for path in Path(self.cache_path).glob(f"{self._plain_name}-*.nb[ci]"):
            if not path.name.startswith(f"{self._digested_name}."):
                with suppress(OSError):
                    path.unlink()


compiled = Compiler(Path(__file__).with_name(name) for name in SOURCES)
"""Compiles functions of this room; in front of a function, ``@compiled()``."""
