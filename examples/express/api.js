// An API whose endpoint takes access tokens of the tenants named in ISSUERS.
import express from "express";
import { auth, requiredScopes } from "express-oauth2-jwt-bearer";
import { decodeJwt } from "jose";

const { ISSUERS, AUDIENCE, PORT = "9000" } = process.env;

// One checker for each tenant; strict is RFC 9068: access tokens only.
const checkers = new Map(
  ISSUERS.split(" ").map((issuer) => [
    issuer,
    auth({ issuerBaseURL: issuer, audience: AUDIENCE ?? issuer, strict: true, dpop: { enabled: false } }),
  ]),
);
const [anyChecker] = checkers.values();

function issuerOf(request) {
  try {
    return decodeJwt(request.get("Authorization").replace(/^Bearer /i, "")).iss;
  } catch {
    return undefined;
  }
}

// The checker of the token's issuer. Any of them refuses a token of a tenant that is not served.
function accessToken(request, response, next) {
  const check = checkers.get(issuerOf(request)) ?? anyChecker;
  check(request, response, next);
}

const app = express();

app.get("/data", accessToken, requiredScopes("read"), (request, response) => {
  const { iss, sub } = request.auth.payload;
  response.json({ tenant: iss, user: sub, data: ["yours"] });
});

app.listen(PORT, "localhost", () => console.log(`http://localhost:${PORT}/data`));
