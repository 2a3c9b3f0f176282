#!/usr/bin/env python3
"""Draws the chart's Grafana dashboard from what a Prometheus has recorded, as an SVG: without Grafana.

    hack/dashboard.py URL OUTPUT [MINUTES]

URL is that of a Prometheus that scrapes the operator, with the labels `namespace` and `pod`. Every query of every
panel is sent as Grafana would send it. Panels without data say so; a query that Prometheus refuses ends it with 1.
"""

import json
import math
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html import escape

COLUMN, LINE = 50, 36
COLOURS = ["#3b7dd8", "#e07b39", "#3a9d5d", "#b64fc8", "#c8443c", "#8a8f98", "#2aa5a0", "#b8952e", "#6a5acd", "#d65a8a"]
FOLDER = os.path.join(os.path.dirname(__file__), "..")


def ask(url, path, parameters):
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{parameters['query']}: {error.read().decode()}")


def filled(text):
    """A query with the dashboard's variables."""
    return text.replace("$namespace", ".*").replace("$__rate_interval", "30s")


def shown(value, unit):
    if unit == "s" and value >= 120:
        return f"{value / 60:.1f} min"
    if unit == "s":
        return f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    return f"{value:.4g}"


def legend(target, labels):
    text = target.get("legendFormat") or ""
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def text(x, y, words, size=12, colour="#d8d9da", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def stat(panel, results, width, height, unit):
    values = [(legend(target, series["metric"]), series["value"][1]) for target, result in results for series in result]
    if not values:
        return [text(width / 2, height / 2 + 10, "No data", 18, "#8a8f98", "middle")]
    name, value = values[0]
    return [text(width / 2, height / 2 + 18, name or shown(float(value), unit), 30, "#73bf69", "middle")]


def plot(panel, results, width, height, unit, start, end):
    series = [
        (legend(target, found["metric"]) or "value", [(t, float(v)) for t, v in found["values"] if math.isfinite(float(v))])
        for target, result in results
        for found in result
    ]
    series = [(name, points) for name, points in series if points]
    if not series:
        return [text(width / 2, height / 2, "No data", 16, "#8a8f98", "middle")]
    rows = min(len(series), 6)
    left, top, right, bottom = 58, 30, width - 10, height - 14 - 14 * rows
    highest = max(v for _, points in series for _, v in points) or 1
    lowest = min(0, min(v for _, points in series for _, v in points))
    # As Grafana draws large and small values in one panel.
    logarithmic = panel["fieldConfig"]["defaults"].get("custom", {}).get("scaleDistribution", {}).get("type") == "symlog"
    scaled = (lambda v: math.copysign(math.log10(1 + abs(v)), v)) if logarithmic else (lambda v: v)
    unscaled = (lambda v: math.copysign(10 ** abs(v) - 1, v)) if logarithmic else (lambda v: v)
    highest, lowest = scaled(highest), scaled(lowest)
    across = lambda t: left + (t - start) / (end - start) * (right - left)
    up = lambda v: bottom - (scaled(v) - lowest) / (highest - lowest) * (bottom - top)
    out = []
    for part in range(4):
        value = unscaled(lowest + (highest - lowest) * part / 3)
        out.append(f'<line x1="{left}" x2="{right}" y1="{up(value):.1f}" y2="{up(value):.1f}" stroke="#2c3235"/>')
        out.append(text(left - 6, up(value) + 4, shown(value, unit), 10, "#8a8f98", "end"))
    for number, (name, points) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{across(t):.1f},{up(v):.1f}" for t, v in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if number < rows:
            y = bottom + 20 + 14 * number
            more = f" (and {len(series) - rows} more)" if number == rows - 1 and len(series) > rows else ""
            out.append(f'<rect x="{left}" y="{y - 7}" width="10" height="3" fill="{colour}"/>')
            out.append(text(left + 16, y, f"{name}: {shown(points[-1][1], unit)}{more}", 11))
    return out


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    url, output = sys.argv[1].rstrip("/"), sys.argv[2]
    end = time.time()
    start = end - 60 * float(sys.argv[3] if len(sys.argv) == 4 else 10)
    with open(os.path.join(FOLDER, "charts/clinch-operator/files/dashboard.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * COLUMN + 8}" height="{rows * LINE + 8}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#111217"/>',
    ]
    empty = []
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + 4, place["y"] * LINE + 4
        width, height = place["w"] * COLUMN - 8, place["h"] * LINE - 8
        out.append(f'<g transform="translate({x + 4},{y + 4})">')
        if panel["type"] == "row":
            out.append(text(4, height / 2 + 8, panel["title"], 16))
        else:
            unit = panel["fieldConfig"]["defaults"].get("unit", "short")
            out.append(f'<rect width="{width}" height="{height}" rx="3" fill="#181b1f" stroke="#2c3235"/>')
            out.append(text(10, 19, panel["title"], 13))
            if panel["type"] == "stat":
                results = [(t, ask(url, "query", {"query": filled(t["expr"]), "time": end})) for t in panel["targets"]]
                out += stat(panel, results, width, height, unit)
            else:
                span = {"start": start, "end": end, "step": max(1, (end - start) / 300)}
                results = [(t, ask(url, "query_range", {"query": filled(t["expr"]), **span})) for t in panel["targets"]]
                out += plot(panel, results, width, height, unit, start, end)
            if not any(result for _, result in results):
                empty.append(panel["title"])
        out.append("</g>")
    out.append("</svg>")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(out))
    print(f"{output}: {len(dashboard['panels'])} panels and rows; without data: {', '.join(empty) or 'none'}")


main()
