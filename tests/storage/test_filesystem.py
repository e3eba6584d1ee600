"""Both file systems behave alike, and the local one keeps an append whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kafkalite.storage import filesystem as filesystem_module
from kafkalite.storage.filesystem import (
    FileSystem,
    LocalFileSystem,
    remove_if_exists,
    write_file_atomically,
)
from kafkalite.storage.memory_filesystem import MemoryFileSystem


@pytest.fixture(params=["memory", "local"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[FileSystem, str]:
    if request.param == "memory":
        filesystem = MemoryFileSystem()
        filesystem.make_directories("/root")
        return filesystem, "/root"
    return LocalFileSystem(), str(tmp_path)


def test_a_file_appends_reads_truncates_and_reports_its_size(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    file = filesystem.open(f"{path}/f", create=True)
    file.append(b"abc", memoryview(b"def"))
    file.append(b"")
    file.append(b"ghi")
    assert (file.size, file.pread(4, 2), file.pread(100, 7), file.pread(5, 50)) == (9, b"cdef", b"hi", b"")
    file.truncate(5)
    file.append(b"Z")
    file.pwrite(b"Y", 0)
    assert filesystem.read_bytes(f"{path}/f") == b"YbcdeZ"
    assert filesystem.open(f"{path}/f").size == 6


def test_a_handle_outlives_the_name_of_its_file(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    file = filesystem.open(f"{path}/f", create=True)
    file.append(b"abc")
    filesystem.rename(f"{path}/f", f"{path}/g")
    assert file.pread(3, 0) == b"abc"
    copy = file.duplicate()
    file.close()
    filesystem.remove(f"{path}/g")
    assert copy.pread(3, 0) == b"abc"
    assert filesystem.list_directory(path) == []


def test_what_is_reserved_is_no_data(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    file = filesystem.open(f"{path}/f", create=True)
    file.preallocate(1000)
    file.append(b"abc")
    assert file.size == 3
    file.truncate(file.size)
    assert filesystem.read_bytes(f"{path}/f") == b"abc"


def test_missing_and_wrong_paths_raise_what_the_operating_system_raises(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    filesystem.make_directories(f"{path}/d/e")
    filesystem.write_bytes(f"{path}/d/f", b"x")
    for call, error in (
        (lambda: filesystem.open(f"{path}/none"), errno.ENOENT),
        (lambda: filesystem.open(f"{path}/none/f", create=True), errno.ENOENT),
        (lambda: filesystem.read_bytes(f"{path}/none"), errno.ENOENT),
        (lambda: filesystem.remove(f"{path}/none"), errno.ENOENT),
        (lambda: filesystem.rename(f"{path}/none", f"{path}/x"), errno.ENOENT),
        (lambda: filesystem.list_directory(f"{path}/none"), errno.ENOENT),
        (lambda: filesystem.list_directory(f"{path}/d/f"), errno.ENOTDIR),
        (lambda: filesystem.remove(f"{path}/d"), errno.EISDIR),
        (lambda: filesystem.rename(f"{path}/d/f", f"{path}/d/e"), errno.EISDIR),
        (lambda: filesystem.rename(f"{path}/d/e", f"{path}/d/f"), errno.ENOTDIR),
        (lambda: filesystem.sync_directory(f"{path}/none"), errno.ENOENT),
    ):
        with pytest.raises(OSError) as raised:
            call()
        assert raised.value.errno == error
    assert not remove_if_exists(filesystem, f"{path}/none")


def test_a_directory_is_renamed_with_all_that_is_in_it(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    filesystem.make_directories(f"{path}/a/b")
    filesystem.make_directories(f"{path}/a/b")
    filesystem.write_bytes(f"{path}/a/b/f", b"x")
    filesystem.rename(f"{path}/a", f"{path}/c")
    assert filesystem.read_bytes(f"{path}/c/b/f") == b"x"
    assert not filesystem.exists(f"{path}/a") and filesystem.is_directory(f"{path}/c/b")
    assert [(entry.name, entry.is_directory) for entry in filesystem.scan_directory(f"{path}/c")] == [("b", True)]
    assert [entry[:3] for entry in filesystem.scan_directory(f"{path}/c/b")] == [("f", False, 1)]
    filesystem.remove_tree(f"{path}/c")
    assert filesystem.list_directory(path) == []


def test_a_small_file_is_replaced_whole(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    for content in (b"first and longer", b"second"):
        write_file_atomically(filesystem, f"{path}/f", content)
        assert filesystem.read_bytes(f"{path}/f") == content
    write_file_atomically(filesystem, f"{path}/f", b"third", sync=False)
    assert filesystem.read_bytes(f"{path}/f") == b"third"
    assert filesystem.list_directory(path) == ["f"]


def test_a_lock_is_held_once_and_leaves_no_file(root: tuple[FileSystem, str]) -> None:
    filesystem, path = root
    lock = filesystem.lock(f"{path}/.lock")
    assert lock is not None
    assert filesystem.lock(f"{path}/.lock") is None
    lock.release()
    assert filesystem.list_directory(path) == []
    again = filesystem.lock(f"{path}/.lock")
    assert again is not None
    again.release()


def test_a_lock_holds_against_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from kafkalite.storage.filesystem import LocalFileSystem; "
        "print(LocalFileSystem().lock(sys.argv[1]) is None)"
    )
    lock = LocalFileSystem().lock(str(tmp_path / ".lock"))
    assert lock is not None
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / ".lock")], capture_output=True, text=True)
    assert found.stdout == "True\n", found.stderr
    lock.release()


def test_an_append_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LocalFileSystem().open(str(tmp_path / "f"), create=True)
    file.append(b"before")
    real = os.pwritev

    def short(fd: int, buffers: Sequence[bytes], position: int) -> int:
        return real(fd, [b"".join(buffers)[:3]], position)

    def full(fd: int, data: Sequence[bytes], position: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(filesystem_module, "_pwritev", short)
    file.append(b"one ", b"two")
    assert (tmp_path / "f").read_bytes() == b"beforeone two"
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        file.append(b"three ", b"four")
    assert (tmp_path / "f").read_bytes() == b"beforeone two"
    assert file.size == 13


def test_descriptors_close_when_nobody_holds_them(tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_descriptors()
    files = [LocalFileSystem().open(str(tmp_path / str(number)), create=True) for number in range(50)]
    assert open_descriptors() == before + 50
    del files
    assert open_descriptors() == before


def test_a_link_to_a_directory_is_removed_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"data")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    LocalFileSystem().remove_tree(str(tmp_path / "link"))
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_bytes() == b"data"
