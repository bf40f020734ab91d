// The application of the playground: a public client that walks the authorization code flow with
// PKCE (RFC 6749, 7636, OpenID Connect Core) and shows each step. What it keeps between leaving and
// coming back is in sessionStorage; tokens are in memory only. Text goes into the page as text.
"use strict";

const main = document.getElementById("main");
const issuer = main.dataset.issuer;
const redirect = main.dataset.redirect;
const memory = "playground " + issuer;
let metadata = null;
let keys = [];
let kept = null;
let tokens = null;

const WORDS = {
  response_type: "The application wants a code, not tokens in an address.",
  client_id: "Which application asks. Not a secret.",
  redirect_uri: "Where the answer goes: compared byte for byte with what is registered.",
  scope: "What the application would like. The user may be asked, the client's own limit counts.",
  state: "Random, comes back unchanged: ties the answer to this browser (login CSRF).",
  nonce: "Random, comes back inside the ID token: ties that to this request.",
  code_challenge: "SHA-256 of the verifier, which stays here.",
  code_challenge_method: "How the challenge was made. Plain is not accepted.",
  prompt: "What the tenant should or should not ask.",
  code: "Opens the tokens once, within a minute, together with the verifier.",
  iss: "Who answered. Must be this issuer (RFC 9207).",
  error: "Why there is no code.",
  error_description: "The same in words.",
  access_token: "For APIs. Opaque to the application, a signed JWT to them.",
  token_type: "How to send it: Authorization: Bearer …",
  expires_in: "Seconds the access token lives.",
  refresh_token: "Gets the next pair. Keep it like a password.",
  id_token: "Says who signed in. For the application alone.",
  alg: "The algorithm, which the key decides.",
  kid: "Which key of the key set signed it.",
  typ: "What kind of token this is.",
  sub: "The user's id in this tenant: the key for your own records.",
  aud: "For whom it is meant.",
  azp: "Which client it was issued to.",
  exp: "When it ends.",
  iat: "When it was issued.",
  nbf: "Not good before.",
  auth_time: "When the user proved who they are.",
  acr: "How strong that proof was.",
  amr: "By which means.",
  at_hash: "Ties it to the access token beside it.",
  sid: "The session at the tenant, for logout.",
  jti: "Its own id.",
  tid: "The tenant.",
  role: "The user's role in the tenant.",
  gid: "The grant that it came from.",
  ep: "Epochs: what ends it before its time.",
};

// --- the page ----------------------------------------------------------------------------------

const at = (id) => document.getElementById(id);

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function tell(text, failed) {
  const status = at("play-status");
  status.textContent = text;
  status.className = failed ? "message message-failed" : "message";
  status.hidden = false;
}

function shown(name, value) {
  if (["exp", "iat", "nbf", "auth_time"].includes(name) && typeof value === "number")
    return value + " (" + new Date(value * 1000).toISOString().replace(".000", "") + ")";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fill(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value, note]) => {
    const row = make("div");
    const what = make("dd");
    row.append(make("dt", name), what);
    what.append(make("code", shown(name, value)));
    const words = note || WORDS[name];
    if (words) what.append(make("p", words, "hint"));
    return row;
  }));
}

function facts(title, object, open) {
  const box = make("details", undefined, "more");
  const list = make("dl", undefined, "facts play-facts");
  box.open = open;
  box.append(make("summary", title), list);
  fill(list, Object.entries(object));
  return box;
}

function openStep(name) {
  const step = at("step-" + name);
  const button = step.querySelector("button");
  step.removeAttribute("aria-disabled");
  if (button) button.disabled = false;
}

function closeStep(name) {
  const step = at("step-" + name);
  const button = step.querySelector("button");
  step.setAttribute("aria-disabled", "true");
  if (button) button.disabled = true;
}

function show(name, answer, ...more) {
  const out = at(name + "-out");
  const head = make("p", "HTTP " + answer.status, answer.ok ? "play-good" : "play-bad");
  const body = make("pre", JSON.stringify(answer.body, null, 2));
  body.tabIndex = 0;
  out.replaceChildren(head, body, ...more);
}

// --- requests ----------------------------------------------------------------------------------

const quoted = (text) => "'" + String(text).replaceAll("'", "'\\''") + "'";

function curl(url, fields, token) {
  const lines = ["curl -s " + quoted(url)];
  if (token) lines.push("-H " + quoted("Authorization: Bearer " + token));
  for (const [name, value] of Object.entries(fields || {}))
    lines.push("--data-urlencode " + quoted(name + "=" + value));
  return lines.join(" \\\n  ");
}

