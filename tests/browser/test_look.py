"""How pages hold up: 320 pixels, dark, zoomed text, touch, screen readers."""
import pytest
from playwright.sync_api import expect

from conftest import log_in, press

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
FIELDS = {"note": LONG, "n" * 60: "x", "deep": {"deeper": {"deepest": {"text": LONG}}},
          "list": list(range(60))}
SIZES = [(320, 640), (768, 1024), (1280, 800)]

#: (contrast ratio, text) of every visible text against the colour behind it.
CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const paint = (colors) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const luminance = (rgb) => [...rgb].slice(0, 3).map((part) => {
        part /= 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    }).reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility() || element.closest('.skip, option')) continue;
        const behind = [];
        for (let at = element; at; at = at.parentElement)
            behind.unshift(getComputedStyle(at).backgroundColor);
        const back = luminance(paint(['canvas', ...behind]));
        const front = luminance(paint(['canvas', ...behind, getComputedStyle(element).color]));
        const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
        found.push([ratio, element.textContent.trim().slice(0, 40)]);
    }
    return found;
}"""

#: Everything that may be clicked or tapped, with its size.
TARGETS = """() => [...document.querySelectorAll('button, summary, select, nav a, .brand, .ways a,'
    + ' input:not([type=hidden]):not(.offscreen)')]
    .filter((element) => element.checkVisibility())
    .map((element) => [element.id || element.textContent.trim(), element.getBoundingClientRect().height])"""


@pytest.fixture(scope="module")
def pages(site):
    """Every kind of page: (name, base address, path, a user to sign in with or None)."""
    user = site.user("client1", name=LONG[:150], custom_fields=FIELDS)
    slug = site.tenant("A tenant with quite a long name, as companies have")
    return [("login", site.path("client1"), "/", None), ("long name", site.path(slug), "/", None),
            ("dashboard", site.path("client1"), "/dashboard", user),
            ("console", site.path(slug), "/dashboard/admin", "owner"),
            *[("console " + name, site.path(slug), "/dashboard/admin/" + path, "owner")
              for name, path in (("users", "users"), ("new user", "users/new"),
                                 ("user", f"users/{site.user_id(slug)}"), ("fields", "fields"),
                                 ("settings", "settings"),
                                 ("keys", "keys"), ("applications", "clients"),
                                 ("new application", "clients/new"), ("audit", "audit"))],
            ("front", site.front, "/", None),
            ("docs", site.front, "/docs", None), ("tenant docs", site.front, "/docs/client1", None),
            ("error", site.front, "/nothing-here", None)]


def visit(page, base, path, user):
    if user is not None:
        names = {cookie["name"] for cookie in page.context.cookies()}
        if path == "/dashboard" or not any(name.endswith(base.split("/")[-1]) for name in names):
            log_in(page, base, user)
            page.wait_for_url("**/dashboard")
        if path != "/dashboard":
            page.goto(base + path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    else:
        page.goto(base + path)


def resize(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("width => innerWidth === width", arg=width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_sideways_scrolling_and_enough_contrast(profile, pages, scheme):
    page = profile(color_scheme=scheme, reduced_motion="reduce",
                   viewport={"width": 320, "height": 640}).new_page()
    backgrounds = set()
    for name, base, path, user in pages:
        visit(page, base, path, user)
        for width, height in SIZES:
            resize(page, width, height)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        resize(page, 320, 640)
        bad = [pair for pair in page.evaluate(CONTRASTS) if pair[0] < 4.5]
        assert not bad, (name, scheme, bad)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    lightness = [float(color.split("(")[1].split()[0]) for color in backgrounds]
    assert all(value > 0.9 if scheme == "light" else value < 0.3 for value in lightness)


def test_targets_are_large_enough(profile, pages):
    page = profile(viewport={"width": 320, "height": 640}, has_touch=True).new_page()
    for name, base, path, user in pages:
        visit(page, base, path, user)
        small = [pair for pair in page.evaluate(TARGETS) if pair[1] < 44]
        assert not small, (name, small)


def test_structure_for_screen_readers(profile, pages):
    page = profile().new_page()
    for name, base, path, user in pages:
        visit(page, base, path, user)
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("main").count() == 1 and page.locator("h1").count() == 1, name
        assert page.locator("a.skip").get_attribute("href") == "#main"
        ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
        assert len(ids) == len(set(ids)), name
        for attribute in ("aria-describedby", "aria-labelledby"):
            for value in page.locator(f"[{attribute}]").evaluate_all(
                    f"all => all.map(one => one.getAttribute('{attribute}'))"):
                assert set(value.split()) <= set(ids), (name, attribute, value)
        nameless = page.locator("input:not([type=hidden]), select, textarea").evaluate_all(
            "all => all.filter(one => !one.labels.length && !one.ariaHidden).map(one => one.name)")
        assert not nameless, (name, nameless)
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => +one.tagName[1])")
        assert all(b - a <= 1 for a, b in zip(levels, levels[1:])), (name, levels)


def test_works_without_style_and_script(profile, site):
    """No script is needed (api.md §9): the same with scripts turned off."""
    user = site.user("client2")
    page = profile(java_script_enabled=False).new_page()
    log_in(page, site.path("client2"), user)
    page.wait_for_url("**/dashboard")
    press(page, "#logout-submit")
    page.wait_for_url("**/login?notice=signed-out")


def test_prints_without_forms(profile, site):
    user = site.user("client1", custom_fields={"a": "b"})
    page = profile().new_page()
    log_in(page, site.path("client1"), user)
    page.wait_for_url("**/dashboard")
    page.emulate_media(media="print")
    expect(page.locator("#custom-fields")).to_be_visible()
    expect(page.locator("#profile-submit")).to_be_hidden()
