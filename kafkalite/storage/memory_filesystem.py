"""A file system in memory with the behaviour of the local one: for the broker inside a test suite, and for tests."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

from kafkalite.storage.filesystem import Buffer, DirectoryEntry, DirectoryLock, File, remove_if_exists


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


class _MemoryContent:
    """What an inode is: it outlives its name as long as a handle is open."""

    __slots__ = ("data", "modified_ms")

    def __init__(self, modified_ms: int) -> None:
        self.data = bytearray()
        self.modified_ms = modified_ms


class MemoryFile:
    """A handle on a file in memory."""

    __slots__ = ("_clock_ms", "_content", "_is_read_only", "path", "size")

    def __init__(self, content: _MemoryContent, path: str, is_read_only: bool, clock_ms: Callable[[], int]) -> None:
        self._content = content
        self._is_read_only = is_read_only
        self._clock_ms = clock_ms
        self.path = path
        self.size = len(content.data)

    def append(self, *pieces: Buffer) -> None:
        self._begin_write()
        content = self._content.data
        if len(content) != self.size:
            del content[self.size :]
        for piece in pieces:
            content += piece
        self.size = len(content)

    def _begin_write(self) -> None:
        if self._is_read_only:
            raise _error(errno.EBADF, self.path)
        self._content.modified_ms = self._clock_ms()

    def pread(self, size: int, position: int) -> bytes:
        with memoryview(self._content.data) as view:
            return bytes(view[position : position + size])

    def pwrite(self, data: Buffer, position: int) -> None:
        self._begin_write()
        content = self._content.data
        if position > len(content):
            content += bytes(position - len(content))
        content[position : position + len(data)] = data
        self.size = max(self.size, position + len(data))

    def truncate(self, size: int) -> None:
        self._begin_write()
        data = self._content.data
        if size < len(data):
            del data[size:]
        else:
            data += bytes(size - len(data))
        self.size = size

    def preallocate(self, size: int) -> None:
        pass

    def sync(self) -> None:
        pass

    def duplicate(self) -> MemoryFile:
        return MemoryFile(self._content, self.path, self._is_read_only, self._clock_ms)

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        pass


class MemoryDirectoryLock:
    __slots__ = ("_filesystem", "_path")

    def __init__(self, filesystem: MemoryFileSystem, path: str) -> None:
        self._filesystem = filesystem
        self._path = path

    def release(self) -> None:
        if self._path in self._filesystem.held_locks:
            self._filesystem.held_locks.discard(self._path)
            remove_if_exists(self._filesystem, self._path)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class MemoryFileSystem:
    """A file system in memory with the behaviour of the local one; `clock_ms` stamps the files."""

    is_durable = False

    def __init__(self, clock_ms: Callable[[], int] = _wall_clock_ms) -> None:
        self._clock_ms = clock_ms
        self._directories: dict[str, dict[str, _MemoryContent | None]] = {"/": {}}  # None: a directory of its own
        self.held_locks: set[str] = set()

    def absolute_path(self, path: str) -> str:
        return os.path.normpath("/" + path)

    def _split(self, path: str) -> tuple[dict[str, _MemoryContent | None], str]:
        parent, _, name = path.rpartition("/")
        children = self._directories.get(parent or "/")
        if children is None:
            raise _error(errno.ENOENT, path)
        return children, name

    def _content(self, path: str) -> _MemoryContent:
        children, name = self._split(path)
        if name not in children:
            raise _error(errno.ENOENT, path)
        content = children[name]
        if content is None:
            raise _error(errno.EISDIR, path)
        return content

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        if create:
            children, name = self._split(path)
            if name not in children:
                children[name] = _MemoryContent(self._clock_ms())
        return MemoryFile(self._content(path), path, read_only, self._clock_ms)

    def read_bytes(self, path: str) -> bytes:
        return bytes(self._content(path).data)

    def write_bytes(self, path: str, data: Buffer) -> None:
        file = self.open(path, create=True)
        file.truncate(0)
        file.append(data)

    def exists(self, path: str) -> bool:
        if path in self._directories:
            return True
        parent, _, name = path.rpartition("/")
        return name in self._directories.get(parent or "/", ())

    def is_directory(self, path: str) -> bool:
        return path in self._directories

    def _children(self, path: str) -> dict[str, _MemoryContent | None]:
        children = self._directories.get(path)
        if children is None:
            raise _error(errno.ENOTDIR if self.exists(path) else errno.ENOENT, path)
        return children

    def list_directory(self, path: str) -> list[str]:
        return list(self._children(path))

    def scan_directory(self, path: str) -> list[DirectoryEntry]:
        return [
            DirectoryEntry(name, True, 0, 0)
            if content is None
            else DirectoryEntry(name, False, len(content.data), content.modified_ms)
            for name, content in self._children(path).items()
        ]

    def modified_ms(self, path: str) -> int:
        return self._content(path).modified_ms

    def make_directories(self, path: str) -> None:
        if path in self._directories:
            return
        parent, _, name = path.rpartition("/")
        self.make_directories(parent or "/")
        children = self._directories[parent or "/"]
        if name in children:
            raise _error(errno.EEXIST, path)
        children[name] = None
        self._directories[path] = {}

    def rename(self, old_path: str, new_path: str) -> None:
        old_children, old_name = self._split(old_path)
        new_children, new_name = self._split(new_path)
        if old_name not in old_children:
            raise _error(errno.ENOENT, old_path)
        content = old_children[old_name]
        if content is None:
            if self._directories.get(new_path):
                raise _error(errno.ENOTEMPTY, new_path)
            if new_name in new_children and new_children[new_name] is not None:
                raise _error(errno.ENOTDIR, new_path)
            moved = [path for path in self._directories if path == old_path or path.startswith(old_path + "/")]
            for path in moved:
                self._directories[new_path + path[len(old_path) :]] = self._directories.pop(path)
        elif new_path in self._directories:
            raise _error(errno.EISDIR, new_path)
        del old_children[old_name]
        new_children[new_name] = content

    def remove(self, path: str) -> None:
        self._content(path)
        children, name = self._split(path)
        del children[name]

    def remove_tree(self, path: str) -> None:
        self._children(path)
        for name in [name for name in self._directories if name == path or name.startswith(path + "/")]:
            del self._directories[name]
        children, name = self._split(path)
        del children[name]

    def sync_directory(self, path: str) -> None:
        self._children(path)

    def sync_volume(self, path: str) -> None:
        self._children(path)

    def lock(self, path: str) -> DirectoryLock | None:
        if path in self.held_locks:
            return None
        self.open(path, create=True)
        self.held_locks.add(path)
        return MemoryDirectoryLock(self, path)

    def space(self, path: str) -> tuple[int, int]:
        return -1, -1
