"""The form of a key: what cannot have been made here is known without a look-up."""

import re

from hypothesis import given
from hypothesis import strategies as st

from apps.keys.tokens import ALPHABET, PREFIX, checksum, is_well_formed, new_token, token_hash, token_hint

places = st.integers(len(PREFIX), len(PREFIX) + 49)


def test_a_new_key_is_well_formed_and_like_no_other() -> None:
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"sk-art-[0-9A-Za-z]{50}", token) for token in made)
    assert all(is_well_formed(token) for token in made)


@given(places, st.sampled_from(ALPHABET))
def test_one_wrong_character_is_seen(place: int, letter: str) -> None:
    token = new_token()
    changed = token[:place] + letter + token[place + 1 :]
    assert is_well_formed(changed) == (changed == token)


@given(st.text(max_size=80))
def test_anything_else_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)
    assert not is_well_formed(PREFIX + text)


def test_what_surrounds_a_key_does_not_belong_to_it() -> None:
    token = new_token()
    for wrong in (f" {token}", f"{token} ", f"{token}\n", token.upper(), token[:-1], f"{token}0"):
        assert not is_well_formed(wrong)


def test_checksum_hash_and_hint_do_not_change() -> None:
    """Keys in use depend on them."""
    token = "sk-art-" + "0123456789ab" + "c" * 32
    assert checksum(token) == "0JUV9S"
    assert token_hash("sk-art-x").startswith("738345f260b0be52")
    assert token_hint(token + "000000") == "sk-art-0123…0000"
