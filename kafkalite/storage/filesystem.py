"""The file system as storage sees it: the only module that opens, writes, syncs, renames, lists and removes files.

`LocalFileSystem` is the operating system's; `MemoryFileSystem` (memory_filesystem) behaves like it. Whoever wants
faults wraps one of them: everything goes through the two protocols below. Paths are strings with `/`; errors are
`OSError`s with the errno that Linux would give.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview


class File(Protocol):
    """An open file. `size` is the end of the data: appends go there, and nobody else writes the file meanwhile.

    A handle that is no longer referenced closes itself, so that a reader in the middle of a transfer keeps its file
    open while the segment is already renamed, removed or closed by its owner; `close` is for those who know better.
    """

    path: str
    size: int

    def append(self, *pieces: Buffer) -> None:
        """Writes the pieces at the end: all of them, or none (then `size` stays as it was)."""

    def pread(self, size: int, position: int) -> bytes:
        """Up to `size` bytes from `position`; fewer only at the end of the file."""

    def pwrite(self, data: Buffer, position: int) -> None: ...

    def truncate(self, size: int) -> None: ...

    def preallocate(self, size: int) -> None:
        """Reserves room up to `size` without moving the end of the data (`File.size`)."""

    def sync(self) -> None:
        """Returns when data and size are on the disk. After an error nothing is known: do not try again."""

    def duplicate(self) -> File:
        """A second handle on the same file, for a worker thread that syncs while the first may be closed."""

    def fileno(self) -> int | None:
        """The descriptor for sendfile, None where there is none."""

    def close(self) -> None: ...


class DirectoryEntry(NamedTuple):
    """What a listing says of one name; `size` and `modified_ms` are those of a file, 0 for a directory."""

    name: str
    is_directory: bool
    size: int
    modified_ms: int


class DirectoryLock(Protocol):
    """A lock file held; gone with the process that holds it."""

    def release(self) -> None: ...


class FileSystem(Protocol):
    """What storage needs of a file system. Nothing is on the disk for certain before `File.sync`, and no name before
    `sync_directory` of its directory."""

    is_durable: bool
    """Whether what is synced outlives the process; where it does not, nobody needs to sync."""

    def absolute_path(self, path: str) -> str:
        """The path as Apache Kafka names directories: from the root on, without `.` and `..`."""

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File: ...

    def read_bytes(self, path: str) -> bytes: ...

    def write_bytes(self, path: str, data: Buffer) -> None:
        """Creates or replaces a file without any promise; see `write_file_atomically` for those that matter."""

    def exists(self, path: str) -> bool: ...

    def is_directory(self, path: str) -> bool: ...

    def list_directory(self, path: str) -> list[str]: ...

    def scan_directory(self, path: str) -> list[DirectoryEntry]: ...

    def modified_ms(self, path: str) -> int: ...

    def make_directories(self, path: str) -> None: ...

    def rename(self, old_path: str, new_path: str) -> None:
        """Replaces a file at `new_path`, as rename(2) does."""

    def remove(self, path: str) -> None: ...

    def remove_tree(self, path: str) -> None: ...

    def sync_directory(self, path: str) -> None: ...

    def sync_volume(self, path: str) -> None:
        """Syncs everything on the volume of a directory: for many files at once, where one by one would take long."""

    def lock(self, path: str) -> DirectoryLock | None:
        """Takes the lock file at `path`; None when another process (or this one) holds it."""

    def space(self, path: str) -> tuple[int, int]:
        """Total and usable bytes of the volume, (-1, -1) where that is unknown."""


def write_file_atomically(filesystem: FileSystem, path: str, data: bytes, *, sync: bool = True) -> None:
    """Replaces a small file so that a crash leaves the old or the new content: write `.tmp`, sync, rename, sync the
    directory. With `sync=False` the order is kept, but not against loss of power."""
    temporary = path + ".tmp"
    if not sync:
        filesystem.write_bytes(temporary, data)
        filesystem.rename(temporary, path)
        return
    file = filesystem.open(temporary, create=True)
    try:
        file.truncate(0)
        file.append(data)
        file.sync()
    finally:
        file.close()
    filesystem.rename(temporary, path)
    filesystem.sync_directory(path.rpartition("/")[0] or ".")


def remove_if_exists(filesystem: FileSystem, path: str) -> bool:
    try:
        filesystem.remove(path)
    except FileNotFoundError:
        return False
    return True


# ---------------------------------------------------------------------------------------------------------------------


def _pwrite_joined(fd: int, buffers: Sequence[Buffer], position: int) -> int:
    return os.pwrite(fd, b"".join(buffers), position)


_pwritev = getattr(os, "pwritev", _pwrite_joined)  # not on every system
_MAX_PIECES = 1024
"""IOV_MAX of Linux."""


class LocalFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "path", "size")

    def __init__(self, fd: int, path: str, size: int) -> None:
        self._fd = fd
        self.path = path
        self.size = size

    def append(self, *pieces: Buffer) -> None:
        size = self.size
        if len(pieces) > _MAX_PIECES:
            pieces = (b"".join(pieces),)
        total = sum(map(len, pieces))
        try:
            if len(pieces) == 1:
                written = os.pwrite(self._fd, pieces[0], size)
            else:
                written = _pwritev(self._fd, pieces, size)
            if written != total:
                self._write_rest(b"".join(pieces), written)
        except OSError:
            self._cut_back(size)
            raise
        self.size = size + total

    def _write_rest(self, data: bytes, written: int) -> None:
        view = memoryview(data)
        while written < len(view):
            written += os.pwrite(self._fd, view[written:], self.size + written)

    def _cut_back(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            pass  # the next append overwrites what is left of this one; recovery cuts it off otherwise

    def pread(self, size: int, position: int) -> bytes:
        data = os.pread(self._fd, size, position)
        missing = size - len(data)
        if missing and position + len(data) < self.size:  # a signal, or more than the 2 GiB of one system call
            parts = [data]
            position += len(data)
            while missing and (data := os.pread(self._fd, missing, position)):
                parts.append(data)
                position += len(data)
                missing -= len(data)
            return b"".join(parts)
        return data

    def pwrite(self, data: Buffer, position: int) -> None:
        view = memoryview(data)
        end = position + len(view)
        while view:
            written = os.pwrite(self._fd, view, position)
            position += written
            view = view[written:]
        self.size = max(self.size, end)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.size = size

    def preallocate(self, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, 0, size)

    def sync(self) -> None:
        os.fsync(self._fd)

    def duplicate(self) -> LocalFile:
        return LocalFile(os.dup(self._fd), self.path, self.size)

    def fileno(self) -> int | None:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class LocalDirectoryLock:
    """An exclusive POSIX record lock on a file, the kind that Java's FileChannel takes, so that Apache Kafka and
    kafkalite exclude each other. Such locks belong to the process, hence the set of paths that this one holds."""

    _held: set[str] = set()
    __slots__ = ("_fd", "_path", "_real_path")

    def __init__(self, fd: int, path: str, real_path: str) -> None:
        self._fd = fd
        self._path = path
        self._real_path = real_path

    @classmethod
    def take(cls, path: str) -> LocalDirectoryLock | None:
        import fcntl

        real_path = os.path.realpath(path)
        if real_path in cls._held:
            return None
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise
        cls._held.add(real_path)
        return cls(fd, path, real_path)

    def release(self) -> None:
        if self._fd < 0:
            return
        try:
            os.unlink(self._path)
        except OSError:
            pass
        os.close(self._fd)
        self._fd = -1
        self._held.discard(self._real_path)


class LocalFileSystem:
    """The operating system's file system."""

    is_durable = True

    def absolute_path(self, path: str) -> str:
        return os.path.abspath(path)

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        flags = os.O_RDONLY if read_only else os.O_RDWR
        if create:
            flags |= os.O_CREAT
        fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
        return LocalFile(fd, path, os.fstat(fd).st_size)

    def read_bytes(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, 1 << 16)
            if len(data) < 1 << 16:
                return data
            parts = [data]
            while data := os.read(fd, 1 << 20):
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(fd)

    def write_bytes(self, path: str, data: Buffer) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def list_directory(self, path: str) -> list[str]:
        return os.listdir(path)

    def scan_directory(self, path: str) -> list[DirectoryEntry]:
        entries = []
        with os.scandir(path) as scan:
            for entry in scan:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue  # removed since the listing began, or a link that leads nowhere
                if stat.S_ISDIR(status.st_mode):
                    entries.append(DirectoryEntry(entry.name, True, 0, 0))
                else:
                    entries.append(DirectoryEntry(entry.name, False, status.st_size, status.st_mtime_ns // 1_000_000))
        return entries

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def make_directories(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def rename(self, old_path: str, new_path: str) -> None:
        os.replace(old_path, new_path)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_tree(self, path: str) -> None:
        if os.path.islink(path):  # which goes itself, as in Apache Kafka; what it leads to is not in this directory
            os.unlink(path)
            return
        import shutil

        shutil.rmtree(path)

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_volume(self, path: str) -> None:
        import ctypes

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if syncfs(fd):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(fd)

    def lock(self, path: str) -> DirectoryLock | None:
        return LocalDirectoryLock.take(path)

    def space(self, path: str) -> tuple[int, int]:
        try:
            status = os.statvfs(path)
        except OSError:
            return -1, -1
        return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
