"""What every storage engine must do with attached bytes; mix it into a subclass of `EngineConformance`."""

from __future__ import annotations

from msgspec.structs import replace

from solidb_sync.storage.records import BlobState, StoredBlob
from solidb_sync.testing.engine_samples import transaction
from solidb_sync.testing.engine_states import StatesConformance

CHUNK = bytes(range(256)) * 1024


class BlobConformance(StatesConformance):
    """The laws about blobs and their chunks."""

    def test_blobs_read_back_by_name_until_they_are_forgotten(self) -> None:
        """One under a name, in the place of any before; listed by name."""
        first = StoredBlob("b" * 64, "c1", 2**33, 3, BlobState.WHOLE, 4)
        other = StoredBlob("put-c2", "c2", 0, 0, BlobState.ARRIVING)
        with self.opened() as engine:
            with transaction(engine):
                engine.put_blob(other)
                engine.put_blob(replace(first, stored=1, state=BlobState.ARRIVING))
                engine.put_blob(first)
            assert (engine.blob("b" * 64), engine.blob("none")) == (first, None)
            assert engine.reader().blobs() == [first, other]
            with transaction(engine):
                engine.drop_blob("put-c2")
                engine.drop_blob("none")
            assert engine.blobs() == [first]

    def test_chunks_read_back_to_the_byte(self) -> None:
        """Of any content and length; a later one takes the place of the one before."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_chunk("c1", 0, b"before")
                for number, content in enumerate([CHUNK, b"", b"\0\xff"]):
                    engine.put_chunk("c1", number, content)
                engine.put_chunk("c10", 0, b"another")
            assert [engine.chunk("c1", number) for number in range(4)] == [CHUNK, b"", b"\0\xff", None]
            assert (engine.reader().chunk("c10", 0), engine.chunk("c", 0)) == (b"another", None)

    def test_the_first_chunks_are_forgotten_and_no_others(self) -> None:
        """Those with a number below the count, of this name alone."""
        with self.opened() as engine:
            with transaction(engine):
                for number in range(3):
                    engine.put_chunk("c1", number, b"mine")
                    engine.put_chunk("c10", number, b"theirs")
                engine.drop_chunks("c1", 2)
            assert [engine.chunk("c1", number) for number in range(3)] == [None, None, b"mine"]
            assert [engine.chunk("c10", number) for number in range(3)] == [b"theirs"] * 3

    def test_attached_bytes_are_taken_back_with_their_transaction(self) -> None:
        """Blob and chunks both, put and dropped."""
        kept = StoredBlob("a" * 64, "c1", 4, 1, BlobState.WHOLE)
        with self.opened() as engine:
            with transaction(engine):
                engine.put_blob(kept)
                engine.put_chunk("c1", 0, b"kept")
            engine.begin()
            engine.drop_blob(kept.name)
            engine.drop_chunks("c1", 1)
            engine.put_blob(replace(kept, name="b" * 64))
            engine.put_chunk("c1", 1, b"gone")
            engine.rollback()
            assert engine.blobs() == [kept]
            assert [engine.chunk("c1", number) for number in range(2)] == [b"kept", None]
