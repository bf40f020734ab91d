/*
 * A service without a socket for tests that make its parts fail: app, a tenant, a platform key, and
 * for every try users and credentials of its own. Requests go through dispatch(). One at a time;
 * the server is the one that TEST_MONGODB_URI names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/app.h"
#include "app/http.h"

/* False when there is no server: skip. */
bool torture_begin(void);
void torture_end(void);
struct app *torture_app(void);

/* --- requests --- */

enum torture_credential {
    CRED_UNSET = 0,
    CRED_NONE,
    CRED_BEARER,
    CRED_SESSION,
    CRED_KEY,
    CRED_PLATFORM
};

/* What stands in path, query and body is replaced. Of the try's owner: {email} {name} {password}
 * {refresh} {session} (id) {grant} (id); {user} another user (id), {username} its name; of the
 * tenant: {cid} {slug} {key} (id); {tenant} another tenant (id), {pk} a platform key (id); {oc} and
 * {os} an OAuth client's id and secret, {cat} its access token, {code} a code for it; {new} a
 * number never used before; {form} and {version} of the page. */
struct torture_request {
    const char *method, *path, *query, *body;
    const char *form_query;   /* of the page that form names; NULL: none */
    const char *content_type; /* NULL = application/json */
    enum torture_credential credential;
    bool no_tenant;     /* no X-Tenant-Slug */
    bool suspended;     /* {tenant} is suspended */
    const char *form;   /* page whose form with this path as its action has the token, or NULL */
    const char *repeat; /* the Idempotency-Key, or NULL */
};

/* A good request of each row. harmless: what a failed one may leave because nobody was given it and
 * it ends by itself; beginnings of lines of a difference. status: of success, where it is not the
 * row's. */
struct torture_input {
    const char *route;
    struct torture_request request;
    const char *harmless;
    int status;
    const char *optional; /* a line that a success may lack, with its blank, or NULL */
};
struct route;
/* False: the row has none. Reading needs none but for ids in the path. */
bool torture_find_input(const struct route *route, enum method method,
                        struct torture_input *ret_input);

/* So that whatever writes users of the tenant has a schema to read. */
struct ctx;
struct tenant;
void torture_publish_schema(struct ctx *ctx, struct tenant *tenant);

/* The try's own users and credentials. Anew for each try. */
void torture_prepare(const struct torture_request *request);
/* Sees that the change stream is known to be up to date, as in a running service. */
void torture_beat(void);
/* The answer's status; the response lives until the next call. A stream is read to its end; one
 * that was cut is 0, since a client sees that it was. */
int torture_send(const struct torture_request *request);
const struct response *torture_response(void);
size_t torture_body_size(void);   /* with all of a stream's parts */
const char *torture_reason(void); /* what went wrong last */
/* Whatever this process remembers of the database is forgotten. */
void torture_flush(void);
/* Also that a tenant's epoch rose; takes its time. */
void torture_forget_revocations(void);

/* --- the form of a page --- */

#define TORTURE_FORM_VALUE 512
struct torture_form {
    char token[TORTURE_FORM_VALUE], version[TORTURE_FORM_VALUE], once[TORTURE_FORM_VALUE];
};
/* False when there is no form with this action. */
bool torture_form_read(const char *html, const char *action, struct torture_form *ret_form);

/* --- what the database holds --- */

struct torture_state;
struct torture_state *torture_state_read(void);
void torture_state_free(struct torture_state *state);
/* One line for each document: "users+", "users-", "users~name,version", sorted. Of what no promise
 * is about (leases, counters of tries, counters that housekeeping repairs) none. */
#define TORTURE_DIFFERENCE 2048
void torture_difference(const struct torture_state *before, const struct torture_state *after,
                        char ret_lines[TORTURE_DIFFERENCE]);
/* Puts back what before says where after differs. True when something was put back that the
 * process may remember. */
bool torture_restore(const struct torture_state *before, const struct torture_state *after);

/* --- memory --- */

/* The n-th malloc, calloc, realloc or strdup of ours or of jansson from now on, in any thread,
 * once; 0 switches it off. Returns what the last setting was still waiting for. Not within libjwt,
 * which does not survive it, as libbson does not (docs/adr/0002-memory.md). Only in programs that
 * are linked with --wrap. */
int64_t torture_heap_fail_after(int64_t n);
