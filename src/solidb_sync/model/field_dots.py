"""Which edit last wrote each field of a document: a dot and a commit sequence for each path.

The map is sparse: a path without an entry has its nearest ancestor's, the root (`""`) has the entry of the edit that
created the document. Writing a path drops the entries below it. A path with an entry whose field is absent is a removed
field. The number of entries is bounded: past `ENTRIES_MAX` they are folded into one at the root, stamped with the
server's own dot, which no device's vector covers by accident: folding can report an overlap too many, never one too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import Path, is_prefix, parse_path, path_text
from solidb_sync.model.version_vector import Dot, VersionVector

ENTRIES_MAX = 256
SERVER_ACTOR = "server"


@dataclass(frozen=True, slots=True)
class FieldWrite:
    """The edit that last wrote a field, and the sequence number under which the server took it.

    `stamp` is the edit's time by its author's hybrid clock, as text; empty, which is before all others, when it gave none.
    """

    dot: Dot
    seq: int
    stamp: str = ""

    @property
    def rank(self) -> tuple[str, str]:
        """What orders writes by their stamps; equal ones by actor."""
        return self.stamp, self.dot.actor


class FieldDots:
    """An immutable sparse map from path to the write it last had."""

    __slots__ = ("_writes",)

    def __init__(self, writes: Mapping[Path, FieldWrite]) -> None:
        self._writes = dict(writes)

    @classmethod
    def created(cls, dot: Dot, seq: int, stamp: str = "") -> FieldDots:
        """Return the dots of a document that one edit created whole."""
        return cls({(): FieldWrite(dot, seq, stamp)})

    @classmethod
    def from_json(cls, text: bytes | str) -> FieldDots:
        """Read the stored form, `{path: [actor, counter, seq]}` with `""` for the root; a stamp stands behind."""
        return cls(
            {
                parse_path(path) if path else (): FieldWrite(Dot(actor, counter), seq, *stamp)
                for path, (actor, counter, seq, *stamp) in decode(text).items()
            }
        )

    def to_json(self) -> bytes:
        """Return the stored form."""
        return encode(
            {
                path_text(path) if path else "": [
                    write.dot.actor,
                    write.dot.counter,
                    write.seq,
                    *([write.stamp] if write.stamp else ()),
                ]
                for path, write in self._writes.items()
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldDots) and self._writes == other._writes

    def __hash__(self) -> int:
        return hash(frozenset(self._writes.items()))

    def __repr__(self) -> str:
        return f"FieldDots({self._writes})"

    def write_at(self, path: Path) -> FieldWrite:
        """Return the last write of a path: its own or its nearest ancestor's."""
        for depth in range(len(path), 0, -1):
            write = self._writes.get(path[:depth])
            if write is not None:
                return write
        return self._writes[()]

    def writes(self) -> Iterator[FieldWrite]:
        """Yield all writes that are told apart."""
        yield from self._writes.values()

    def is_from_creation(self, path: Path) -> bool:
        """Return whether nothing has written the path, or around it, since the edit that created the document."""
        inherited = not any(path[:depth] in self._writes for depth in range(1, len(path) + 1))
        return inherited and self._writes[()].dot.actor != SERVER_ACTOR

    def unseen(self, path: Path, base: VersionVector) -> bool:
        """Return whether an edit that `base` had not seen wrote `path`, something in it, or something around it."""
        if not base.covers(self.write_at(path).dot):
            return True
        return any(True for _ in self.unseen_below(path, base))

    def unseen_below(self, path: Path, base: VersionVector) -> Iterator[tuple[Path, FieldWrite]]:
        """Yield the writes of something in `path` that `base` had not seen, with the paths they wrote."""
        for written, write in self._writes.items():
            if len(written) > len(path) and not base.covers(write.dot) and is_prefix(path, written):
                yield written, write

    def latest_unseen(self, base: VersionVector) -> FieldWrite | None:
        """Return the write with the latest stamp of those that `base` had not seen."""
        unseen = [write for write in self._writes.values() if not base.covers(write.dot)]
        return max(unseen, key=lambda write: write.rank, default=None)

    def unseen_paths(self, base: VersionVector) -> list[Path]:
        """Return the paths whose last write is one that `base` had not seen."""
        return [path for path, write in self._writes.items() if not base.covers(write.dot)]

    def written(self, paths: Iterable[Path], dot: Dot, seq: int, stamp: str = "") -> FieldDots:
        """Return the dots after one edit wrote these paths."""
        write = FieldWrite(dot, seq, stamp)
        return self.with_writes((path, write) for path in paths)

    def with_writes(self, wrote: Iterable[tuple[Path, FieldWrite]]) -> FieldDots:
        """Return the dots after these writes, in their order."""
        writes = dict(self._writes)
        seq = 0
        for path, write in wrote:
            for below in [known for known in writes if len(known) > len(path) and is_prefix(path, known)]:
                del writes[below]
            writes[path] = write
            seq = max(seq, write.seq)
        if len(writes) > ENTRIES_MAX:
            return FieldDots.folded(writes.values(), seq)
        return FieldDots(writes)

    @classmethod
    def folded(cls, writes: Iterable[FieldWrite], seq: int) -> FieldDots:
        """Return the dots of a document of which it is no longer known who wrote what: the server did, at `seq`."""
        return cls.created(Dot(SERVER_ACTOR, seq), seq, max((write.stamp for write in writes), default=""))

    def written_since(self, seq: int) -> list[Path] | None:
        """Return the paths written after `seq`, none inside another; None when the whole document was written."""
        if self._writes[()].seq > seq:
            return None
        return _outermost([path for path, write in self._writes.items() if write.seq > seq])


def _outermost(paths: list[Path]) -> list[Path]:
    """Return the paths that are inside no other of them."""
    known = set(paths)
    return [path for path in paths if not any(path[:length] in known for length in range(1, len(path)))]


def text_with_writes(text: str, paths: Sequence[Path], *, dot: Dot, seq: int) -> str | None:
    """Return the stored form after one edit, without a stamp, wrote these paths; None when entries have to be folded.

    It comes to what `from_json`, `written` and `to_json` come to. Among names of the top level no entry is below another,
    so these need not be told apart.
    """
    entries = decode(text)
    is_flat = all(len(path) == 1 for path in paths) and not any(known.startswith("/") for known in entries)
    if not is_flat or any(path[0].startswith("/") or not path[0] for path in paths):
        if len(paths) > ENTRIES_MAX:
            return None
        return FieldDots.from_json(text).written(paths, dot, seq).to_json().decode()
    write = [dot.actor, dot.counter, seq]
    for (name,) in paths:
        entries[name] = write
    return encode(entries).decode() if len(entries) <= ENTRIES_MAX else None


def paths_since(text: str, seq: int) -> list[str] | None:
    """Return what `written_since` says of a stored form, each path in its wire form."""
    entries = decode(text)
    if entries[""][2] > seq:
        return None
    texts = [path for path, entry in entries.items() if entry[2] > seq]
    if not any(text.startswith("/") for text in texts):
        return texts
    paths = {text: parse_path(text) for text in texts}
    outermost = set(_outermost(list(paths.values())))
    return [text for text, path in paths.items() if path in outermost]
