"""What is blotted out of a logged prompt, what stays, and how long that takes at worst."""

import time

import pytest

from apps.prompts.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("my key is sk-art-abcdefghijklmnop", "my key is [redacted]"),
        ('{"password": "hunter2"}', '{"password": "[redacted]"}'),
        ("Authorization: Bearer abcdef0123456789", "Authorization: [redacted]"),
        ("write to jane.o-hara+x@mail.example.co.uk, please", "write to [email], please"),
        ("card 4242 4242 4242 4242.", "card [card]."),
        ("amex 378282246310005", "amex [card]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
        ("DE89 3704 0044 0532 0130 00 OF THE BANK", "[iban] OF THE BANK"),
        ("4242 4242 4242 4242 12 times", "[card] 12 times"),
        ("GB82WEST12345698765432", "[iban]"),
        ("call +49 (0)30 901820 or +1-202-555-0147", "call [phone] or [phone]"),
        ("ring 030 901 820 12 or (202) 555-0147", "ring [phone] or [phone]"),
        ("ssn 078-05-1120", "ssn [social security number]"),
        ("exp 12/27 4111 1111 1111 1111, cvv 123 4111111111111111", "exp 12/27 [card], cvv 123 [card]"),
        ("Qty 2 4111.1111.1111.1111 and 1234 4111\u00a01111\u00a01111\u00a01111", "Qty 2 [card] and 1234 [card]"),
        ('{"text": "Card:\\n4111 1111 1111 1111\\n+49 170 1234567"}', '{"text": "Card:\\n[card]\\n[phone]"}'),
        ("de89-3704-0044-0532-0130-00", "[iban]"),
        ("415-555-2671, 415.555.2671 or 01701234567, Tel.+49 170 1234567", "[phone], [phone] or [phone], Tel.[phone]"),
        (
            "AWS_SECRET_ACCESS_KEY=abc/def+ghi GITHUB_TOKEN=abc token: abc",
            "AWS_SECRET_ACCESS_KEY=[redacted] GITHUB_TOKEN=[redacted] token: [redacted]",
        ),
        ("password=abc&def pwd: abc", "password=[redacted] pwd: [redacted]"),
        ('{"password": "my long phrase", "max_tokens": 5}', '{"password": "[redacted]", "max_tokens": 5}'),
        (r"{\"api_key\": \"abc def\"}", r'{\"api_key\": \"[redacted]"}'),
        ("Authorization: Token abcdef", "Authorization: [redacted]"),
        ("ghp_0123456789abcdefghij0123 and glpat-0123456789abcdefghij", "[redacted] and [redacted]"),
    ],
)
def test_what_tells_who_somebody_is_is_blotted_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4243 fails Luhn's sum",
        "order 1234567890123456 of 2026-11-28 at 12:30:00",
        "0.30 901 820, 1,234,567.89 and 10.0.0.12",
        "GB82 WEST 1234 5698 7654 33 fails the sum",
        "DROP TABLE users; SELECT 1000 2000 3000",
        "@decorator def f(a@b): pass",
        "0000000000000000",
        "version 1.2.3-4 of 2026, pages 100-200, 3+4=7",
        "a UUID 123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "a@",
        "a.",
        "+1 ",
        "DE89 ",
        "AB12CD34",
        "password ",
        "-----BEGIN A",
        "0 12 ",
        "eyJaaaaaaaaa.",
        "://a:",
        "(",
    ],
)
def test_a_long_text_takes_time_that_grows_with_its_length_alone(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.perf_counter()
        redacted(text)
        return time.perf_counter() - began

    short, long = min(seconds(8_000) for _ in range(3)), min(seconds(64_000) for _ in range(3))
    assert long < 24 * short + 0.05
