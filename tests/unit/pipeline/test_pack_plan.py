"""Which captures go into which part: old parts keep theirs, new captures come into new parts, none is lost or split."""

from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.index import IndexRow
from meshgait_data.pipeline.pack_plan import CapturePlan, PartPlan, grouped

COUNTS = st.lists(st.integers(1, 14), min_size=1, max_size=30)


def captures(counts: list[int], first: int = 0) -> list[CapturePlan]:
    """Captures with so many views each."""
    return [
        CapturePlan(
            IndexRow("set", f"{first + number:03d}", "nm-01", "000", "x", "train", "p", "s", 10, 25.0, ""),
            tuple(f"{view:03d}" for view in range(views)),
            fitted=True,
            fingerprint="",
        )
        for number, views in enumerate(counts)
    ]


def keys(groups: dict[int, tuple[CapturePlan, ...]]) -> dict[int, tuple[str, ...]]:
    return {number: tuple(str(capture.key) for capture in own) for number, own in groups.items()}


@given(COUNTS, st.integers(1, 40), st.none() | st.integers(1, 5))
def test_from_scratch_all_are_there_in_order_and_parts_are_full(counts, most, most_captures):
    wanted = captures(counts)
    groups = grouped(wanted, {}, most_sequences=most, most_captures=most_captures)
    assert sorted(groups) == list(range(len(groups)))
    assert [capture for number in sorted(groups) for capture in groups[number]] == wanted
    for number, own in groups.items():
        size = sum(len(capture.views) for capture in own)
        assert size <= most or len(own) == 1
        assert len(own) <= (most_captures or len(own))
        if number + 1 in groups:
            more = size + len(groups[number + 1][0].views)
            assert more > most or len(own) == most_captures


@given(COUNTS, COUNTS, st.integers(1, 40))
def test_new_captures_never_touch_old_parts(old, new, most):
    before = grouped(captures(old), {}, most_sequences=most)
    # Some of the new ones lie between the old ones.
    wanted = sorted(captures(old) + captures(new, first=len(old) // 2 + 100), key=lambda capture: capture.key)
    after = grouped(wanted, keys(before), most_sequences=most)
    assert {number: after[number] for number in before} == before
    assert sorted(sum(keys(after).values(), ())) == sorted(str(capture.key) for capture in wanted)
    # And resuming after any part of the new ones was written plans the same.
    assert keys(grouped(wanted, keys(after), most_sequences=1)) == keys(after)


@given(COUNTS, st.integers(1, 20), st.randoms())
def test_captures_that_go_leave_the_other_parts_alone(counts, most, random):
    before = grouped(captures(counts), {}, most_sequences=most)
    left = [capture for capture in captures(counts) if random.random() < 0.6]
    after = grouped(left, keys(before), most_sequences=most)
    kept = {str(capture.key) for capture in left}
    expected = {number: tuple(key for key in own if key in kept) for number, own in keys(before).items()}
    assert keys(after) == {number: own for number, own in expected.items() if own}


def test_numbers_of_parts_that_are_gone_are_used_again(tmp_path):
    wanted = captures([2, 2, 2, 2])
    groups = grouped(wanted, {1: (str(wanted[1].key),)}, most_sequences=4)
    assert keys(groups) == {
        1: ("set/001/nm-01",),
        0: ("set/000/nm-01", "set/002/nm-01"),
        2: ("set/003/nm-01",),
    }
    assert PartPlan(tmp_path, groups[0]).captures[0] is wanted[0]
