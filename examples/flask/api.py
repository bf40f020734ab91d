"""An API whose endpoint takes access tokens of the tenants named in ISSUERS."""
import os
import time

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask
from joserfc.jwk import KeySet

ISSUERS = os.environ["ISSUERS"].split()
AUDIENCE = os.environ.get("AUDIENCE")  # as tokens have it by default: the issuer itself


class Tenant(JWTBearerTokenValidator):
    """Checks tokens of one issuer (RFC 9068); its keys are kept for a minute."""

    keys, fresh_until = None, 0

    def get_jwks(self):
        if time.monotonic() >= self.fresh_until:
            answer = requests.get(f"{self.issuer}/.well-known/jwks.json", timeout=5)
            answer.raise_for_status()
            self.keys = KeySet.import_key_set(answer.json())
            self.fresh_until = time.monotonic() + 60
        return self.keys


class Tenants(JWTBearerTokenValidator):
    """The tenant whose keys fit a token checks it."""

    def __init__(self, issuers):
        super().__init__(issuer=None, resource_server=None)
        self.tenants = [Tenant(issuer, AUDIENCE or issuer) for issuer in issuers]

    def authenticate_token(self, token_string):
        for tenant in self.tenants:
            try:
                return tenant.authenticate_token(token_string)
            except InvalidTokenError:
                continue
        raise InvalidTokenError()


app = Flask(__name__)
require_oauth = ResourceProtector()
require_oauth.register_token_validator(Tenants(ISSUERS))


@app.get("/data")
@require_oauth("read")
def data():
    return {"tenant": current_token["iss"], "user": current_token["sub"], "data": ["yours"]}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "9000")))
