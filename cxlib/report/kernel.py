"""A kernel that is this Python and nobody's settings: what a report's notebook runs in."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

#: Longest path of a Unix socket that every system takes, less what a kernel's own name needs.
_SOCKET_ROOM = 100 - len("/runtime/kernel-00000000-0000-0000-0000-000000000000-ipc-5")

#: Settings of a person's shell that could change a result or a page.
_PERSONAL = (
    "IPYTHONDIR",
    "JUPYTER_PATH",
    "MPLBACKEND",
    "PYTHONHASHSEED",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
)
_THREADS = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def environment(private: Path) -> dict[str, str | None]:
    """What to set (or, ``None``, to unset) so that a kernel finds no settings but its own.

    Parameters
    ----------
    private : Path
        An empty folder for IPython's and Jupyter's files, as short a path as can be.
    """
    changes: dict[str, str | None] = dict.fromkeys(_PERSONAL)
    changes |= dict.fromkeys(_THREADS, "1")
    changes |= {
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "0",
    }
    return changes


def apply(changes: dict[str, str | None]) -> None:
    """Set and unset variables of this process."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class PrivateKernelManager(AsyncKernelManager):
    """A kernel manager that looks up no kernelspec: the kernel is the Python that runs the report.

    On systems with Unix sockets the kernel is reached through files of a private folder, so that
    kernels started at once cannot take each other's ports.
    """

    @property
    def kernel_spec(self) -> KernelSpec:
        if self._kernel_spec is None:
            self._kernel_spec = KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )
        return self._kernel_spec

    @default("transport")
    def _transport(self) -> str:
        runtime = os.environ.get("JUPYTER_RUNTIME_DIR", "")
        short = runtime and len(str(Path(runtime).parent)) <= _SOCKET_ROOM
        return "ipc" if os.name == "posix" and short else "tcp"

    async def start_kernel(self, **kw: Any) -> None:
        """Start it; what it writes outside of its cells goes to a file in the private folder."""
        runtime = Path(os.environ.get("JUPYTER_RUNTIME_DIR", "."))
        if runtime.is_dir():
            name = f"kernel-{uuid.uuid4()}"
            self.connection_file = str(runtime / f"{name}.json")
            if self.transport == "ipc":
                # The default is one name for all kernels that start in the same folder.
                self.ip = str(runtime / f"{name}-ipc")
            with (runtime / f"log-{os.getpid()}").open("wb") as log:
                await super().start_kernel(stdout=log, stderr=log, **kw)
        else:
            await super().start_kernel(**kw)
