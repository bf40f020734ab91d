"""Access tokens of our tenants, for Django REST framework."""
from dataclasses import dataclass

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission

ISSUERS = settings.TENANTD_ISSUERS
keys = {issuer: jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json") for issuer in ISSUERS}


@dataclass
class TokenUser:
    """Whoever a token stands for; users live in tenantd, not in this database."""

    id: str
    tenant: str
    is_authenticated = True


class IssuerDown(APIException):
    status_code = 503
    default_detail = "The issuer cannot be reached"


def verify(token):
    """The claims of an access token that one of our tenants issued to an OAuth client."""
    issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    if issuer not in ISSUERS:
        raise jwt.InvalidIssuerError("a tenant that is not served here")
    return jwt.decode(
        token,
        keys[issuer].get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=issuer,
        audience=settings.TENANTD_AUDIENCE or issuer,
        options={"require": ["exp", "sub", "client_id"]},
    )


class AccessToken(BaseAuthentication):
    def authenticate(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = verify(token)
        except jwt.PyJWKClientConnectionError as error:
            raise IssuerDown from error
        except jwt.PyJWTError as error:
            raise AuthenticationFailed(str(error)) from error
        return TokenUser(claims["sub"], claims["iss"]), claims

    def authenticate_header(self, request):
        return "Bearer"


class HasScope(BasePermission):
    """Needs the scope that the view names as required_scope."""

    message = "The token lacks a scope"

    def has_permission(self, request, view):
        return request.auth and view.required_scope in request.auth.get("scope", "").split()
