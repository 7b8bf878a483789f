"""Blots out what nobody should read in a log again: secrets, and what tells who somebody is.

By what it looks like, so it is a net: names of people, for one, pass.
"""

import re
from collections.abc import Callable

from apps.common.logs.redaction import redacted as without_secrets

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
PHONE = re.compile(r"(?<![\w+.,/-])(?:\+|00)[1-9](?:[ ()./-]{0,2}\d){7,14}(?![\w])")
NATIONAL_PHONE = re.compile(
    r"(?<![\w+.,/-])(?:\(\d{2,5}\)[ -]?|0\d{1,4}[ /-])\d{3,5}(?:[ -]?\d{2,5}){1,3}(?![\w.,]?\d)"
)
SOCIAL_SECURITY = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")


def redacted(text: str) -> str:
    text = EMAIL.sub("[email]", without_secrets(text))
    text = _checked(IBAN, _is_iban, "[iban]", text)
    text = _checked(CARD, _is_card, "[card]", text)
    text = SOCIAL_SECURITY.sub("[social security number]", text)
    text = PHONE.sub("[phone]", text)
    return NATIONAL_PHONE.sub("[phone]", text)


def _checked(pattern: re.Pattern[str], is_one: Callable[[str], bool], shown: str, text: str) -> str:
    """Only what its own check digits confirm: other numbers are often what a conversation is about. The words behind
    it may look as if they belonged to it."""

    def seen(found: re.Match[str]) -> str:
        words = found[0].split(" ")
        for count in range(len(words), 0, -1):
            if is_one(" ".join(words[:count])):
                return " ".join([shown, *words[count:]])
        return found[0]

    return pattern.sub(seen, text)


def _is_card(text: str) -> bool:
    """By Luhn's sum, ISO/IEC 7812."""
    digits = [int(char) for char in text if char.isdigit()][::-1]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[1::2]]
    return len(digits) > 12 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """By ISO 13616: moved around and read as a number, it leaves 1 when divided by 97."""
    plain = text.replace(" ", "")
    return len(plain) > 14 and int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1
