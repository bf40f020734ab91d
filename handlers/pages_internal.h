/* What the parts of handlers/pages.h share. Strings live in the request's arena. */
#pragma once

#include <bson/bson.h>

#include "app/http.h"
#include "app/page.h"
#include "app/shape.h"
#include "models/session.h"
#include "models/user.h"

/* --- where a page is (pages_common.c) --- */

/* "/t/<slug>" unless the host names the tenant: every link and form of a page begins with it. */
CHECKED enum err pages_prefix(struct request *req, const char **ret_prefix);
/* 303 to a path of the same tenant by the same way. */
CHECKED enum err pages_redirect(struct request *req, struct response *res, const char *path);
/* A page of the request's tenant, in its name and colour. */
CHECKED enum err pages_respond(struct request *req, struct response *res, int status,
                               const struct page *page);
/* More variables for a page, after those it has. */
CHECKED enum err pages_add_vars(struct request *req, struct page *page,
                                const struct template_var *vars, size_t count);
bool pages_has_session(const struct request *req);
/* The user of the session; ERR_UNAUTHENTICATED when there is none any more. */
CHECKED enum err pages_read_user(struct request *req, struct user *ret_user);
/* What a page that needs a session does about an error: without one to the login page. */
CHECKED enum err pages_to_login(struct request *req, struct response *res, enum err code);
CHECKED enum err pages_set_session(struct request *req, struct response *res, const char *cookie);

/* Ends the caller's session, and what else this browser's cookies of the tenant stand for; fine
 * when it had ended before. */
CHECKED enum err pages_end_session(struct request *req);
/* The browser forgets the session and the tokens of the tenant; the device stays known. */
CHECKED enum err pages_expire_cookies(struct request *req, struct response *res);

/* After everything of the user ended: a new session here, and this browser is known anew. */
/* The change is made, so this is its success also when no session can be opened now (user may be
 * NULL for that): then the way leads to the login page. */
CHECKED enum err pages_go_on(struct request *req, struct response *res, const struct user *user,
                             const char *notice);

/* --- form tokens --- */

/* What forms before a login are bound to: the random value of a cookie, set when absent. */
CHECKED enum err pages_nonce(struct request *req, struct response *res, const char **ret_nonce);
CHECKED enum err pages_check_nonce_form(struct request *req, const char *use, const char *token);
/* Forms of a session are bound to its id. */
CHECKED enum err pages_session_token(struct request *req, const char *use, const char **ret_token);
CHECKED enum err pages_check_session_form(struct request *req, const char *use, const char *token);

/* --- messages --- */

/* Errors that a form shows beside what was typed; the others are a page of their own. */
bool pages_shows(enum err code);
/* Headers of an error that is shown by a form. */
void pages_error_headers(struct request *req, struct response *res);
/* True when ctx.failure names that field. */
bool pages_field_failed(const struct request *req, const char *name);
/* What was typed into a field of the form that was just sent, "" when nothing. */
const char *pages_typed(const struct request *req, const char *name);
/* Whether that form had the field at all. */
bool pages_is_typed(const struct request *req, const char *name);
/* The text of ?notice=…, from a closed list; NULL when there is none. */
CHECKED enum err pages_notice(struct request *req, const char **ret_text);

/* --- pages that several handlers answer --- */

/* Login and registration; failed is the form that was just refused with code, or NULL. */
struct login_view {
    const char *failed; /* "login", "register" */
    enum err code;
    bool wants_register; /* opened to register: the registration form gets the focus */
};
/* The custom fields that a registration asks for. */
struct schema_form;
CHECKED enum err pages_registration_fields(struct request *req, struct schema_form *form);
CHECKED enum err pages_login(struct request *req, struct response *res,
                             const struct login_view *view);
CHECKED enum err pages_landing(struct request *req, struct response *res);

/* The dashboard once more, with the form that was refused ("profile", "json", "password",
 * "sessions", "close") and why; or the error as a page of its own. */
CHECKED enum err dashboard_show_again(struct request *req, struct response *res, const char *form,
                                      enum err code);

/* --- sign-ins (pages_sessions.c) --- */

/* The variables of the list. */
CHECKED enum err sessions_add_vars(struct request *req, struct page *page);

/* --- applications with access (pages_consents.c) --- */

/* The variables of the list. */
CHECKED enum err consents_add_vars(struct request *req, struct page *page);

/* --- custom fields (pages_fields.c) --- */

/* All of them as rows to read, and without a schema the simple ones as inputs to change. */
struct fields_view {
    const struct template_vars *rows;
    size_t row_count;
    const struct template_vars *inputs;
    size_t input_count;
    const char *json; /* indented */
};
CHECKED enum err fields_view(struct request *req, const struct user *user,
                             struct fields_view *ret_view);
/* The inputs that were changed, merged into the user's fields; *ret_changed is false when none was.
 */
CHECKED enum err fields_from_inputs(struct request *req, const struct user *user,
                                    struct bytes *ret_document, bool *ret_changed);
/* Whether the form that was sent had such inputs. */
bool fields_inputs_are_sent(const struct request *req);
/* A value for people: texts as they are, the rest as JSON writes it. */
const char *fields_text(struct ctx *ctx, const bson_iter_t *at);
/* The same of a field that the schema describes: true and false are the answers of its box. shape
 * may be NULL. */
const char *fields_words(struct ctx *ctx, const struct shape *shape, const bson_iter_t *at);
/* "red, green, blue" for an array of simple values, NULL for any other element. */
CHECKED enum err fields_joined(struct ctx *ctx, const bson_iter_t *array, const char **ret_text);
/* Indented JSON. */
CHECKED enum err fields_pretty(struct ctx *ctx, const bson_iter_t *at, const char **ret_json);
CHECKED enum err fields_pretty_document(struct ctx *ctx, const struct bytes *document,
                                        const char **ret_json);
/* Forms send line ends as CR LF; texts have LF. */
CHECKED enum err fields_unix_lines(struct request *req, const char *text, const char **ret_text);
CHECKED enum err fields_from_json(struct request *req, const char *json,
                                  struct bytes *ret_document);
