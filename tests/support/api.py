"""An HTTP client of one instance. Every answer it sees is checked against the API description.

Tenant and credential are named per call, so that a test reads like the request it makes:
    api.get("/users/me", tenant="acme", token=pair["access_token"])
"""
import httpx


class Api:
    """Keeps no cookies unless asked to: a test that wants a session names it."""

    def __init__(self, instance, contract=None, keep_cookies=False, port=None):
        self.instance = instance
        self.contract = contract
        self._keep_cookies = keep_cookies
        self._http = httpx.Client(  # no TLS here: to read the authorities takes 20 ms each time
            base_url=f"http://127.0.0.1:{port or instance.port}", timeout=120, trust_env=False,
            verify=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None))

    # pylint: disable=too-many-arguments
    def request(self, method, path, *, tenant=None, tenant_id=None, host=None, token=None,
                cookie=None, form=None, headers=None, **options):
        """tenant: X-Tenant-Slug, tenant_id: X-Tenant-ID, host: Host (":port" is added), token: what
        follows "Bearer", cookie: {name: value}, form: a form-encoded body."""
        sent = [("Accept", "application/json")]
        if tenant is not None:
            sent.append(("X-Tenant-Slug", tenant))
        if tenant_id is not None:
            sent.append(("X-Tenant-ID", str(tenant_id)))
        if host is not None:
            sent.append(("Host", host if ":" in host else f"{host}:{self.instance.port}"))
        if token is not None:
            sent.append(("Authorization", f"Bearer {token}"))
        if cookie:
            sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookie.items())))
        extra = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        names = {name.lower() for name, _ in extra}
        sent = [pair for pair in sent if pair[0].lower() not in names] + extra
        answer = self._http.request(method, path, headers=sent, data=form, **options)
        if not self._keep_cookies:
            self._http.cookies.clear()
        if self.contract is not None:
            self.contract.check(answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def put(self, path, **options):
        return self.request("PUT", path, **options)

    def patch(self, path, **options):
        return self.request("PATCH", path, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    @property
    def cookies(self):
        return self._http.cookies

    def close(self):
        self._http.close()


def set_cookies(answer):
    """{name: (value, {attribute in lower case: value})} of an answer's Set-Cookie headers."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        first, *rest = [part.strip() for part in line.split(";")]
        name, _, value = first.partition("=")
        attributes = {}
        for part in rest:
            key, _, text = part.partition("=")
            attributes[key.lower()] = text
        found[name] = (value, attributes)
    return found
