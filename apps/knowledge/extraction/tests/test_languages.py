# ruff: noqa: RUF001  letters of other languages
"""The language of a document is told where it is sure, and PostgreSQL has what it is called there."""

import pytest
from django.db import connection

from apps.knowledge.extraction import Block, configuration_of
from apps.knowledge.extraction.languages import CONFIGURATIONS, language_of

TEXTS = {
    "en": "The platform serves large language models to many applications and falls back to others when they fail.",
    "de": "Die Plattform stellt vielen Anwendungen große Sprachmodelle bereit und weicht auf andere aus.",
    "fr": "La plateforme sert de grands modèles de langue à de nombreuses applications et en utilise d'autres.",
    "es": "La plataforma sirve grandes modelos de lenguaje a muchas aplicaciones y recurre a otros cuando no están.",
    "ru": "Платформа предоставляет большие языковые модели многим приложениям и переключается на другие при сбое.",
    "zh": "该平台为许多应用程序提供大型语言模型，并在其自身不可用时切换到其他模型。",
    "ja": "このプラットフォームは多くのアプリケーションに大規模言語モデルを提供します。",
}
UNSURE = ["", "42 17.5 99 1024 0x7f", "OK", "x = 5; y = x ** 2", "a1b2c3d4-e5f6-7890", "sku qty A-1 3 B-2 4"]


@pytest.mark.parametrize("language", TEXTS)
def test_a_language_is_told_from_a_sentence(language):
    assert language_of([Block("text", TEXTS[language])]) == language


@pytest.mark.parametrize("text", UNSURE)
def test_what_is_in_no_language_has_none(text):
    assert language_of([Block("text", text)]) == ""


def test_code_has_no_language_and_does_not_hide_that_of_prose():
    code = Block("code", "def read(text: str) -> None:\n    return text.strip()\n" * 50)
    assert language_of([code]) == ""
    assert language_of([code, Block("text", TEXTS["de"])]) == "de"


def test_a_long_document_is_told_by_all_of_it():
    title_page = [Block("text", TEXTS["en"])]
    assert language_of(title_page + [Block("text", TEXTS["de"])] * 400) == "de"


@pytest.mark.django_db
def test_postgresql_has_each_configuration():
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config")
        known = {name for (name,) in cursor.fetchall()}
    assert set(CONFIGURATIONS.values()) | {"simple"} == known


def test_a_language_without_a_configuration_gets_the_simple_one():
    assert [configuration_of(language) for language in ("de", "ja", "", "nonsense")] == [
        "german",
        "simple",
        "simple",
        "simple",
    ]
