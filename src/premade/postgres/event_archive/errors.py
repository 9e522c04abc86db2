"""The error of the commands of the archive."""

from premade.runtime.errors import CommandError


class ArchiveFailed(CommandError):
    """A command of the archive could not do its work. The text says why, and whether anything was changed."""

    code = "ARCHIVE_FAILED"
