"""Master keys: they seal the secrets that the database must store, so that a copy of the database is not enough (ADR 54)."""

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.secret import Aead

from premade.runtime.errors import CommandError
from premade.runtime.settings import Settings, read_master_key

_FORMAT = b"\x01"
"""The first byte of what is sealed: XChaCha20-Poly1305, after the id of the master key."""
_ID_BYTES = 8
_DERIVED_BYTES = 32


class MasterKeyMissing(CommandError):
    """No master key is configured, or its file cannot be used."""

    code = "MASTER_KEY_MISSING"


class CannotUnseal(Exception):
    """None of the master keys opens this, or it was changed."""


@dataclass(frozen=True)
class MasterKeys:
    """The master keys of this process. The first one seals; the others still open what they have sealed."""

    keys: tuple[bytes, ...] = field(repr=False)

    def seal(self, secret: bytes, subject: str) -> bytes:
        """Encrypt a secret. It can only be opened with the same subject, so nobody can swap two of them."""
        current = self.keys[0]
        encrypted = Aead(current).encrypt(secret, subject.encode())
        return _FORMAT + _id_of(current) + encrypted

    def unseal(self, sealed: bytes, subject: str) -> bytes:
        """Decrypt what `seal` returned.

        Raises:
            CannotUnseal: none of the keys has sealed it, or it was changed.
        """
        key_id, encrypted = sealed[1 : 1 + _ID_BYTES], sealed[1 + _ID_BYTES :]
        key = next((key for key in self.keys if _id_of(key) == key_id), None)
        if sealed[:1] != _FORMAT or key is None:
            raise CannotUnseal
        try:
            return Aead(key).decrypt(encrypted, subject.encode())
        except (CryptoError, ValueError):
            raise CannotUnseal from None

    def derive(self, subject: str) -> bytes:
        """Return 32 bytes that nobody can compute from the subject without the first key. The same subject gives the same."""
        return hashlib.blake2b(
            subject.encode(), key=self.keys[0], digest_size=_DERIVED_BYTES, person=b"premade derived"
        ).digest()

    def is_current(self, sealed: bytes) -> bool:
        """Return whether the first key has sealed it."""
        return sealed[: 1 + _ID_BYTES] == _FORMAT + _id_of(self.keys[0])


def _id_of(key: bytes) -> bytes:
    """Return what identifies a master key and does not reveal it: it has 256 random bits."""
    return hashlib.blake2b(key, digest_size=_ID_BYTES, person=b"premade key id").digest()


def configured_master_keys() -> MasterKeys:
    """Return the master keys of the settings.

    Raises:
        MasterKeyMissing: the file is missing or unreadable, or has something else.
    """
    settings = Settings()
    if settings.master_key is not None:
        return MasterKeys(read_master_key(settings.master_key.get_secret_value()))
    path = settings.master_key_path
    try:
        return MasterKeys(read_master_key(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MasterKeyMissing("no_file", path=path.absolute()) from None
    except OSError as error:
        raise MasterKeyMissing("unreadable", path=path.absolute(), why=error.strerror) from None
    except ValueError:
        raise MasterKeyMissing("wrong", path=path.absolute()) from None


def new_master_key() -> str:
    """Return a random master key as the settings take it."""
    return base64.b64encode(os.urandom(Aead.KEY_SIZE)).decode()


def create_master_key_file() -> Path | None:
    """Create the file of the settings with a new key, which only its owner can read. Return None if there is a key already.

    Raises:
        MasterKeyMissing: the file cannot be created, or no place for it was chosen although the database is a server's.
    """
    settings = Settings()
    path = settings.master_key_path
    if settings.master_key is not None or path.exists():
        return None
    if settings.database_url is not None and not settings.model_fields_set & {"master_key_file", "data_dir"}:
        # The default folder is relative to the working directory. The service, elsewhere, would never find the key.
        raise MasterKeyMissing("not_chosen")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A reader never finds half of it. Of two processes, one creates it.
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f"{path.name}.", encoding="ascii"
        ) as file:
            file.write(f"{new_master_key()}\n")
            file.flush()
            os.fsync(file.fileno())
            _give_to_owner_of(path.parent, file.fileno())
            os.link(file.name, path)
    except FileExistsError:
        return None
    except OSError as error:
        raise MasterKeyMissing("not_created", path=path.absolute(), why=error.strerror) from None
    return path.absolute()


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Give the file to the owner of its folder, if this is root: the service has that user, and must read it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
