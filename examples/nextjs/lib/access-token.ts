/** Access tokens of the tenants named in ISSUERS, for route handlers. */
import { createRemoteJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload } from "jose";

const { ISSUERS = "", AUDIENCE } = process.env;

const keys = new Map(
  ISSUERS.split(" ")
    .filter(Boolean)
    .map((issuer) => [issuer, createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))]),
);

/** The claims of an access token that one of our tenants issued to an OAuth client (RFC 9068). */
async function verify(token: string): Promise<JWTPayload> {
  const issuer = decodeJwt(token).iss ?? "";
  const keySet = keys.get(issuer);
  if (!keySet) throw new errors.JWTInvalid("a tenant that is not served here");
  const { payload } = await jwtVerify(token, keySet, {
    algorithms: ["ES256"],
    audience: AUDIENCE ?? issuer,
    issuer,
    requiredClaims: ["exp", "sub"],
    typ: "at+jwt",
  });
  return payload;
}

function refuse(status: number, challenge: string): Response {
  return new Response(null, { status, headers: { "WWW-Authenticate": challenge } });
}

/** A route handler for requests whose token has the scope. */
export function withScope(
  scope: string,
  handler: (request: Request, claims: JWTPayload) => Response | Promise<Response>,
) {
  return async (request: Request): Promise<Response> => {
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
    if (!token) return refuse(401, "Bearer");
    let claims: JWTPayload;
    try {
      claims = await verify(token);
    } catch (error) {
      if (error instanceof errors.JOSEError) return refuse(401, 'Bearer error="invalid_token"');
      throw error;
    }
    if (!String(claims.scope ?? "").split(" ").includes(scope)) {
      return refuse(403, `Bearer error="insufficient_scope", scope="${scope}"`);
    }
    return handler(request, claims);
  };
}
