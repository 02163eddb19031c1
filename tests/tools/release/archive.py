"""Archives whose bytes depend on their content only: sorted names, one time, no owner, no names of this machine."""

import gzip
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

# The strongest: a release is packed once and downloaded often. Tests pack fast.
LEVEL = int(os.environ.get("DIST_GZIP_LEVEL", "9"))


@dataclass(frozen=True)
class Entry:
    """A file of an archive: its content is a path or bytes."""

    name: str
    content: "Path | bytes"
    mode: int = 0o644

    def data(self):
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


def tar(entries, epoch):
    """The bytes of a tar with these files and the folders above them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in folders_of(entries):
            archive.addfile(head(folder, tarfile.DIRTYPE, 0o755, 0, epoch))
        for entry in sorted(entries, key=lambda entry: entry.name):
            data = entry.data()
            archive.addfile(head(entry.name, tarfile.REGTYPE, entry.mode, len(data), epoch), io.BytesIO(data))
    return packed.getvalue()


def head(name, kind, mode, size, epoch):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, epoch
    return info


def folders_of(entries):
    """The folders that the names lead through, outer ones first."""
    parents = {str(parent) for entry in entries for parent in Path(entry.name).parents}
    return sorted(parents - {"."})


def zipped(data):
    """Gzip without a time and without a name."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=LEVEL, mtime=0) as stream:
        stream.write(data)
    return packed.getvalue()


def tar_gz(path, top, entries, epoch):
    """Writes an archive, all of it below one folder."""
    below = [Entry(f"{top}/{entry.name}", entry.content, entry.mode) for entry in entries]
    Path(path).write_bytes(zipped(tar(below, epoch)))


def member(path, name):
    """The bytes of one file of an archive, by the part of its name below the top folder; None if it is not there."""
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isfile() and info.name.partition("/")[2] == name:
                return archive.extractfile(info).read()
    return None
