"""Progress of a backup, a restore or an archive, on standard error if that is a terminal."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from premade.postgres.backup.contents import Report


class _FileSize(ProgressColumn):
    """Size of the file that is written, or read."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def render(self, task: Task) -> Text:  # noqa: ARG002  (the file grows between two reports)
        return Text(f"{self._file.stat().st_size / 1e6:,.0f} MB" if self._file.exists() else "")


@contextmanager
def steps(file: Path | None, *, is_quiet: bool) -> Generator[Report]:
    """Yield a function that shows the present step. `file`: the file whose size is shown, if any."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TaskProgressColumn(),
        *([] if file is None else [_FileSize(file)]),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=is_quiet or not console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda step, done, total: progress.update(task, description=step, completed=done, total=total)
