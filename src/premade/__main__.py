"""The command `premade`, and `python -m premade`."""


def main() -> None:
    """Run the command."""
    # Each worker imports this module again (multiprocessing), but needs nothing of the command.
    from premade.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
