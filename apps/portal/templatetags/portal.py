"""How templates show icons, money, counts and times."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common.money import NANO_PER_USD, format_usd

register = template.Library()
SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative icon of the sprite; say in words beside it what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons/sprite.svg"),
        name,
    )


@register.filter
def usd(nano: int | None) -> str:
    """The exact sum."""
    return "" if nano is None else format_usd(nano)


@register.filter
def usd_short(nano: int) -> str:
    """A sum for a headline: cents from a dollar up, exact below."""
    return format_usd(nano, places=2) if abs(nano) >= NANO_PER_USD else format_usd(nano)


@register.filter
def count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


@register.filter
def words(name: str) -> str:
    """ "output_tokens" for people."""
    return name.replace("_", " ")


@register.filter
def milliseconds(duration: int | None) -> str:
    if duration is None:
        return "n/a"
    return f"{duration} ms" if duration < 1000 else f"{duration / 1000:.1f} s"


@register.filter
def ago(moment: datetime | None) -> str:
    """ "3 min ago"; "never" for what did not happen."""
    if moment is None:
        return "never"
    age = timezone.now() - moment
    if age < timedelta(minutes=1):
        return "just now"
    if age >= timedelta(days=30):
        return f"{moment:%-d %b %Y}"
    size, unit = next((size, unit) for size, unit in SECONDS if age.total_seconds() >= size)
    return f"{int(age.total_seconds() // size)} {unit} ago"


@register.filter
def percent(part: int, whole: int) -> str:
    """A share of the whole, for a bar's width and for reading."""
    return f"{100 * part / whole:.1f}%" if whole else "0%"


@register.filter
def of(values: Mapping[str, Any], name: str) -> Any:
    """The value of a name that is a variable itself."""
    return values.get(name)


@register.filter
def attribute(value: str | float | bool) -> str:
    """A value of an attribute, as it is written down in JSON; whole numbers without their point."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@register.filter
def kind(field: BoundField) -> str:
    """What a form's field is drawn as."""
    return str(field.widget_type)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's own query string with some values changed; None takes one out."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"
