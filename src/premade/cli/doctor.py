"""`premade doctor`."""

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from premade.cli.output import AsJson, print_json
from premade.doctor.check import Mark
from premade.doctor.examine import Line, examine, worst
from premade.postgres.statements import columns_of
from premade.runtime.logging import log_warnings_only

_STYLES = {Mark.OK: "green", Mark.UNCHECKED: "dim", Mark.WARNING: "yellow", Mark.WRONG: "bold red"}


def doctor(*, as_json: AsJson = False) -> None:
    """Check this installation. The exit code is 1 if anything is wrong."""
    log_warnings_only()
    lines = examine()
    if as_json:
        print_json({"mark": worst(lines), "checks": [columns_of(line) for line in lines]})
    else:
        Console().print(_table(lines))
    if worst(lines) is Mark.WRONG:
        raise typer.Exit(1)


def _table(lines: list[Line]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(Text(line.mark, _STYLES[line.mark]), Text(line.check), Text(_sentences(line)))
    return table


def _sentences(line: Line) -> str:
    remedy = [] if line.remedy is None else [f"→ {line.remedy}"]
    facts = [f"{name}: {value}" for name, value in line.facts.items()]
    return "\n".join([line.text, *remedy, *facts])