async function send(url, fields, token) {
  const options = { credentials: "omit", cache: "no-store", headers: {} };
  if (fields) Object.assign(options, { method: "POST", body: new URLSearchParams(fields) });
  if (token) options.headers.Authorization = "Bearer " + token;
  const answer = await fetch(url, options);
  const text = await answer.text();
  let body = text;
  try {
    body = JSON.parse(text);
  } catch {
    // shown as it came
  }
  return { ok: answer.ok, status: answer.status, body };
}

// A button that does one thing at a time and says what went wrong.
function onPress(id, work) {
  at(id).addEventListener("click", async () => {
    const button = at(id);
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      tell("That did not work: " + error.message, true);
      button.disabled = false;
    }
  });
}

// --- bytes and tokens --------------------------------------------------------------------------

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64url(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

const random = (size) => base64url(crypto.getRandomValues(new Uint8Array(size)));
const ascii = (text) => new TextEncoder().encode(text);
const sha256 = async (text) => base64url(await crypto.subtle.digest("SHA-256", ascii(text)));

function decode(token) {
  const read = (part) => JSON.parse(new TextDecoder().decode(fromBase64url(part)));
  const [header, payload] = token.split(".");
  return { header: read(header), claims: read(payload) };
}

const ALGORITHMS = {
  RS256: [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "RSASSA-PKCS1-v1_5" }],
  ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
};

async function isSigned(token, header) {
  const jwk = keys.find((key) => key.kid === header.kid && key.alg === header.alg);
  const [forImport, forVerify] = ALGORITHMS[header.alg] || [];
  if (!jwk || !forImport) return false;
  const end = token.lastIndexOf(".");
  const key = await crypto.subtle.importKey("jwk", jwk, forImport, false, ["verify"]);
  return crypto.subtle.verify(forVerify, key, fromBase64url(token.slice(end + 1)),
    ascii(token.slice(0, end)));
}

// What an application has to check (OpenID Connect Core §3.1.3.7): [what, whether it holds].
async function checksOf(kind, token, header, claims) {
  const now = Date.now() / 1000;
  const checks = [["signed by a key of this issuer (" + header.alg + ")", await isSigned(token, header)],
    ["iss is this issuer", claims.iss === issuer], ["not expired", claims.exp > now]];
  if (kind === "ID token") {
    checks.push(["aud is this client", [].concat(claims.aud).includes(kept.client)]);
    if (claims.nonce !== undefined || kept.fresh)
      checks.push(["nonce is the one that was sent", claims.nonce === kept.nonce]);
  } else {
    checks.push(["typ is at+jwt", header.typ === "at+jwt"],
      ["client_id is this client", claims.client_id === kept.client]);
  }
  return checks;
}

async function opened(kind, token) {
  const box = make("div", undefined, "play-token");
  const { header, claims } = decode(token);
  const list = make("ul", undefined, "play-checks");
  for (const [what, holds] of await checksOf(kind, token, header, claims))
    list.append(make("li", (holds ? "✓ " : "✗ ") + what, holds ? "play-good" : "play-bad"));
  box.append(make("h3", kind), list, facts("Header", header, false),
    facts("Claims", claims, kind === "ID token" && Boolean(kept.fresh)));
  box.dataset.kind = kind;
  return box;
}

// --- the steps ---------------------------------------------------------------------------------

async function writeRequest() {
  const verifier = kept.verifier;
  const params = { response_type: "code", client_id: at("ask-client").value, redirect_uri: redirect,
    scope: at("ask-scope").value.trim(), state: kept.state, nonce: kept.nonce,
    code_challenge: await sha256(verifier), code_challenge_method: "S256" };
  if (at("ask-prompt").value) params.prompt = at("ask-prompt").value;
  for (const name of Object.keys(params)) if (!params[name]) delete params[name];
  kept.client = params.client_id;
  kept.prompt = at("ask-prompt").value;
  kept.scope = at("ask-scope").value;
  const url = metadata.authorization_endpoint + "?" + new URLSearchParams(params);
  at("ask-url").textContent = url;
  at("ask-go").href = url;
  fill(at("ask-params"), [...Object.entries(params),
    ["code_verifier", verifier, "Stays in this page until the exchange. 256 random bits."]]);
}

function comeBack(sent) {
  const pairs = [...sent.entries()];
  const good = { state: sent.get("state") === kept.state, iss: sent.get("iss") === issuer };
  fill(at("code-params"), pairs.map(([name, value]) => [name, value, name in good
    ? (good[name] ? "✓ " : "✗ Not what was expected! ") + WORDS[name] : WORDS[name]]));
  openStep("code");
  if (sent.has("error")) {
    tell("The tenant gave no code: " + sent.get("error") + ".", true);
    return null;
  }
  if (!good.state || !good.iss) {
    tell("This answer was not asked for by this page: nothing is done with it.", true);
    return null;
  }
  tell("Back with a code. It is good for a minute.");
  return sent.get("code");
}

