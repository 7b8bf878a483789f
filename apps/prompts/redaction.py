"""Blots out what nobody should read in a log again: secrets, and what tells who somebody is.

By what it looks like, so it is a net: names of people, for one, pass. Each pattern takes time in proportion to the
length of a text, whatever it is.
"""

import re
from collections.abc import Callable

from apps.common.logs.redaction import HIDDEN
from apps.common.logs.redaction import redacted as without_secrets

# A number stands alone, or behind the n of an escaped line's end, as in the JSON of a function's arguments.
BEFORE = r"(?:(?<![\w-])|(?<=\\[nrt]))"
GAP = "[ .\u00a0-]"
TOKENS = re.compile(
    r"""\b(?:gh[pousr]_[A-Za-z0-9]{20,255} | github_pat_\w{20,255} | glpat-[\w-]{20,255} | hf_[A-Za-z0-9]{20,255}
    | xox[abeoprs]-[\w-]{10,255} | AIza[\w-]{30,255})""",
    re.VERBOSE,
)
_NAME = r"""(?:\b|_)(?:password|passwd|passphrase|pwd|secret|token|credential|cookie|authorization
    |(?:api|access|private|secret)[_-]?key)(?:[_-][\w-]{1,20})?\\?["']?[ \t]{0,9}[:=][ \t]{0,9}"""
QUOTED = re.compile(rf"""({_NAME}\\?(["']))(?!\[redacted)(?:(?!\2)[^\n]){{1,500}}""", re.VERBOSE | re.IGNORECASE)
BARE = re.compile(
    rf"""({_NAME})(?!\\?["']|\[redacted)(?:(?:bearer|basic|token)[ ])?[^\s"',;)}}\]\\]{{1,500}}""",
    re.VERBOSE | re.IGNORECASE,
)
EMAIL = re.compile(r"(?:(?<![\w.+-])|(?<=\\[nrt]))[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
CARD = re.compile(
    rf"{BEFORE}(?:\d{{13,19}}|\d{{4}}(?:{GAP}\d{{4}}){{3}}(?:{GAP}\d{{1,3}})?|\d{{4}}{GAP}\d{{6}}{GAP}\d{{5}})(?![\w-])"
)
IBAN = re.compile(rf"{BEFORE}[A-Za-z]{{2}}\d{{2}}(?:[ \u00a0-]?[A-Za-z0-9]){{11,30}}(?!\w)")
PHONE = re.compile(r"(?:(?<![\w+/-])|(?<=\\[nrt]))(?:\+|00)[1-9](?:[ ()./\u00a0-]{0,2}\d){7,14}(?!\w)")
NATIONAL_PHONE = re.compile(
    r"""(?:(?<![\w+.,/-])|(?<=\\[nrt]))(?:
    (?:\(\d{2,5}\)[ -]? | 0\d{1,4}[ /-])\d{3,5}(?:[ -]?\d{2,5}){1,3}    # (030) 901820, 030 901 820 12
    | 0[1-9]\d{8,10}                                                     # 01701234567
    | [2-9]\d{2}[-. ]\d{3}[-. ]\d{4}                                     # 415-555-2671
    )(?![\w-]|[.,]\d)""",
    re.VERBOSE,
)
SOCIAL_SECURITY = re.compile(rf"{BEFORE}\d{{3}}-\d{{2}}-\d{{4}}(?![\w-])")


def redacted(text: str) -> str:
    text = TOKENS.sub(HIDDEN, text)
    text = BARE.sub(rf"\1{HIDDEN}", QUOTED.sub(rf"\1{HIDDEN}", text))
    text = EMAIL.sub("[email]", without_secrets(text))
    text = _checked(IBAN, _iban_in, "[iban]", text)
    text = _checked(CARD, _card_in, "[card]", text)
    text = SOCIAL_SECURITY.sub("[social security number]", text)
    text = PHONE.sub("[phone]", text)
    return NATIONAL_PHONE.sub("[phone]", text)


def _checked(pattern: re.Pattern[str], length_in: Callable[[str], int], shown: str, text: str) -> str:
    """Only what its own check digits confirm: other numbers are often what a conversation is about.

    `length_in`: of what a match begins with, 0 where it is nothing. Then one may begin within the match.
    """
    parts, done, at = [], 0, 0
    while found := pattern.search(text, at):
        length = length_in(found[0])
        at = found.start() + (length or 1)
        if length:
            parts += [text[done : found.start()], shown]
            done = at
    return "".join([*parts, text[done:]])


def _card_in(text: str) -> int:
    """By Luhn's sum, ISO/IEC 7812. The last digits of what looks like one may be of the next word."""
    for end in _ends(text):
        digits = [int(char) for char in text[:end] if char.isdigit()][::-1]
        doubled = [2 * digit - 9 * (digit > 4) for digit in digits[1::2]]
        if len(digits) > 12 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0:
            return end
    return 0


def _iban_in(text: str) -> int:
    """By ISO 13616: moved around and read as a number, it leaves 1 when divided by 97. Words behind it look alike."""
    for end in _ends(text):
        plain = "".join(char for char in text[:end] if char.isalnum())
        if len(plain) > 14 and int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1:
            return end
    return 0


def _ends(text: str) -> list[int]:
    """Of its groups, the last one first."""
    return [len(text), *(place for place in range(len(text) - 1, 0, -1) if not text[place].isalnum())]
