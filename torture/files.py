"""Files of a run that explain a discrepancy."""

import shutil
from pathlib import Path


def keep_files(folder: Path, to: Path, *patterns: str) -> None:
    """Copy the files of these names into a new folder, instead of those of the run before."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for pattern in patterns:
        for file in folder.glob(pattern):
            shutil.copy(file, to)
