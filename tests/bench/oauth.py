"""What an OAuth client does all day: its own tokens, introspection, exchanging codes."""
import base64
import http.client
import json
import urllib.parse

from tests.bench.wire import form, post

REDIRECT = "https://app.example/callback"


class OAuthLoad:
    """A first-party client of the bench's tenant, and its requests as files for the generator."""

    def __init__(self, bench, password):
        self.bench, self.service = bench, bench.service
        tenant = {"X-Tenant-Slug": bench.slug}
        owner = {"username": "owner", "password": password}
        self.owner = post(self.service.url + "/auth/login", owner, tenant)["access_token"]
        self.client = post(self.service.url + "/oauth/client/register", {
            "client_name": "Bench", "redirect_uris": [REDIRECT], "first_party": True,
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "scope": "openid offline_access read"}, {
                **tenant, "Authorization": f"Bearer {self.owner}"})
        pair = f"{self.client['client_id']}:{self.client['client_secret']}".encode()
        self.basic = "Authorization: Basic " + base64.b64encode(pair).decode()
        self.session = self._sign_in(owner)
        self._write_fixed()

    def _sign_in(self, owner):
        """The session cookie of a browser."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        connection.request("POST", "/oauth/login", json.dumps(owner), {
            "Content-Type": "application/json", "X-Tenant-Slug": self.bench.slug})
        answer = connection.getresponse()
        answer.read()
        cookies = [text.split(";", 1)[0] for text in answer.headers.get_all("Set-Cookie")]
        return "; ".join(cookies)

    def _machine_token(self):
        fields = {"grant_type": "client_credentials", "client_id": self.client["client_id"],
                  "client_secret": self.client["client_secret"]}
        return post(self.service.url + "/oauth/token", urllib.parse.urlencode(fields))["access_token"]

    def _write_fixed(self):
        write = self.bench.write_list
        write("service-credentials", [form("/oauth/token", [self.basic],
                                           grant_type="client_credentials", scope="read")])
        write("service-introspect", [self._introspection(self._machine_token())])
        write("service-introspect_user", [self._introspection(self.owner)])

    def _introspection(self, token):
        return form("/oauth/introspect", [self.basic], token=token)

    def fresh(self, operation, count=1500):
        """Requests that can be sent once only."""
        make = {"introspect_cold": self._cold, "exchange": self._exchanges}.get(operation)
        if make is not None:
            self.bench.write_list(f"service-{operation}", make(count))

    def _cold(self, count):
        return [self._introspection(self._machine_token()) for _ in range(count)]

    def _exchanges(self, count):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        asked = urllib.parse.urlencode({
            "response_type": "code", "client_id": self.client["client_id"],
            "redirect_uri": REDIRECT, "scope": "openid offline_access read", "nonce": "n"})
        requests = []
        for _ in range(count):
            connection.request("GET", f"/t/{self.bench.slug}/oauth/authorize?{asked}",
                               headers={"Cookie": self.session, "Accept": "text/html"})
            answer = connection.getresponse()
            answer.read()
            location = urllib.parse.urlsplit(answer.getheader("Location"))
            code = dict(urllib.parse.parse_qsl(location.query))["code"]
            requests.append(form("/oauth/token", [self.basic], grant_type="authorization_code",
                                 code=code, redirect_uri=REDIRECT))
        return requests


#: Operation → what the floor does beside it; its exchange is a refresh that signs with RSA too.
OPERATIONS = {"credentials": "health", "introspect": "health", "introspect_user": "whoami",
              "introspect_cold": "health", "exchange": "exchange"}
ONCE = ("introspect_cold", "exchange")
