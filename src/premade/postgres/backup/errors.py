"""Errors of backups and restores."""

from premade.runtime.errors import CommandError


class ProgramUnusable(CommandError):
    """No installed pg_dump or pg_restore fits the server, or one of them failed."""

    code = "PROGRAM_UNUSABLE"


class BackupFailed(CommandError):
    """There is no backup. No file was left."""

    code = "BACKUP_FAILED"


class RestoreFailed(CommandError):
    """The backup was not restored."""

    code = "RESTORE_FAILED"
