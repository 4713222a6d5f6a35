"""A text that is too long loses what matters least."""

import pytest

from shared.readable import MAX_WORD_CHARACTERS, shortened

KEY = "k" * 1024
REFUSAL = (
    "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/labels-analyze-image-us-east-1/f is not authorized to "
    f'perform: s3:PutObject on resource: "arn:aws:s3:::final/processed/{KEY}" with an explicit deny in a '
    f"resource-based policy (CopyObject s3://source/{KEY} to s3://final/processed/{KEY}) (failed 4 times)"
)


def test_what_fits_stays_as_it_is() -> None:
    assert shortened(KEY, 1024) == KEY


def test_a_refusal_of_the_longest_keys_keeps_its_cause_its_operation_and_its_end() -> None:
    short = shortened(REFUSAL, 1000)
    assert len(short) <= 1000
    assert short.startswith("AccessDenied: User: arn:aws:sts::123456789012:")
    assert "with an explicit deny in a resource-based policy (CopyObject s3://source/kkk" in short
    assert short.endswith("(failed 4 times)")


@pytest.mark.parametrize("text", ["word " * 1000, "x" * 5000, "é" * 1001])
@pytest.mark.parametrize("characters", [MAX_WORD_CHARACTERS, 1000])
def test_no_text_stays_too_long_and_both_ends_stay(text: str, characters: int) -> None:
    short = shortened(f"begin{text}end", characters)
    assert len(short) <= characters
    assert (short[:5], short[-3:]) == ("begin", "end")
