"""The file of a month: JSON lines, compressed in blocks. Each block has a filter of the values in it.

A block is a member of a gzip file (RFC 1952), so `zcat` reads the whole file. The header of a member has an extra field `PM`.
This field has the size of the compressed data (4 bytes, little endian) and a Bloom filter. A search reads the headers, and
decompresses only blocks whose filter may have the value.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO

from premade.postgres.event_archive.errors import ArchiveFailed

BLOCK_LINES = 4_000
LEVEL = 6
"""Of zlib. Level 9 takes three times the time for 3 % less (ADR 48)."""
_BITS_PER_VALUE, _PROBES = 10, 7
"""Of the Bloom filter. About one in a hundred values that are not in the block matches."""
_HEAD = struct.Struct("<4sIBBH")
"""Magic number, method and flags; time; extra flags; operating system; length of the extra field."""
_FLAGS = b"\x1f\x8b\x08\x04"
_UNKNOWN_SYSTEM = 255
_FIELD = struct.Struct("<2sHI")
"""Name and length of the extra field, and the size of the compressed data."""
_NAME = b"PM"
_TAIL = struct.Struct("<II")
"""Checksum and size of the lines."""
_RAW_DEFLATE = -zlib.MAX_WBITS
_FILTER_BYTES_MAX = 2**16 - 1 - _FIELD.size
_HASHES = struct.Struct("<QQ")


class Filter:
    """A Bloom filter: it knows for certain which values a block does not have."""

    def __init__(self, filter_bytes: bytes | bytearray) -> None:
        self.bytes = filter_bytes

    @classmethod
    def of(cls, values: set[bytes]) -> "Filter":
        """Return the filter of these values."""
        size = min((len(values) * _BITS_PER_VALUE + 7) // 8 or 1, _FILTER_BYTES_MAX)
        built = cls(bytearray(size))
        for value in values:
            for bit in built.bits_of(value):
                built.bytes[bit >> 3] |= 1 << (bit & 7)  # pyright: ignore[reportIndexIssue]  (a bytearray here)
        return built

    def bits_of(self, value: bytes) -> list[int]:
        """Return the numbers of the bits that stand for a value."""
        first, step = _HASHES.unpack(blake2b(value, digest_size=_HASHES.size).digest())
        bits = len(self.bytes) * 8
        return [(first + probe * step) % bits for probe in range(_PROBES)]

    def may_have(self, value: bytes) -> bool:
        """Return False only if the block certainly does not have the value."""
        return all(self.bytes[bit >> 3] & 1 << (bit & 7) for bit in self.bits_of(value))


@dataclass(frozen=True)
class LinesWritten:
    """Numbers and digest of the lines of a file."""

    lines: int
    blocks: int
    lines_bytes: int
    """Size of the lines, with line breaks."""
    lines_sha256: str


class BlockWriter:
    """Writes lines into a file. At most one block is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._values: set[bytes] = set()
        self._digest = sha256()
        self._count = self._blocks = self._bytes = 0

    def add(self, line: bytes, values: Iterable[bytes]) -> None:
        """Add a line, given without its line break. `values`: what a search can find it by."""
        self._lines.append(line)
        self._values.update(values)
        if len(self._lines) == BLOCK_LINES:
            self._write_block()

    def finish(self) -> LinesWritten:
        """Write the rest, and return what was written."""
        # A file without a member is no gzip file.
        if self._lines or not self._blocks:
            self._write_block()
        return LinesWritten(self._count, self._blocks, self._bytes, self._digest.hexdigest())

    def _write_block(self) -> None:
        text = b"".join(line + b"\n" for line in self._lines)
        compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
        data = compressor.compress(text) + compressor.flush()
        filter_bytes = Filter.of(self._values).bytes
        self._file.write(_HEAD.pack(_FLAGS, 0, 0, _UNKNOWN_SYSTEM, _FIELD.size + len(filter_bytes)))
        self._file.write(_FIELD.pack(_NAME, _FIELD.size - 4 + len(filter_bytes), len(data)))
        self._file.write(filter_bytes)
        self._file.write(data)
        self._file.write(_TAIL.pack(zlib.crc32(text), len(text)))
        self._digest.update(text)
        self._count += len(self._lines)
        self._blocks += 1
        self._bytes += len(text)
        self._lines, self._values = [], set()


@dataclass
class BlocksRead:
    """Number of blocks that a reader has read."""

    blocks: int = 0
    """Blocks whose header was read."""
    decompressed: int = 0


def lines_of(path: Path, values: Iterable[bytes] = (), read: BlocksRead | None = None) -> Iterator[bytes]:
    """Yield the lines of a file, without line breaks: all, or those of the blocks that may have all these values.

    Raises:
        ArchiveFailed: the file is damaged or incomplete, or `premade archive` did not write it.
    """
    searched = list(values)
    read = read or BlocksRead()
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(0)
        while head := file.read(_HEAD.size):
            try:
                flags, _, _, _, extra = _HEAD.unpack(head)
                name, _, size = _FIELD.unpack(file.read(_FIELD.size))
            except struct.error:
                raise ArchiveFailed("file_damaged", path=path) from None
            filter_bytes = file.read(extra - _FIELD.size)
            is_whole = file.tell() + size + _TAIL.size <= file_bytes
            if (flags, name, is_whole) != (_FLAGS, _NAME, True) or not filter_bytes:
                raise ArchiveFailed("file_damaged", path=path)
            read.blocks += 1
            block_filter = Filter(filter_bytes)
            if not all(map(block_filter.may_have, searched)):
                file.seek(size + _TAIL.size, 1)
                continue
            read.decompressed += 1
            yield from _text_of(path, file.read(size), file.read(_TAIL.size)).splitlines()


def _text_of(path: Path, data: bytes, tail: bytes) -> bytes:
    try:
        text = zlib.decompress(data, _RAW_DEFLATE)
        is_sound = _TAIL.unpack(tail) == (zlib.crc32(text), len(text))
    except (zlib.error, struct.error):
        is_sound = False
        text = b""
    if not is_sound:
        raise ArchiveFailed("file_damaged", path=path)
    return text
