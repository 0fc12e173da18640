"""New files only: complete or absent, never overwritten, keys readable by one user."""

import os
from collections.abc import Iterable
from pathlib import Path

from certs.errors import FileInTheWay

KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644


def refuse_to_overwrite(paths: Iterable[Path]) -> None:
    """Raise FileInTheWay, naming every path that exists."""
    found = [str(path) for path in paths if os.path.lexists(path)]
    if found:
        raise FileInTheWay(
            f"expected no file yet at {', '.join(found)}; nothing was written. Move what is there "
            "out of the way, or choose another folder"
        )


def write_pair(key: Path, key_bytes: bytes, certificate: Path, certificate_bytes: bytes) -> None:
    """Write a key and its certificate: both or neither, unless the machine stops in between."""
    refuse_to_overwrite([key, certificate])
    key.parent.mkdir(parents=True, exist_ok=True)
    write_new(key, key_bytes, mode=KEY_MODE)
    try:
        write_new(certificate, certificate_bytes, mode=CERTIFICATE_MODE)
    except BaseException:
        key.unlink()
        raise


def write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file beside its place, sync it, then link it there, which fails if one exists."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        link_new(draft, path)
    finally:
        draft.unlink()


def link_new(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        refuse_to_overwrite([path])
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
