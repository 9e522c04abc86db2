"""Files that get their names only when they are complete."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from premade.runtime.errors import DomainError, FieldError, Invalid
from premade.texts.fields import field_text


@dataclass(eq=False)
class OutputNotWritten(DomainError):
    """The disk is full, or the path of the output cannot be written."""

    code = "OUTPUT_NOT_WRITTEN"

    path: Path
    why: str


class AtomicFiles:
    """Write files under hidden temporary names in the target folder, and rename them together at the end.

    After an error or Ctrl-C no file is left.
    """

    def __init__(self, output: Path) -> None:
        # Replace the target of a symbolic link, not the link.
        self._output = output.resolve() if output.is_symlink() else output
        self._parts: list[BinaryIO] = []

    def __enter__(self) -> Self:
        return self

    def begin(self) -> BinaryIO:
        """Return the next file. Raises Invalid if the folder cannot be written."""
        place = self._output.parent
        if self._output.is_dir():
            raise Invalid([FieldError("output", field_text("option.output_is_folder", path=self._output))])
        if self._output.exists() and not self._output.is_file():
            raise Invalid([FieldError("output", field_text("option.output_not_replaced", path=self._output))])
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self._output.name}.", suffix=".part", dir=place)
        except OSError as error:
            text = field_text("option.output_not_written", path=place, why=error.strerror)
            raise Invalid([FieldError("output", text)]) from None
        part = Path(name).open("wb")  # noqa: SIM115  (closed at the end)
        os.close(descriptor)
        self._parts.append(part)
        return part

    def finish(self) -> list[Path]:
        """Rename the files to the output name, or to several numbered names. Existing files are replaced."""
        for part in self._parts:
            part.flush()
            os.fsync(part.fileno())
            part.close()
        names = self._names()
        for part, name in zip(self._parts, names, strict=True):
            # Only its owner can read the new file, even if others could read the replaced one: exports contain QRs, which
            # open gates.
            Path(part.name).replace(name)
        self._parts = []
        _sync_folder(self._output.parent)
        return names

    def _names(self) -> list[Path]:
        if len(self._parts) == 1:
            return [self._output]
        stem, suffix = self._output.stem, self._output.suffix
        return [self._output.with_name(f"{stem}-{number + 1}{suffix}") for number in range(len(self._parts))]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts:
            with suppress(OSError):
                part.close()
            Path(part.name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputNotWritten(self._output, error.strerror or str(error)) from None


def _sync_folder(folder: Path) -> None:
    """Write the names of new files to the disk: without it, a power failure can undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
