"""An API whose endpoint takes access tokens of the tenants named in ISSUERS."""
import os
from typing import Annotated

import jwt
import uvicorn
from fastapi import FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

ISSUERS = os.environ["ISSUERS"].split()
AUDIENCE = os.environ.get("AUDIENCE")  # as tokens have it by default: the issuer itself

keys = {issuer: jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json") for issuer in ISSUERS}
app = FastAPI()


def verify(token: str) -> dict:
    """The claims of an access token that one of our tenants issued to an OAuth client."""
    issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    if issuer not in ISSUERS:
        raise jwt.InvalidIssuerError("a tenant that is not served here")
    return jwt.decode(
        token,
        keys[issuer].get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=issuer,
        audience=AUDIENCE or issuer,
        options={"require": ["exp", "sub", "client_id"]},
    )


def access_token(
    wanted: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials, Security(HTTPBearer())],
) -> dict:
    try:
        claims = verify(credentials.credentials)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "The issuer cannot be reached") from error
    except jwt.PyJWTError as error:
        raise HTTPException(
            401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        ) from error
    if not set(wanted.scopes) <= set(claims.get("scope", "").split()):
        challenge = f'Bearer error="insufficient_scope", scope="{wanted.scope_str}"'
        raise HTTPException(403, "The token lacks a scope", {"WWW-Authenticate": challenge})
    return claims


@app.get("/data")
def data(claims: Annotated[dict, Security(access_token, scopes=["read"])]) -> dict:
    return {"tenant": claims["iss"], "user": claims["sub"], "data": ["yours"]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "9000")))
