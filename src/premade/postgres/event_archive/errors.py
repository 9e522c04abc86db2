"""Errors of the archive."""

from premade.runtime.errors import CommandError


class ArchiveFailed(CommandError):
    """The command did not do what it should. The text says what was changed."""

    code = "ARCHIVE_FAILED"
