"""Programs that packages put beside the Python interpreter."""

import sys
import sysconfig
from pathlib import Path

from local.embedded.component import PreparationError


def script(name: str) -> Path:
    """The program of that name.

    Raises:
        PreparationError: no package installed it.
    """
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / name).is_file():
            return folder / name
    raise PreparationError(f"{name} is not installed beside {sys.executable}")
