/* A good request of every row of the route table; one without fails the sweep. */
#include <string.h>

#include "app/routes.h"
#include "support/torture.h"

#define FORM "application/x-www-form-urlencoded"
#define SEND(verb, to, who, text) \
    .method = (verb), .path = (to), .credential = (who), .body = (text)
#define PAGE_FORM(to, who, page, text) \
    SEND("POST", to, who, "form_token={form}&" text), .content_type = FORM, .form = (page)

#define AUTHORIZE "response_type=code&client_id={oc}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"

/* clang-format off */
static const struct torture_input inputs[] = {
    {"/tenants/register", {SEND("POST", "/tenants/register", CRED_NONE, "{\"tenant_name\":\"N\",\"tenant_slug\":\"n{new}\",\"admin_username\":\"admin\",\"admin_email\":\"a@n.example\",\"admin_password\":\"{password}\"}"), .no_tenant = true}, "tenants+:creating", 0, NULL},
    {"/tenants/settings", {SEND("PUT", "/tenants/settings", CRED_BEARER, "{\"settings\":{\"refresh_grace\":5}}")}, "", 0, NULL},
    {"/tenants/schema", {SEND("PUT", "/tenants/schema", CRED_BEARER, "{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^a\",\"default\":\"b\"}}}")}, "", 400, NULL}, /* nobody publishes here */
    {"/tenants/schema/publication", {SEND("DELETE", "/tenants/schema/publication", CRED_BEARER, NULL)}, "", 404, NULL},
    {"/tenants/access-keys", {SEND("POST", "/tenants/access-keys", CRED_BEARER, "{\"label\":\"l\"}")}, "", 0, NULL},
    {"/tenants/access-keys/{id}/rotate", {SEND("POST", "/tenants/access-keys/{key}/rotate", CRED_BEARER, "{}")}, "", 0, NULL},
    {"/tenants/access-keys/{id}", {SEND("DELETE", "/tenants/access-keys/{key}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/api/register", {SEND("POST", "/api/register", CRED_NONE, "{\"username\":\"n{new}\",\"password\":\"{password}\"}")}, "", 0, NULL},
    {"/oauth/register", {SEND("POST", "/oauth/register", CRED_NONE, "{\"username\":\"n{new}\",\"email\":\"n{new}@x.example\",\"password\":\"{password}\"}")}, "", 0, NULL},
    {"/auth/register", {SEND("POST", "/auth/register", CRED_NONE, "{\"email\":\"n{new}@x.example\",\"password\":\"{password}\"}")}, "", 0, NULL},
    {"/api/v1/{cid}/signup", {SEND("POST", "/api/v1/{cid}/signup", CRED_KEY, "{\"email\":\"n{new}@x.example\",\"password\":\"{password}\"}")}, "", 0, NULL},
    {"/api/login", {SEND("POST", "/api/login", CRED_NONE, "{\"username\":\"{name}\",\"password\":\"{password}\"}")}, "audit_logs+:success:login tokens+ users~", 0, NULL},
    {"/oauth/login", {SEND("POST", "/oauth/login", CRED_NONE, "{\"username\":\"{name}\",\"password\":\"{password}\"}")}, "audit_logs+:success:login sessions+ users~", 0, NULL},
    {"/auth/login", {SEND("POST", "/auth/login", CRED_NONE, "{\"email\":\"{email}\",\"password\":\"{password}\"}")}, "audit_logs+:success:login tokens+ users~", 0, NULL},
    {"/api/v1/{cid}/login", {SEND("POST", "/api/v1/{cid}/login", CRED_KEY, "{\"email\":\"{email}\",\"password\":\"{password}\"}")}, "audit_logs+:success:login tokens+ users~", 0, NULL},
    {"/auth/refresh", {SEND("POST", "/auth/refresh", CRED_NONE, "{\"refresh_token\":\"{refresh}\"}")}, "audit_logs+:success:token.refresh tokens~", 0, NULL},
    {"/api/v1/{cid}/refresh", {SEND("POST", "/api/v1/{cid}/refresh", CRED_KEY, "{\"refresh_token\":\"{refresh}\"}")}, "audit_logs+:success:token.refresh tokens~", 0, NULL},
    {"/auth/logout", {SEND("POST", "/auth/logout", CRED_NONE, "{\"refresh_token\":\"{refresh}\"}")}, "", 0, NULL},
    {"/api/v1/{cid}/logout", {SEND("POST", "/api/v1/{cid}/logout", CRED_KEY, "{\"refresh_token\":\"{refresh}\"}")}, "", 0, NULL},
    {"/oauth/logout", {SEND("POST", "/oauth/logout", CRED_SESSION, NULL)}, "", 0, NULL},
    {"/auth/logout-all", {SEND("POST", "/auth/logout-all", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/auth/password/change", {SEND("POST", "/auth/password/change", CRED_BEARER, "{\"current_password\":\"{password}\",\"new_password\":\"another one 7\"}")}, "", 0, NULL},
    {"/oauth/authorize", {SEND("GET", "/oauth/authorize", CRED_SESSION, NULL), .query = AUTHORIZE}, "", 0, NULL},
    {"/oauth/authorize", {SEND("POST", "/oauth/authorize", CRED_SESSION, AUTHORIZE), .content_type = FORM}, "", 0, NULL},
    {"/oauth/authorize", {PAGE_FORM("/oauth/authorize", CRED_SESSION, "/oauth/authorize", "confirm=yes&" AUTHORIZE), .form_query = AUTHORIZE "&prompt=consent"}, "", 0, NULL},
    {"/oauth/end-session", {SEND("GET", "/oauth/end-session", CRED_SESSION, NULL)}, "", 0, NULL},
    {"/oauth/end-session", {PAGE_FORM("/oauth/end-session", CRED_SESSION, "/oauth/end-session", "confirm=yes")}, "", 0, NULL},
    {"/auth/verify", {SEND("GET", "/auth/verify", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/oauth/token", {SEND("POST", "/oauth/token", CRED_NONE, "grant_type=password&username={name}&password={password}&client_id={oc}&client_secret={os}"), .content_type = FORM}, "audit_logs+:success:login tokens+ users~", 0, NULL},
    {"/oauth/token", {SEND("POST", "/oauth/token", CRED_NONE, "grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id={oc}&client_secret={os}"), .content_type = FORM}, "audit_logs+:success:code.exchange tokens~", 0, NULL},
    {"/oauth/revoke", {SEND("POST", "/oauth/revoke", CRED_NONE, "token={cat}&client_id={oc}&client_secret={os}"), .content_type = FORM}, "", 0, NULL},
    {"/oauth/introspect", {SEND("POST", "/oauth/introspect", CRED_NONE, "token={cat}&client_id={oc}&client_secret={os}"), .content_type = FORM}, "", 0, NULL},
    {"/oauth/userinfo", {SEND("POST", "/oauth/userinfo", CRED_NONE, "access_token={cat}"), .content_type = FORM}, "", 0, NULL},
    {"/oauth/client/register", {SEND("POST", "/oauth/client/register", CRED_BEARER, "{\"client_name\":\"N\",\"redirect_uris\":[\"https://app.example/cb\"]}")}, "", 0, NULL},
    {"/oauth/client/{id}", {SEND("GET", "/oauth/client/{oc}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/oauth/client/{id}", {SEND("PUT", "/oauth/client/{oc}", CRED_BEARER, "{\"client_name\":\"N\",\"grant_types\":[\"password\"],\"scope\":\"write\"}")}, "", 0, NULL},
    {"/oauth/client/{id}", {SEND("DELETE", "/oauth/client/{oc}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/oauth/client/{id}/rotate-secret", {SEND("POST", "/oauth/client/{oc}/rotate-secret", CRED_BEARER, "{}")}, "", 0, NULL},
    {"/users", {SEND("GET", "/users", CRED_BEARER, NULL), .query = "filter=username%20sw%20%22%22%20and%20not%20(custom_fields.level%20gt%207%20or%20role%20ne%20%22user%22)&sort=-name,created_at&fields=id,custom_fields.level&limit=1&explain=true"}, "", 0, NULL},
    {"/users/import", {SEND("POST", "/users/import", CRED_BEARER, "{\"username\":\"n{new}\"}\n"), .content_type = "application/x-ndjson"}, "import_chunks+", 0, NULL},
    {"/users/import/{id}", {SEND("GET", "/users/import/{user}", CRED_BEARER, NULL)}, "", 404, NULL},
    {"/users/import/{id}", {SEND("DELETE", "/users/import/{user}", CRED_BEARER, NULL)}, "", 404, NULL},
    {"/users/me", {SEND("PATCH", "/users/me", CRED_BEARER, "{\"name\":\"N\",\"custom_fields\":{\"a\":1}}")}, "", 0, NULL},
    {"/users/me/sessions/{id}", {SEND("DELETE", "/users/me/sessions/{session}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/users/me/consents/{client_id}", {SEND("DELETE", "/users/me/consents/{oc}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/dashboard/consents/end", {PAGE_FORM("/dashboard/consents/end", CRED_SESSION, "/dashboard", "client={oc}")}, "", 0, NULL},
    {"/api/v1/clients/register", {SEND("POST", "/api/v1/clients/register", CRED_NONE, "{\"client_name\":\"C{new}\",\"industry\":\"I\"}"), .no_tenant = true}, "tenants+:creating", 0, NULL},
    {"/api/v1/clients/me/rotate-key", {SEND("POST", "/api/v1/clients/me/rotate-key", CRED_KEY, NULL)}, "", 0, NULL},
    {"/api/v1/{cid}/me", {SEND("PATCH", "/api/v1/{cid}/me", CRED_BEARER, "{\"name\":\"N\",\"custom_fields\":{\"a\":1}}")}, "", 0, NULL},
    {"/login", {PAGE_FORM("/login", CRED_NONE, "/login", "username={name}&password={password}")}, "audit_logs+:success:login sessions+ users~", 0, NULL},
    {"/register", {PAGE_FORM("/register", CRED_NONE, "/register", "email=n{new}%40x.example&password={password}")}, "audit_logs+:success:login sessions+ users~", 0, NULL},
    {"/logout", {PAGE_FORM("/logout", CRED_SESSION, "/dashboard", "")}, "", 0, NULL},
    {"/dashboard/profile", {PAGE_FORM("/dashboard/profile", CRED_SESSION, "/dashboard", "part=profile&name=N")}, "", 0, NULL},
    {"/dashboard/password", {PAGE_FORM("/dashboard/password", CRED_SESSION, "/dashboard", "current_password={password}&new_password=another+one+7")}, "", 0, "sessions+ "},
    {"/dashboard/sessions/end", {PAGE_FORM("/dashboard/sessions/end", CRED_SESSION, "/dashboard", "session={session}")}, "", 0, NULL},
    {"/dashboard/sessions/end-others", {PAGE_FORM("/dashboard/sessions/end-others", CRED_SESSION, "/dashboard", "")}, "", 0, "sessions+ "},
    {"/tenants/info", {SEND("POST", "/tenants/info", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/tenants/users", {SEND("POST", "/tenants/users", CRED_BEARER, "{\"username\":\"n{new}\",\"email\":\"n{new}@x.example\",\"password\":\"{password}\",\"role\":\"admin\"}")}, "", 0, NULL},
    {"/users", {SEND("POST", "/users", CRED_BEARER, "{\"email\":\"n{new}@x.example\",\"password_hash\":\"$5$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}")}, "", 0, NULL},
    {"/tenants/users/{id}", {SEND("GET", "/tenants/users/{user}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/tenants/users/{id}", {SEND("PATCH", "/tenants/users/{user}", CRED_BEARER, "{\"name\":\"N\",\"email\":\"n{new}@x.example\",\"is_active\":false}")}, "", 0, NULL},
    {"/tenants/users/{id}", {SEND("DELETE", "/tenants/users/{user}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/users/{id}", {SEND("GET", "/users/{user}", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/users/{id}", {SEND("PATCH", "/users/{user}", CRED_KEY, "{\"custom_fields\":{\"a\":1}}")}, "", 0, NULL},
    {"/users/{id}", {SEND("DELETE", "/users/{user}", CRED_KEY, NULL)}, "", 0, NULL},
    {"/tenants/users/{id}/role", {SEND("PUT", "/tenants/users/{user}/role", CRED_BEARER, "{\"role\":\"admin\"}")}, "", 0, NULL},
    {"/tenants/users/{id}/revoke-sessions", {SEND("POST", "/tenants/users/{user}/revoke-sessions", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/tenants/current", {SEND("PATCH", "/tenants/current", CRED_BEARER, "{\"name\":\"N\"}")}, "", 0, NULL},
    {"/tenants/current", {SEND("DELETE", "/tenants/current", CRED_BEARER, "{\"confirm\":\"{slug}\"}")}, "", 0, NULL},
    {"/users/me", {SEND("DELETE", "/users/me", CRED_BEARER, NULL)}, "", 0, NULL},
    {"/admin/tenants", {SEND("POST", "/admin/tenants", CRED_PLATFORM, "{\"name\":\"N\",\"slug\":\"n{new}\",\"owner_email\":\"a@n.example\",\"owner_password\":\"{password}\",\"with_key\":true}"), .no_tenant = true}, "tenants+:creating", 0, NULL},
    {"/admin/tenants/{id}", {SEND("GET", "/admin/tenants/{tenant}", CRED_PLATFORM, NULL), .no_tenant = true}, "", 0, NULL},
    {"/admin/tenants/{id}", {SEND("PATCH", "/admin/tenants/{tenant}", CRED_PLATFORM, "{\"name\":\"N\",\"plan\":\"free\",\"limits\":{\"users\":7}}"), .no_tenant = true}, "", 0, NULL},
    {"/admin/tenants/{id}", {SEND("DELETE", "/admin/tenants/{tenant}", CRED_PLATFORM, NULL), .no_tenant = true}, "", 0, NULL},
    {"/admin/tenants/{id}/suspend", {SEND("POST", "/admin/tenants/{tenant}/suspend", CRED_PLATFORM, NULL), .no_tenant = true}, "", 0, NULL},
    {"/admin/tenants/{id}/restore", {SEND("POST", "/admin/tenants/{tenant}/restore", CRED_PLATFORM, NULL), .no_tenant = true, .suspended = true}, "", 0, NULL},
    {"/admin/tenants/{id}/audit", {SEND("GET", "/admin/tenants/{tenant}/audit", CRED_PLATFORM, NULL), .no_tenant = true}, "", 0, NULL},
    {"/admin/keys", {SEND("POST", "/admin/keys", CRED_PLATFORM, "{\"label\":\"l\"}"), .no_tenant = true}, "", 0, NULL},
    {"/admin/keys/{id}/rotate", {SEND("POST", "/admin/keys/{pk}/rotate", CRED_PLATFORM, "{}"), .no_tenant = true}, "", 0, NULL},
    {"/admin/keys/{id}", {SEND("DELETE", "/admin/keys/{pk}", CRED_PLATFORM, NULL), .no_tenant = true}, "", 0, NULL},
    {"/", {SEND("GET", "/", CRED_NONE, NULL)}, "", 0, NULL},
    {"/login", {SEND("GET", "/login", CRED_NONE, NULL)}, "", 0, NULL},
    {"/playground", {SEND("GET", "/t/{slug}/playground", CRED_NONE, NULL)}, "", 0, NULL},
    {"/register", {SEND("GET", "/register", CRED_NONE, NULL)}, "", 0, NULL},
    {"/dashboard/close", {PAGE_FORM("/dashboard/close", CRED_SESSION, "/dashboard", "current_password={password}")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}", {SEND("GET", "/dashboard/admin/users/{user}", CRED_SESSION, NULL)}, "", 0, NULL},
    {"/dashboard/admin/users", {PAGE_FORM("/dashboard/admin/users", CRED_SESSION, "/dashboard/admin/users/new", "username=n{new}&password={password}&role=user")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}", {PAGE_FORM("/dashboard/admin/users/{user}", CRED_SESSION, "/dashboard/admin/users/{user}", "version={version}&username={username}&name=N")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}/role", {PAGE_FORM("/dashboard/admin/users/{user}/role", CRED_SESSION, "/dashboard/admin/users/{user}", "role=admin")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}/active", {PAGE_FORM("/dashboard/admin/users/{user}/active", CRED_SESSION, "/dashboard/admin/users/{user}", "active=false")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}/sign-out", {PAGE_FORM("/dashboard/admin/users/{user}/sign-out", CRED_SESSION, "/dashboard/admin/users/{user}", "")}, "", 0, NULL},
    {"/dashboard/admin/users/{id}/delete", {PAGE_FORM("/dashboard/admin/users/{user}/delete", CRED_SESSION, "/dashboard/admin/users/{user}", "confirm={username}")}, "", 0, NULL},
    {"/dashboard/admin/fields", {PAGE_FORM("/dashboard/admin/fields", CRED_SESSION, "/dashboard/admin/fields", "step=try&schema=%7B")}, "", 400, NULL},
    {"/dashboard/admin/settings", {PAGE_FORM("/dashboard/admin/settings", CRED_SESSION, "/dashboard/admin/settings", "version={version}&refresh_grace=5")}, "", 0, NULL},
    {"/dashboard/admin/keys", {PAGE_FORM("/dashboard/admin/keys", CRED_SESSION, "/dashboard/admin/keys", "once={once}&label=l&scope%3Aauth=auth")}, "", 0, NULL},
    {"/dashboard/admin/keys/{id}/rotate", {PAGE_FORM("/dashboard/admin/keys/{key}/rotate", CRED_SESSION, "/dashboard/admin/keys", "overlap=0")}, "", 0, NULL},
    {"/dashboard/admin/clients", {PAGE_FORM("/dashboard/admin/clients", CRED_SESSION, "/dashboard/admin/clients/new", "once={once}&client_name=N&kind=web&redirect_uris=https%3A%2F%2Fapp.example%2Fcb")}, "", 0, NULL},
    {"/dashboard/admin/clients/{id}", {SEND("GET", "/dashboard/admin/clients/{oc}", CRED_SESSION, NULL)}, "", 0, NULL},
    {"/dashboard/admin/clients/{id}", {PAGE_FORM("/dashboard/admin/clients/{oc}", CRED_SESSION, "/dashboard/admin/clients/{oc}", "version={version}&client_name=N&scope=read&redirect_uris=https%3A%2F%2Fapp.example%2Fcb")}, "", 0, NULL},
    {"/dashboard/admin/clients/{id}/rotate", {PAGE_FORM("/dashboard/admin/clients/{oc}/rotate", CRED_SESSION, "/dashboard/admin/clients/{oc}", "version={version}&overlap=0")}, "", 0, NULL},
    {"/dashboard/admin/clients/{id}/delete", {PAGE_FORM("/dashboard/admin/clients/{oc}/delete", CRED_SESSION, "/dashboard/admin/clients/{oc}", "confirm=own")}, "", 0, NULL},
    {"/dashboard/admin/keys/{id}/delete", {PAGE_FORM("/dashboard/admin/keys/{key}/delete", CRED_SESSION, "/dashboard/admin/keys", "")}, "", 0, NULL},
};
/* clang-format on */

#define INPUT_COUNT (sizeof inputs / sizeof inputs[0])

/* Nothing but the credential that the row names. */
static struct torture_input reading(const struct route *route)
{
    struct torture_input input = {
        route->path, {SEND("GET", route->path, CRED_NONE, NULL)}, "", 0, NULL};

    if ((route->auth & AUTH_BEARER) != 0)
        input.request.credential = CRED_BEARER;
    else if ((route->auth & AUTH_SESSION) != 0)
        input.request.credential = CRED_SESSION;
    else if ((route->auth & AUTH_KEY) != 0)
        input.request.credential = CRED_KEY;
    else if ((route->auth & AUTH_PLATFORM) != 0)
        input.request.credential = CRED_PLATFORM;
    input.request.no_tenant = route->tenant == TENANT_IGNORED;
    return input;
}

static const char *name_of(enum method method)
{
    return method == GET     ? "GET"
           : method == POST  ? "POST"
           : method == PUT   ? "PUT"
           : method == PATCH ? "PATCH"
                             : "DELETE";
}

bool torture_find_input(const struct route *route, enum method method,
                        struct torture_input *ret_input)
{
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        if (strcmp(inputs[i].route, route->path) == 0 &&
            strcmp(inputs[i].request.method, name_of(method)) == 0) {
            *ret_input = inputs[i];
            return true;
        }
    }
    *ret_input = reading(route);
    return method == GET && strstr(route->path, "{id}") == NULL;
}
