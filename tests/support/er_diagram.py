"""Draws the entities of docs/ER_DIAGRAM.md as docs/er-diagram.svg:

    python3 tests/support/er_diagram.py
"""
import collections
import html
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
# Columns from left to right; who stands where makes the lines short.
COLUMNS = [["tenant_domains", "tenant_usage", "custom_schemas", "signing_keys", "access_keys"],
           ["tenants", "jobs", "audit_logs"],
           ["users", "user_removals", "oauth_clients"],
           ["sessions", "tokens", "consents", "authorizations", "outbox"]]
WIDTH, GAP_X, GAP_Y, LINE, HEAD, MARGIN = 250, 130, 28, 18, 26, 24
STYLE = """text{font:13px system-ui,sans-serif;fill:#1f2933}.name{font-weight:600}.key{fill:#52606d;font-size:11px}
.box{fill:#fff;stroke:#7b8794}.head{fill:#e4e7eb;stroke:#7b8794}.line{fill:none;stroke:#7b8794}
.word{fill:#52606d;font-size:11px;stroke:#f8f9fa;stroke-width:4px;paint-order:stroke}.page{fill:#f8f9fa}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.box{fill:#1f2933}.head{fill:#323f4b}.page{fill:#12181f}
.key,.word{fill:#9aa5b1}.word{stroke:#12181f}}"""


def diagram():
    """The text of the entity diagram."""
    text = (DOCS / "ER_DIAGRAM.md").read_text(encoding="utf-8")
    return re.search(r"```mermaid\nerDiagram\n(.*?)```", text, re.DOTALL).group(1)


def entities():
    """{name: [(type, member, mark)]}"""
    return {name: [tuple((line.split('"')[0].split() + [""])[:3]) for line in body.strip().splitlines()]
            for name, body in re.findall(r"^    (\w+) \{\n(.*?)^    \}", diagram(), re.MULTILINE | re.DOTALL)}


def relations():
    """[(one, other, word)]"""
    found = re.findall(r'^    (\w+) [|o}]{2}--[|o{]{2} (\w+) : "?([^"\n]+)"?$', diagram(), re.MULTILINE)
    return [(one, other, word) for one, other, word in found]


def place(tables):
    """{name: (x, y, height)} and the size of the page."""
    places, bottom = {}, 0
    for column, names in enumerate(COLUMNS):
        y = MARGIN
        for name in names:
            height = HEAD + LINE * len(tables[name]) + 8
            places[name] = (MARGIN + column * (WIDTH + GAP_X), y, height)
            y += height + GAP_Y
        bottom = max(bottom, y)
    return places, (2 * MARGIN + len(COLUMNS) * (WIDTH + GAP_X), bottom)


def draw_table(name, members, at):
    x, y, height = at
    yield f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="6"/>'
    yield f'<rect class="head" x="{x}" y="{y}" width="{WIDTH}" height="{HEAD}" rx="6"/>'
    yield f'<text class="name" x="{x + 10}" y="{y + 18}">{name}</text>'
    for row, (kind, member, mark) in enumerate(members):
        line = y + HEAD + LINE * (row + 1) - 2
        yield f'<text x="{x + 10}" y="{line}">{member}</text>'
        yield f'<text class="key" x="{x + WIDTH - 10}" y="{line}" text-anchor="end">{mark} {kind}</text>'


def draw_relation(one, other, turns, word):
    """From side to side, or around the right where both stand in one column. turns: how many lines
    left there and arrived here before this one."""
    (x1, y1, _), (x2, y2, _) = one, other
    start, end = y1 + 8 + turns[0] * 4, y2 + 13 + turns[1] * 18
    if x1 == x2:
        edge = x1 + WIDTH
        path = f"M{edge},{start} C{edge + 60},{start} {edge + 60},{end} {edge},{end}"
        spot, anchor = (edge + 8, end - 4), "start"
    elif x1 < x2:
        left, right = x1 + WIDTH, x2
        path = f"M{left},{start} C{right - 50},{start} {left + 50},{end} {right},{end}"
        spot, anchor = (right - 8, end - 4), "end"
    else:
        left, right = x1, x2 + WIDTH
        path = f"M{left},{start} C{right + 50},{start} {left - 50},{end} {right},{end}"
        spot, anchor = (right + 8, end - 4), "start"
    line = f'<path class="line" d="{path}"/>'
    return line, f'<text class="word" x="{spot[0]}" y="{spot[1]}" text-anchor="{anchor}">{html.escape(word)}</text>'


def draw():
    tables = entities()
    places, (width, height) = place(tables)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
             'aria-label="Collections of tenantd and how they refer to each other">',
             f"<style>{STYLE}</style>", f'<rect class="page" width="{width}" height="{height}"/>']
    left, arrived, words = collections.Counter(), collections.Counter(), []
    for one, other, word in relations():
        line, text = draw_relation(places[one], places[other], (left[one], arrived[other]), word)
        left[one] += 1
        arrived[other] += 1
        parts.append(line)
        words.append(text)
    parts += words
    for name, members in tables.items():
        parts += draw_table(name, members, places[name])
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    (DOCS / "er-diagram.svg").write_text(draw(), encoding="utf-8")
