"""Which language a text is in, where that is sure enough, and how PostgreSQL calls it."""

import functools
import threading
from collections.abc import Iterable

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from apps.knowledge.extraction.contracts import Block

SAMPLE = 12_000
"""Characters."""
FEWEST_LETTERS = 20
SURE = 0.6
"""Of what the model gives all languages together, on a scale that does not grow with the text's length."""
NO_LANGUAGE = "zxx"
"""ISO 639-2: numbers, codes, addresses."""

CONFIGURATIONS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "da": "danish", "nl": "dutch", "en": "english",
    "et": "estonian", "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian",
    "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali", "no": "norwegian",
    "nb": "norwegian", "nn": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "es": "spanish", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

_loading = threading.Lock()


def configuration_of(language: str) -> str:
    """The text search configuration of PostgreSQL 18: "simple", which knows no endings, where it has none."""
    return CONFIGURATIONS.get(language, "simple")


def language_of(blocks: Iterable[Block]) -> str:
    """ISO 639-1, "" where unsure. Of code nothing is said; of tables, where there is nothing else."""
    blocks = tuple(blocks)
    sample = _sample([block.text for block in blocks if block.kind in ("text", "list", "heading")])
    if _letters(sample) < FEWEST_LETTERS:
        sample = _sample([block.text for block in blocks if block.kind != "code"])
    if _letters(sample) < FEWEST_LETTERS:
        return ""
    language, share = _identifier().classify(sample)
    return language if share >= SURE and language != NO_LANGUAGE else ""


def _sample(texts: list[str]) -> str:
    """From all over the document: its beginning is often a title page, its end a list of references."""
    length = sum(len(text) for text in texts)
    if length <= SAMPLE:
        return "\n".join(texts)
    parts, taken, step = [], 0, max(len(texts) // 64, 1)
    for text in texts[::step]:
        parts.append(text[: max(SAMPLE // 64, SAMPLE // len(texts))])
        taken += len(parts[-1])
        if taken >= SAMPLE:
            break
    return "\n".join(parts)


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def _identifier() -> LanguageIdentifier:
    with _loading:
        return _loaded()


@functools.cache
def _loaded() -> LanguageIdentifier:
    """Half a second, once in a process. Of languages only those that have a code of two letters: dialects and pidgins
    that are near them would take their share."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2 or label == NO_LANGUAGE])
    return identifier