function offerExchange(code) {
  const fields = { grant_type: "authorization_code", client_id: kept.client, code,
    redirect_uri: redirect, code_verifier: kept.verifier };
  at("token-curl").textContent = curl(metadata.token_endpoint, fields);
  openStep("token");
  onPress("token-send", async () => {
    const answer = await send(metadata.token_endpoint, fields);
    kept.fresh = true;
    await received("token", answer, "The code was exchanged.");
    kept.fresh = false;
  });
  at("step-code").scrollIntoView();
  at("token-send").focus({ preventScroll: true });
}

// Tokens of an exchange or a refresh.
async function received(step, answer, words) {
  if (!answer.ok) {
    show(step, answer);
    tell("The token endpoint refused: " + (answer.body.error || answer.status) + ".", true);
    return;
  }
  tokens = { ...tokens, ...answer.body };
  const boxes = [];
  if (answer.body.id_token) boxes.push(await opened("ID token", answer.body.id_token));
  boxes.push(await opened("Access token", answer.body.access_token));
  show(step, answer, ...boxes);
  tell(words);
  offerTokens();
}

function offerTokens() {
  at("userinfo-curl").textContent = curl(metadata.userinfo_endpoint, null, tokens.access_token);
  openStep("userinfo");
  at("revoke-curl").textContent = curl(metadata.revocation_endpoint, revocation());
  openStep("revoke");
  const out = at("refresh-curl");
  if (tokens.refresh_token) {
    out.textContent = curl(metadata.token_endpoint, refreshing());
    openStep("refresh");
  } else {
    out.textContent = "There is no refresh token: ask for the scope offline_access.";
  }
}

const refreshing = () => ({ grant_type: "refresh_token", client_id: kept.client,
  refresh_token: tokens.refresh_token });
const revocation = () => ({ client_id: kept.client, token: tokens.refresh_token || tokens.access_token });

async function askUserinfo() {
  const answer = await send(metadata.userinfo_endpoint, null, tokens.access_token);
  const same = answer.ok && tokens.id_token && answer.body.sub === decode(tokens.id_token).claims.sub;
  show("userinfo", answer, ...(same ? [make("p", "✓ sub is that of the ID token", "play-good")] : []));
  tell(answer.ok ? "UserInfo answered." : "UserInfo refused.", !answer.ok);
  openStep("userinfo");
}

async function revoke() {
  const answer = await send(metadata.revocation_endpoint, revocation());
  const after = await send(metadata.userinfo_endpoint, null, tokens.access_token);
  const proof = make("p", "UserInfo now answers " + after.status + " " + (after.body.error || ""),
    after.ok ? "play-bad" : "play-good");
  proof.id = "revoke-proof";
  show("revoke", answer, proof);
  ["userinfo", "refresh", "revoke"].forEach(closeStep);
  tell(answer.ok ? "Revoked: these tokens open nothing any more." : "Not revoked.", !answer.ok);
}

// --- begin -------------------------------------------------------------------------------------

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(memory));
  } catch {
    return null;
  }
}

async function begin() {
  const sent = new URLSearchParams(location.search);
  const isAnswer = sent.has("state") && (sent.has("code") || sent.has("error"));
  if (!crypto.subtle)
    throw new Error("the browser hashes only on https, localhost and names below it");
  kept = (isAnswer && remembered()) || { verifier: random(32), state: random(16), nonce: random(16) };
  metadata = (await send(issuer + "/.well-known/openid-configuration")).body;
  keys = (await send(metadata.jwks_uri)).body.keys;
  if (kept.client) at("ask-client").value = kept.client;
  if (kept.scope !== undefined) at("ask-scope").value = kept.scope;
  if (kept.prompt) at("ask-prompt").value = kept.prompt;
  await writeRequest();
  at("ask-form").addEventListener("input", writeRequest);
  at("ask-form").addEventListener("submit", (event) => event.preventDefault());
  at("ask-go").addEventListener("click", () =>
    sessionStorage.setItem(memory, JSON.stringify(kept)));
  onPress("userinfo-send", askUserinfo);
  onPress("refresh-send", async () => {
    await received("refresh", await send(metadata.token_endpoint, refreshing()),
      "A new pair; the old refresh token is spent.");
  });
  onPress("revoke-send", revoke);
  if (!isAnswer) return;
  // The code is used from here; the address bar and the history need not keep it.
  sessionStorage.removeItem(memory);
  history.replaceState(null, "", redirect);
  const code = comeBack(sent);
  if (code) offerExchange(code);
}

begin().catch((error) => tell("The playground cannot begin: " + error.message, true));
