"""Which edit last wrote each field: the sparse map answers as the full history would."""

from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.model.delta import Path, is_prefix, paths_overlap
from solidb_sync.model.field_dots import ENTRIES_MAX, SERVER_ACTOR, FieldDots, FieldWrite
from solidb_sync.model.version_vector import Dot, VersionVector

names = st.sampled_from(["a", "b", ""])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
histories = st.lists(st.tuples(paths, st.sampled_from(["phone", "laptop"])), max_size=12)
vectors = st.dictionaries(st.sampled_from(["phone", "laptop"]), st.integers(0, 12)).map(VersionVector)

CREATED = Dot("phone", 1)


def told(history: list[tuple[Path, str]]) -> tuple[FieldDots, list[tuple[Path, Dot, int]]]:
    """Return the dots after a history of writes, and the history with its dots and sequences, the creation first."""
    dots = FieldDots.created(CREATED, 1)
    writes: list[tuple[Path, Dot, int]] = [((), CREATED, 1)]
    counters = {"phone": 1, "laptop": 0}
    for seq, (path, actor) in enumerate(history, start=2):
        counters[actor] += 1
        writes.append((path, Dot(actor, counters[actor]), seq))
        dots = dots.written([path], writes[-1][1], seq)
    return dots, writes


@settings(deadline=None)
@given(histories, paths)
def test_the_write_of_a_path_is_the_last_that_wrote_it_or_what_contains_it(
    history: list[tuple[Path, str]], path: Path
) -> None:
    """The document's creation wrote everything."""
    dots, writes = told(history)
    last = [(dot, seq) for written, dot, seq in writes if is_prefix(written, path)][-1]
    assert dots.write_at(path) == FieldWrite(*last)


@settings(deadline=None)
@given(histories, paths, vectors)
def test_an_unseen_write_of_a_path_is_one_that_touches_it_and_still_stands(
    history: list[tuple[Path, str]], path: Path, base: VersionVector
) -> None:
    """In it or around it; one that a later write of a containing path has undone does not count."""
    dots, writes = told(history)
    standing = [
        (written, dot)
        for at, (written, dot, _) in enumerate(writes)
        if not any(is_prefix(later, written) for later, _, _ in writes[at + 1 :])
    ]
    around = [(dot, seq) for written, dot, seq in writes if is_prefix(written, path)][-1]
    touching = {dot for written, dot in standing if is_prefix(path, written)} | {around[0]}
    assert dots.unseen(path, base) == any(not base.covers(dot) for dot in touching)


@settings(deadline=None)
@given(histories, paths)
def test_who_has_seen_everything_has_seen_every_field(history: list[tuple[Path, str]], path: Path) -> None:
    """And who has seen nothing, none."""
    dots, _ = told(history)
    assert not dots.unseen(path, VersionVector({"phone": 99, "laptop": 99}))
    assert dots.unseen(path, VersionVector())


@settings(deadline=None)
@given(histories, st.integers(0, 14))
def test_what_was_written_since_a_sequence_covers_every_later_write(history: list[tuple[Path, str]], since: int) -> None:
    """No path is missed; everything, when the document was created later."""
    dots, writes = told(history)
    found = dots.written_since(since)
    assert (found is None) == (since < 1)
    for path, _, seq in writes[1:]:
        if found is not None and seq > since:
            assert any(is_prefix(known, path) for known in found) or any(
                later > seq and is_prefix(other, path) for other, _, later in writes
            )
    for path in found or []:
        assert dots.write_at(path).seq > since


@settings(deadline=None)
@given(histories)
def test_field_dots_read_back_from_their_json(history: list[tuple[Path, str]]) -> None:
    """The root and a field with an empty name are two things."""
    dots, _ = told(history)
    assert FieldDots.from_json(dots.to_json()) == dots


@settings(deadline=None)
@given(histories)
def test_writing_several_paths_at_once_gives_each_the_dot(history: list[tuple[Path, str]]) -> None:
    """And leaves the rest as it was; the old dots stay a value."""
    dots, _ = told(history)
    before = dots.to_json()
    written = dots.written([("a",), ("b", "c")], Dot("phone", 50), 50)
    for path in [("a",), ("a", "x"), ("b", "c"), ("b", "c", "x")]:
        assert written.write_at(path) == FieldWrite(Dot("phone", 50), 50)
    for path in [("b",), ("b", "a"), ("",)]:
        assert not paths_overlap(path, ("a",))
        assert written.write_at(path) == dots.write_at(path)
    assert dots.to_json() == before


def test_past_the_bound_the_entries_are_folded_into_one_nobody_has_seen() -> None:
    """An overlap too many is reported rather than one too few, and pulls get the whole document."""
    dots = FieldDots.created(CREATED, 1)
    for seq in range(2, ENTRIES_MAX + 1):
        dots = dots.written([(f"f{seq}",)], Dot("phone", seq), seq)
    assert dots.written_since(1) is not None
    assert not dots.unseen(("f2",), VersionVector({"phone": 2}))
    folded = dots.written([("one more",)], Dot("phone", 9_999), 9_999)
    assert folded.write_at(("f2",)) == FieldWrite(Dot(SERVER_ACTOR, 9_999), 9_999)
    assert folded.unseen(("f2",), VersionVector({"phone": 9_999}))
    assert folded.written_since(9_998) is None
    assert folded.written_since(9_999) == []


@settings(deadline=None)
@given(histories, st.integers(1, 14))
def test_no_path_written_since_is_inside_another(history: list[tuple[Path, str]], since: int) -> None:
    """Its value comes with the other's (seed 708)."""
    found = told(history)[0].written_since(since) or []
    assert not any(one != other and is_prefix(one, other) for one in found for other in found)
