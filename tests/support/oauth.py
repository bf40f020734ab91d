"""What tests of OAuth share: a client, how it authenticates, and its requests."""
import base64
import urllib.parse

from .check import ok
from .world import unique


def client(api, tenant, **metadata):
    """Registers a client as the tenant's owner, who is logged in; the answer with its secret."""
    return ok(api.post("/oauth/client/register", token=tenant.owner.token,
                       json={"client_name": unique("app")} | metadata), 201)


def basic(client_id, secret):
    """RFC 6749 §2.3.1: both parts are form-encoded."""
    pair = f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def ask(api, path, made, way="client_secret_basic", tenant=None, **fields):
    """A form that this client sends."""
    if "client_secret" not in made:
        return api.post(path, tenant=tenant, form={"client_id": made["client_id"]} | fields)
    if way == "client_secret_post":
        return api.post(path, tenant=tenant, form={
            "client_id": made["client_id"], "client_secret": made["client_secret"]} | fields)
    return api.post(path, tenant=tenant, headers=basic(made["client_id"], made["client_secret"]),
                    form=fields)


def token(api, made, **fields):
    return ask(api, "/oauth/token", made, **fields)
