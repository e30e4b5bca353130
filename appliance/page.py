"""The shell of a report's page: HTML with its style inside, nothing from outside, no script; titles in English and Chinese."""

from __future__ import annotations

import html

__all__ = ["page"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Skerry: {title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#222}}
table{{border-collapse:collapse;margin:1rem 0;width:100%}}td,th{{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}}
td.n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}tr{{break-inside:avoid}}code{{font-size:.9em;overflow-wrap:anywhere}}
i{{display:block;height:.9rem;background:#4a7ab0;min-width:1px}}small{{color:#666}}@media print{{i{{print-color-adjust:exact}}}}</style>
<h1>{title}</h1>
{body}
</html>
"""


def page(title: str, *parts: str) -> str:
    """Return the page with this title (plain text) over its parts (HTML, everything from outside escaped)."""
    return _PAGE.format(title=html.escape(title), body="\n".join(filter(None, parts)))
