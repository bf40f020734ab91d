"""The front page, the documentation, static files, and what programs get instead of pages."""
import html
import os
import re
import subprocess
import tempfile

from conftest import log_in, press, whoami
from support.check import PATIENCE, until

JSON_ONLY = {"Accept": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_front_page_of_a_development_start(site, page):
    """api.md §10: tenants, links, demo logins that work, and whether names resolve."""
    page.goto(site.front + "/")
    assert "Service ready" in page.locator(".status").inner_text()
    assert "Database reachable" in page.locator(".status").inner_text()
    resolve = page.locator("#resolve").inner_text()
    assert "client1.localhost" in resolve
    if "does not resolve" in resolve:
        assert "127.0.0.1 client1.localhost" in resolve.replace("\xa0", " ")
        assert "/etc/hosts" in resolve and "System32\\drivers\\etc\\hosts" in resolve
    logins = {}
    for slug in ("client1", "client2", "default"):
        card = page.locator("li.tenant", has=page.locator(f"a[href='/t/{slug}/']"))
        assert card.locator(f"a[href='{site.host(slug)}/']").count() == 1
        assert f"{site.host(slug)}/api/login" in card.locator("pre").inner_text()
        logins[slug] = card.locator("dd code").all_inner_texts()
    for slug, (username, password) in logins.items():
        page.goto(site.front + "/")
        press(page, f"a[href='/t/{slug}/']")
        log_in(page, site.path(slug), username, password)
        page.wait_for_url("**/dashboard")
        assert whoami(page) == username


def test_front_page_in_production_tells_no_names(start_site):
    """Only development lists tenants and logins."""
    site = start_site({"environment": "production", "tenants": {
        "registration": "closed", "base_domains": ["tenants.example"]},
        "server": {"public_url": "https://id.tenants.example", "trusted_proxies": ["127.0.0.1"]}})
    answer = site.http.get("/", headers=HTML | {"X-Forwarded-Proto": "https"})
    assert answer.status_code == 200
    assert "Tenants</h2>" not in answer.text and "demo" not in answer.text
    assert "Service ready" in re.sub(r"\s+", " ", answer.text)


def test_who_gets_the_page_and_who_gets_json(site):
    """api.md §3: a tenant's host shows its page unless Accept names only JSON; elsewhere the reverse."""
    tenant = {"Host": f"client1.localhost:{site.instance.port}"}
    for path, headers, is_page in (
            ("/", tenant | HTML, True), ("/", tenant | {"Accept": "*/*"}, True),
            ("/", tenant | JSON_ONLY, False), ("/t/client1/", HTML, True),
            ("/t/client1/", {"Accept": "*/*"}, True), ("/t/client1/", JSON_ONLY, False),
            ("/", HTML, True), ("/", {"Accept": "*/*"}, False), ("/", JSON_ONLY, False)):
        answer = site.http.get(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html" if is_page else "application/json")
        assert "Accept" in answer.headers["vary"]
        if not is_page:
            body = answer.json()
            assert body["multi_tenant"] is True
            assert {"message", "version", "auth_type", "endpoints"} <= set(body)


def test_pages_of_no_tenant(site):
    for headers, status in ((HTML, 404), (JSON_ONLY, 404)):
        answer = site.http.get("/t/nobody/", headers=headers)
        assert answer.status_code == status
    answer = site.http.get("/login", headers=HTML)
    assert answer.status_code == 400
    assert 'id="message"' in answer.text and "Tenant not identified" in answer.text
    answer = site.http.get("/", headers=HTML | {"Host": f"nobody.localhost:{site.instance.port}"})
    assert answer.status_code == 404
    assert f'href="{site.instance.public_url}/"' in answer.text


def test_tenant_documentation_carries_its_ids(site, page):
    """R003-18: documentation_url opens, and holds the ids that registration gave."""
    made = site.http.post("/api/v1/clients/register",
                          json={"client_name": "Docs & Söhne", "industry": "SaaS"}).json()
    path = "/docs/" + made["client_id"]
    assert made["documentation_url"].endswith(path)
    page.goto(site.front + path)
    assert "Docs & Söhne" in page.locator("h1").inner_text()
    text = page.locator("main").inner_text()
    assert f"/api/v1/{made['client_id']}" in text and made["slug"] in text
    assert made["access_key"] not in page.content()
    for part in ("$API/signup", "$API/login", "$API/refresh", "$API/logout", "$API/audit"):
        assert part in text
    assert site.http.get("/docs/" + made["slug"]).status_code == 200
    assert site.http.get("/docs/nobody-here", headers=HTML).status_code == 404


def test_commands_of_the_documentation_work(site):
    """R003-18: the printed lines, literally, in a shell."""
    made = site.http.post("/api/v1/clients/register",
                          json={"client_name": "Shell", "industry": "SaaS"}).json()
    text = site.http.get("/docs/" + made["client_id"]).text
    commands = [re.sub(r"<[^>]+>", "", block) for block in
                re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", text, re.DOTALL)]
    commands = [html.unescape(command) for command in commands]

    def find(part):
        return next(command for command in commands if part in command)

    take = "| python3 -c 'import json,sys; print(json.load(sys.stdin)[\"%s\"])'"
    lines = ["set -eu", find("ACCESS_KEY=").replace("ak_…", made["access_key"]),
             find("/clients/me"), "SIGNED=$(" + find("$API/signup") + ")",
             "LOGIN=$(" + find("$API/login") + ")",
             "ACCESS_TOKEN=$(echo \"$LOGIN\" " + take % "access_token" + ")",
             "REFRESH_TOKEN=$(echo \"$LOGIN\" " + take % "refresh_token" + ")",
             find("$API/me"), find("$API/users"),
             "REFRESH_TOKEN=$(" + find("$API/refresh") + take % "refresh_token" + ")",
             find("$API/logout") + " -o /dev/null -w '%{http_code}'"]
    script = "\n".join(lines)
    done = subprocess.run(["bash", "-c", script.replace("curl -s", "curl -sS --fail")],
                          capture_output=True, text=True, timeout=5 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.endswith("204")
    assert '"level":4' in done.stdout.replace(" ", "")
    assert "jane@example.com" in done.stdout


def test_reference_is_the_route_table(site, page):
    page.goto(site.front + "/docs")
    shown = {tuple(row) for row in page.locator(".route").evaluate_all(
        "all => all.flatMap(one => one.querySelector('.method').textContent.split(' ')"
        ".map(method => [method, one.querySelector('h3 code').textContent]))")}
    paths = site.http.get("/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, operations in paths.items()
                 for method, operation in operations.items()
                 if method in ("get", "post", "put", "patch", "delete")
                 and not operation.get("x-internal")}
    assert shown == described


def test_static_files(site):
    style = re.search(r'href="(/static/style\.css\?v=(\w+))"',
                      site.http.get("/t/client1/", headers=HTML).text)
    answer = site.http.get(style.group(1))
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["etag"] == f'"{style.group(2)}"'
    again = site.http.get(style.group(1), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" not in site.http.get("/static/style.css?v=old").headers["cache-control"]
    assert site.http.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    for name in ("nothing.css", "..%2flogin.html", "style", ".style.css"):
        assert site.http.get("/static/" + name).status_code in (400, 404)
    assert site.http.get("/static/login.html").status_code == 404


def test_override_directory(start_site):
    """R004-05: pages_override_dir replaces single files; a broken one says where."""
    with tempfile.TemporaryDirectory() as directory:
        site = start_site({"pages_override_dir": directory})
        slug = site.tenant("Ours")
        path = os.path.join(directory, "login.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write("{{>head}}<main><h1>Our own door of {{brand}}</h1></main>{{>foot}}")
        text = site.http.get(f"/t/{slug}/", headers=HTML).text
        assert "Our own door of Ours" in text and "/static/style.css" in text
        with open(path, "w", encoding="utf-8") as file:
            file.write("{{>head}}\n<p>{{brnd}}</p>")
        answer = site.http.get(f"/t/{slug}/", headers=HTML)
        assert answer.status_code == 500
        reason = 'template login.html:2: there is no value named "brnd"'
        assert reason in html.unescape(answer.text)  # development shows it, the log has it always
        until(lambda: reason in site.instance.output().replace('\\"', '"'))
