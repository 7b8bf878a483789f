"""What every page of the stand-in has in common: its frame, its label, its look."""

from html import escape

from apps.billing.emulator.pages.responses import Page

LABEL = "Stand-in for Stripe &ndash; no real money"
ZERO_DECIMAL = ("jpy",)
SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}


def frame(title: str, body: str, *, status: int = 200) -> Page:
    """`body` is HTML; the title is text."""
    return Page(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{escape(title)} · {LABEL}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><p class="label">{LABEL}</p></header>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
""",
        status=status,
    )


def notice(title: str, text: str, *, status: int = 200, link: tuple[str, str] | None = None) -> Page:
    """A page that says one thing; `link` is an address and its words."""
    further = f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>' if link else ""
    return frame(title, f"<p>{escape(text)}</p>{further}", status=status)


def alert(text: str | None) -> str:
    return f'<p class="alert" role="alert">{escape(text)}</p>' if text else ""


def money(amount: int, currency: str) -> str:
    sign = SIGNS.get(currency)
    shown = f"{abs(amount):,}" if currency in ZERO_DECIMAL else f"{abs(amount) / 100:,.2f}"
    minus = "&minus;" if amount < 0 else ""
    return f"{minus}{sign}{shown}" if sign else f"{minus}{shown} {currency.upper()}"


STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1a1f36; --soft: #4f566b; --line: #c9cfd9;
  --act: #3f3ad6; --act-ink: #ffffff; --warn: #8a1220; --warn-paper: #fde8ea; --label: #fff1c2; --label-ink: #4a3500;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12141c; --card: #1c1f2b; --ink: #eceef5; --soft: #b4bac9; --line: #474d60;
    --act: #a9a6ff; --act-ink: #14123a; --warn: #ffc2c8; --warn-paper: #43151b; --label: #4a3a08; --label-ink: #ffecb3;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 36rem; margin: 0 auto; padding: 1rem; }
.label { margin: 0; padding: .5rem 1rem; text-align: center; font-weight: 600; background: var(--label);
  color: var(--label-ink); }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 1rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
section, form.card, .card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem;
  margin: 0 0 1rem; }
.rows { list-style: none; margin: 0; padding: 0; }
.rows li { display: flex; justify-content: space-between; gap: 1rem; padding: .4rem 0;
  border-bottom: 1px solid var(--line); }
.rows li:last-child { border-bottom: 0; }
.rows span:first-child { overflow-wrap: anywhere; }
.rows li > span:last-child:not(:only-child) { white-space: nowrap; }
form.card > :first-child, section > :first-child { margin-top: 0; }
.total { font-weight: 700; }
.soft { color: var(--soft); }
label { display: block; font-weight: 600; margin: .75rem 0 .25rem; }
input { width: 100%; font: inherit; padding: .6rem; border: 1px solid var(--soft); border-radius: .35rem;
  background: var(--card); color: var(--ink); }
input[type=radio] { width: auto; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; align-items: end; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .6rem 1rem; border: 1px solid var(--act);
  border-radius: .35rem; background: var(--act); color: var(--act-ink); cursor: pointer; }
button.wide { width: 100%; margin-top: 1rem; }
button.second { background: transparent; color: var(--act); }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
a { color: var(--act); }
.alert { background: var(--warn-paper); color: var(--warn); border: 1px solid var(--warn); border-radius: .35rem;
  padding: .6rem .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; padding-right: 0; }
code { font-size: .95em; white-space: nowrap; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; }
"""
