"""Every published protocol, as the shipped manifests describe it, against the plainly written reference."""

import random

import pytest
from protocol_cases import PUBLISHED, embedded, mismatches, protocols
from protocol_reference import grew_csv

from meshgait_data.manifest_protocol import Protocol, Select, Submission
from meshgait_model.protocols.submission import submission


@pytest.mark.parametrize("name", PUBLISHED)
def test_equal_to_the_last_digit(name):
    protocol = protocols(PUBLISHED[name])
    found = [told for seed in range(60) for told in mismatches(PUBLISHED[name], protocol, seed)]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_equal_to_the_last_digit_in_many_cases(name):
    protocol = protocols(PUBLISHED[name])
    found = [told for seed in range(1000, 1600) for told in mismatches(PUBLISHED[name], protocol, seed)]
    assert found == []


def _grew(rng, *, distractors):
    """A gallery of 01 and 02, probes 03 of nobody, and people who are nobody's match."""
    made = []
    for subject in range(1, rng.randint(3, 6)):
        for condition in ("01", "02"):
            made.append((f"{subject:05d}", condition, f"{subject}{condition}gaLLery"[:8]))
    made += [("probe", "03", f"{rng.randrange(10**8):08d}") for _ in range(rng.randint(1, 5))]
    made += [("distractor", "04", f"d{n:07d}") for n in range(rng.randint(1, 3))] if distractors else []
    found = []
    for subject, condition, view in made:
        strips = [[float(rng.randint(1, 3)) for _ in range(2)] for _ in range(2)]
        found.append({"who": subject, "subject": subject, "condition": condition, "view": view, "strips": strips})
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_file_for_the_server_is_the_plain_one(seed):
    rng = random.Random(seed)
    distractors, unique = rng.random() < 0.5, rng.random() < 0.5
    made = _grew(rng, distractors=distractors)
    columns = rng.randint(1, 2)
    protocol = Protocol(
        kind="submission",
        gallery=Select(conditions=("01", "02")),
        probe=Select(conditions=("03",)),
        submission=Submission(
            columns=columns,
            unique=unique,
            names="[0-9A-Za-z]{8}",
            distractors=Select(subjects=("distractor",)) if distractors else None,
        ),
    )
    expected = grew_csv(made, columns, distractors=distractors, unique=unique)
    assert submission(embedded(made), protocol) == expected
