"""The badge of a report: an SVG image, or the JSON of a shields.io endpoint."""

from __future__ import annotations

import html
import json
from pathlib import Path

from coco_testing.report import KIT, Report

LABEL = "coco conformance"
COLOURS = {"brightgreen": "#4c1", "yellowgreen": "#a4a61d", "red": "#e05d44", "lightgrey": "#9f9f9f"}
CHARACTER, PADDING = 6.6, 12
"""Widths in pixels at 11 px; a fixed estimate, so that the file is the same everywhere."""


def message_of(report: Report) -> tuple[str, str]:
    """Text and colour name: green for the real product, yellow-green for a stand-in, red if a check failed."""
    version = report.versions.get(KIT, "?")
    if not report.results:
        return "nothing ran", "lightgrey"
    failed = sum(item.outcome == "failed" for item in report.results)
    if failed:
        return f"{failed} checks failed (kit {version})", "red"
    waiting = sum(map(len, report.undeclared.values()))
    if waiting:
        return f"incomplete: {waiting} abilities not declared (kit {version})", "lightgrey"
    if not report.complete:
        return f"incomplete (kit {version})", "lightgrey"
    told = [told for suite in report.suites for told in report.abilities(suite).values()]
    holds = f"{sum(item == 'holds' for item in told)} of {len(told)} abilities, kit {version}"
    met = [item for suite in report.suites for item in report.met.get(suite, ())]
    if met and all(item.is_real for item in met) and len(report.met) == len(report.suites):
        return holds, "brightgreen"
    return f"{holds}, {'stand-in' if met else 'server not named'}", "yellowgreen"


def write_badge(report: Report, path: Path) -> None:
    """Write an SVG image into ``*.svg``, else the JSON of a shields.io endpoint."""
    message, colour = message_of(report)
    if path.suffix == ".svg":
        path.write_text(_svg(message, COLOURS[colour]), encoding="utf-8")
        return
    data = {"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}
    path.write_text(json.dumps(data) + "\n", encoding="utf-8")


def _svg(message: str, colour: str) -> str:
    left, right = (round(len(text) * CHARACTER) + PADDING for text in (LABEL, message))
    width = left + right
    title = html.escape(f"{LABEL}: {message}")
    texts = "".join(
        f'<text x="{middle}" y="14">{html.escape(text)}</text>'
        for middle, text in ((left / 2, LABEL), (left + right / 2, message))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<rect width="{left}" height="20" fill="#555"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">'
        f"{texts}</g></svg>\n"
    )
