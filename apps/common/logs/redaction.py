"""Keeps secrets out of logs, whoever wrote them there: a library, an error's text, a line of our own.

It knows secrets by what they look like, so it is a net and no licence: what nobody may read is not logged at all.
"""

import re

HIDDEN = "[redacted]"
# What begins a secret may stand right behind anything, such as the n of an escaped line's end.
_SECRETS = re.compile(
    r"""
    sk-(?:art|ant|proj|svcacct)-[\w-]+                                 # ours, Anthropic's, OpenAI's
    | (?:(?<![A-Za-z])|(?<=\\[nrt]))sk-[A-Za-z0-9_-]{16,}
    | (?:sk|rk|pk)_(?:test|live)_\w+ | whsec_[\w+/=]+                  # Stripe's
    | AKIA[0-9A-Z]{16}
    | AGE-SECRET-KEY-1[0-9A-Z]+
    | eyJ(?:(?!eyJ)[\w-]){8,}\.[\w-]{8,}\.[\w-]+                       # a JSON Web Token
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    # what a letter's link is opened by
    | (?<=/reset/key/)[\w-]+ | (?<=/confirm-email/)[\w:.-]+ | (?<=/invitations/)[\w:.-]{16,}
    """,
    re.VERBOSE | re.DOTALL,
)
_SCHEMES = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_IN_ADDRESSES = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")
_NAMED = re.compile(
    r"""((?:password|passwd|secret|api[_-]?key|access[_-]?token|authorization|x-api-key|cookie|sessionid|csrftoken)
    \\?["']?\s*[:=]\s*(?:b(?=["']))?\\?["']?)(?!\[redacted\]|bearer|basic)[^\s"',;&)}\]\\]+""",
    re.IGNORECASE | re.VERBOSE,
)


def redacted(text: str) -> str:
    """The text with its secrets blotted out."""
    text = _SECRETS.sub(HIDDEN, text)
    text = _SCHEMES.sub(rf"\1\2{HIDDEN}", text)
    text = _IN_ADDRESSES.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
