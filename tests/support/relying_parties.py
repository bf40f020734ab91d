"""Applications of others that sign people in through tenantd: Authlib's Flask client and Apache with
mod_auth_openidc. Each knows of a tenant what its owner was told: the issuer, a client id, a secret and
the redirect URI that was registered.
"""
import dataclasses
import os
import pathlib
import secrets
import threading
import urllib.parse

import flask
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from joserfc.errors import JoseError
from werkzeug.serving import make_server

from . import ports
from .proxies import Proxy

METADATA = "/.well-known/openid-configuration"
CLAIMS = ("iss", "sub", "preferred_username", "email")
PAGE = "<!doctype html><title>Orders</title><link rel=icon href='data:,'>" + "".join(
    f"<p id={claim}>{{{claim}}}</p>" for claim in CLAIMS)


@dataclasses.dataclass
class Registered:
    """What an application is told when it is registered with a tenant."""
    issuer: str
    client_id: str
    client_secret: str


class Flask:
    """A Flask application as Authlib's documentation shows it, here with a client for each tenant.

    It keeps its own sign-ins in Flask's cookie, which is named "session".
    """

    def __init__(self, _):
        self.port = ports.free_port()
        self.origin = f"http://localhost:{self.port}"
        self.app = flask.Flask("relying-party")
        self.app.secret_key = secrets.token_hex()
        self.app.config["SERVER_NAME"] = f"localhost:{self.port}"
        self.oauth = OAuth(self.app)
        self._routes()
        self.server = make_server("127.0.0.1", self.port, self.app, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def url(self, name):
        return f"{self.origin}/{name}/"

    def redirect_uri(self, name):
        return self.url(name) + "callback"

    def logout_url(self, name):
        return self.url(name) + "logout"

    def signed_out_uri(self, name):
        return self.url(name) + "signed-out"

    @staticmethod
    def backchannel(_):
        """Authlib's client has no such thing."""
        return {}

    def register(self, name, registered):
        self.oauth.register(
            name, client_id=registered.client_id, client_secret=registered.client_secret,
            server_metadata_url=registered.issuer + METADATA,
            client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"})

    def start(self):
        self.thread.start()
        return self

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _routes(self):
        @self.app.get("/<name>/")
        def page(name):
            if name not in flask.session:
                back = flask.url_for("callback", name=name, _external=True)
                return self.oauth.create_client(name).authorize_redirect(back)
            return PAGE.format(**flask.session[name])

        @self.app.get("/<name>/callback")
        def callback(name):
            client = self.oauth.create_client(name)
            token = client.authorize_access_token()
            claims = token["userinfo"] | client.userinfo(token=token)
            flask.session[name] = {claim: claims[claim] for claim in CLAIMS} | {
                "id_token": token["id_token"]}
            return flask.redirect(flask.url_for("page", name=name))

        @self.app.get("/<name>/logout")
        def logout(name):
            end = self.oauth.create_client(name).load_server_metadata()["end_session_endpoint"]
            return flask.redirect(end + "?" + urllib.parse.urlencode({
                "id_token_hint": flask.session.pop(name)["id_token"],
                "post_logout_redirect_uri": self.signed_out_uri(name)}))

        @self.app.get("/<name>/signed-out")
        def signed_out(name):
            return f"Signed out of {name}"

        @self.app.errorhandler(AuthlibBaseError)
        @self.app.errorhandler(JoseError)
        def refused(error):
            return f"{error.error}: {error.description}", 400


APACHE = """
ServerRoot {directory}
ServerName localhost
PidFile {directory}/apache.pid
ErrorLog {directory}/error.log
LogLevel warn
DocumentRoot {directory}/www
{modules}
User www-data
Group www-data
TypesConfig /etc/mime.types
{hosts}
"""
MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "mime", "include",
           "auth_openidc")
HOST = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ServerName http://localhost:{port}
    OIDCProviderMetadataURL {registered.issuer}/.well-known/openid-configuration
    OIDCClientID {registered.client_id}
    OIDCClientSecret {registered.client_secret}
    OIDCRedirectURI http://localhost:{port}/page/callback
    OIDCScope "openid profile email"
    OIDCPKCEMethod S256
    OIDCCryptoPassphrase {passphrase}
    OIDCCookie mod_auth_openidc_{port}
    <Location /page/>
        AuthType openid-connect
        Require valid-user
        Options +Includes
        SetOutputFilter INCLUDES
    </Location>
</VirtualHost>
"""


class Apache(Proxy):
    """Apache 2 with mod_auth_openidc: a virtual host for each tenant, all on localhost."""

    def __init__(self, names):
        super().__init__()
        self.ports = dict(zip(names, [self.port] + [ports.free_port() for _ in names[1:]]))
        self.hosts = []

    def url(self, name):
        return f"http://localhost:{self.ports[name]}/page/"

    def redirect_uri(self, name):
        return self.url(name) + "callback"

    def logout_url(self, name):
        return self.redirect_uri(name) + "?" + urllib.parse.urlencode({"logout": self.signed_out_uri(name)})

    def signed_out_uri(self, name):
        return f"http://localhost:{self.ports[name]}/signed-out.html"

    def backchannel(self, name):
        """More metadata: where it is told that a session has ended."""
        return {"backchannel_logout_uri": self.redirect_uri(name) + "?logout=backchannel"}

    def register(self, name, registered):
        self.hosts.append(HOST.format(port=self.ports[name], registered=registered,
                                      passphrase=secrets.token_hex()))

    def start(self):
        pages = pathlib.Path(self.path("www/page"))
        pages.mkdir(parents=True)
        (pages / "index.html").write_text(PAGE.format(
            **{claim: f"<!--#echo var='OIDC_CLAIM_{claim}' -->" for claim in CLAIMS}), encoding="utf-8")
        (pages.parent / "signed-out.html").write_text("Signed out", encoding="utf-8")
        for directory in (self.directory, pages.parent, pages):
            os.chmod(directory, 0o755)
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                            for name in MODULES)
        config = self.write("apache.conf", APACHE.format(
            directory=self.directory, modules=modules, hosts="\n".join(self.hosts)))
        self.run(["apache2", "-D", "FOREGROUND", "-f", config])
        return self
