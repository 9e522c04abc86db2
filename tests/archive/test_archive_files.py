"""The files of the archive: `zcat` reads them, a search decompresses few blocks, and damage is noticed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.old_months import KEPT, OLD, OLDEST, archive, old_shop
from support.shop import Shop
from support.terminal import Operator

from premade.postgres.event_archive.block_file import BLOCK_LINES, BlocksRead, BlockWriter, lines_of
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.manifest import events_path, manifest_path

LINES = [f'{{"event_id": {number}}}'.encode() for number in range(2 * BLOCK_LINES + 1)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl.gz"
    with path.open("wb") as opened:
        writer = BlockWriter(opened)
        for number, line in enumerate(LINES):
            writer.add(line, [f"ticket={number}".encode(), b"partner=1"])
        written = writer.finish()
    assert (written.lines, written.blocks) == (len(LINES), 3)
    return path


def test_zcat_reads_the_file(file: Path) -> None:
    read = subprocess.run(["zcat", str(file)], capture_output=True, check=True).stdout

    assert read.splitlines() == LINES == list(lines_of(file))


def test_a_search_decompresses_only_the_blocks_that_may_have_the_value(file: Path) -> None:
    blocks = {}
    for number in (0, BLOCK_LINES, 2 * BLOCK_LINES):
        read = BlocksRead()
        assert LINES[number] in list(lines_of(file, [f"ticket={number}".encode()], read))
        blocks[number] = (read.blocks, read.decompressed)
    everywhere, nowhere = BlocksRead(), BlocksRead()
    assert list(lines_of(file, [b"partner=1"], everywhere)) == LINES
    assert list(lines_of(file, [b"partner=2"], nowhere)) == []

    assert set(blocks.values()) == {(3, 1)}
    assert (everywhere.decompressed, nowhere.decompressed) == (3, 0)


def test_the_filter_has_few_false_matches(file: Path) -> None:
    reads = [BlocksRead() for _ in range(300)]
    for number, read in enumerate(reads):
        assert list(lines_of(file, [f"ticket=x{number}".encode()], read)) is not None

    assert sum(read.decompressed for read in reads) < 0.04 * sum(read.blocks for read in reads)


@pytest.mark.parametrize("damage", ["shorter", "changed", "no gzip", "no filter"])
def test_a_damaged_file_is_noticed(file: Path, damage: str) -> None:
    content = bytearray(file.read_bytes())
    if damage == "shorter":
        del content[-5:]
    elif damage == "changed":
        content[len(content) // 2] ^= 1
    elif damage == "no gzip":
        content[:4] = b"text"
    else:
        # The length of the extra field, which then has no room for a filter.
        content[10:12] = (8).to_bytes(2, "little")
    file.write_bytes(content)

    with pytest.raises(ArchiveFailed, match="damaged"):
        list(lines_of(file))
    if damage != "changed":
        # Also by a search that skips every block.
        with pytest.raises(ArchiveFailed, match="damaged"):
            list(lines_of(file, [b"nowhere"]))


@pytest.fixture(scope="module")
def shop(dsn: str) -> Iterator[Shop]:
    with old_shop(dsn) as (shop, _, _):
        yield shop


@pytest.fixture(scope="module")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    archive(shop, folder)
    return folder


@pytest.mark.nightly
def test_only_their_owner_can_read_the_files(folder: Path) -> None:
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.nightly
def test_verification(shop: Shop, folder: Path, tmp_path: Path) -> None:
    operator = Operator(shop.dsn)

    def results() -> list[str]:
        done = operator.run("archive", "verify", "--from", str(tmp_path), "--json")
        found = [row["result"] for row in json.loads(done.stdout)]
        assert done.returncode == (0 if set(found) == {"ok"} else 1)
        return found

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert results() == ["ok", "ok"]
    path = events_path(tmp_path, OLD)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert "damaged" in results()[1]
    path.write_bytes(sound)
    manifest = json.loads(manifest_path(tmp_path, OLD).read_bytes())
    manifest_path(tmp_path, OLD).write_text(json.dumps({**manifest, "rows": manifest["rows"] + 1}))
    assert "damaged" in results()[1]
    for other in (events_path, manifest_path):
        other(tmp_path, OLD).unlink()
    assert "There is no" in results()[1]
    assert operator.does("archive", "list", "--from", str(tmp_path))[1]["place"] == "missing"
    refusal = operator.is_refused("archive", "restore", str(OLD), "--from", str(tmp_path))
    assert f"There is no {manifest_path(tmp_path, OLD)}" in refusal


@pytest.mark.nightly
def test_a_list_says_which_files_are_not_sound(shop: Shop, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    # The database does not know this month.
    events_path(tmp_path, KEPT).touch()
    manifest_path(tmp_path, OLD).write_text("{}")
    (tmp_path / "premade-events-2025-13.jsonl.gz").touch()

    months = Operator(shop.dsn).does("archive", "list", "--from", str(tmp_path))

    assert [row["month"] for row in months] == [str(OLDEST), str(OLD), str(KEPT)]
    assert months[0]["fault"] is None
    assert "is not the manifest" in months[1]["fault"]
    assert (months[2]["events"], months[2]["fault"][:11]) == (None, "There is no")


@pytest.mark.nightly
def test_the_file_of_another_database_is_not_restored(
    shop: Shop, folder: Path, dsn: str, tmp_path: Path
) -> None:
    with old_shop(dsn) as (other, _, _):
        archive(other, tmp_path)

        refusal = Operator(other.dsn).is_refused("archive", "restore", str(OLD), "--from", str(folder))

    assert "than those that were archived from this database" in refusal
    assert OLDEST < KEPT
