"""The repository names no machine on which it was made: no home folder, no address of a package registry."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_A_MACHINE = re.compile(
    rb"(?<![\w$}.])/(root|home|Users|work)/\w|https?://[\w.-]*(pypi|pythonhosted|npmjs|registry)[\w.-]*[:/]"
)
VENDORED = "src/premade/api_docs/static/"
"""Programs of others, as their packages bring them."""


def test_no_committed_file_names_a_folder_or_a_registry_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name and not name.startswith(VENDORED)]
    found = {
        (str(file.relative_to(ROOT)), match[0])
        for file in files
        if file.is_file() and file != Path(__file__)
        for match in OF_A_MACHINE.finditer(file.read_bytes())
    }

    assert len(files) > 900
    assert found == set()
