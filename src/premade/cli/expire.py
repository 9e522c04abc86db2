"""`premade expire`."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.expiry.expire import Pass, expire_now
from premade.texts.commands import command_text


def expire(*, as_json: AsJson = False) -> None:
    """Expire unsold tickets after their last day of sale."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
    console = Console(stderr=True)
    is_quiet = as_json or not console.is_terminal
    with Progress(*columns, console=console, disable=is_quiet, transient=True) as progress:
        task = progress.add_task("Looking", total=None)

        def report(so_far: Pass) -> None:
            progress.update(
                task,
                description=command_text("PROGRESS", "expired", tickets=so_far.expired),
                completed=so_far.ended,
                total=so_far.due,
            )

        expired = operate(lambda database, runtime: expire_now(database, runtime, report))
    show_one(
        {"tickets": expired.expired, "batches": expired.ended, "batches_in_use": expired.due}, as_json=as_json
    )
