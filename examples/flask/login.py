"""A web application that signs its users in at a tenant by the authorization code flow."""
import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
oauth = OAuth(app)
oauth.register(
    "tenantd",
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


@app.get("/")
def home():
    if "user" not in session:
        return redirect(url_for("login"))
    return {"signed_in": session["user"]}


@app.get("/login")
def login():
    return oauth.tenantd.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    token = oauth.tenantd.authorize_access_token()
    session["user"] = oauth.tenantd.userinfo(token=token)
    return redirect(url_for("home"))


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "9000")))
