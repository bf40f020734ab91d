/* What the pages of the console share (handlers/console.c). Strings live in the request's arena. */
#pragma once

#include "app/http.h"
#include "app/page.h"
#include "handlers/pages_inputs.h"
#include "models/user.h"

/* Who asks: an active administrator or owner. ERR_UNAUTHENTICATED without a session, ERR_ROLE for
 * others. */
CHECKED enum err console_enter(struct request *req, enum role least, struct user *ret_user);
/* The same for a form: its token was made for this session and this use. */
CHECKED enum err console_enter_form(struct request *req, enum role least, const char *use,
                                    struct user *ret_user);

struct console_view {
    const struct user *user; /* who asks */
    const char *here;        /* which entry of the navigation: "users" */
    const char *message;     /* what went wrong, or NULL: then ?notice= may say something */
    int status;              /* 0 = 200 */
};

/* The page with the console's frame: its own variables and those of the frame. */
CHECKED enum err console_respond(struct request *req, struct response *res,
                                 const struct console_view *view, struct page *page);
/* 303 to a page of the console. */
CHECKED enum err console_redirect(struct request *req, struct response *res, const char *path);

/* An address below the console: "/dashboard/admin/users?q=…" from pairs of name and value; a pair
 * without a value is left out. Names end with NULL. */
struct console_query {
    const char *name, *value;
};
CHECKED enum err console_address(struct request *req, const char *path,
                                 const struct console_query *queries, const char **ret_address);

/*
 * A form for a new object names the id that it will have, and its token vouches for that id:
 * however often the form is sent (a reload sends it again), it makes one, because ids are unique.
 * Nothing needs to be kept for that, least of all a secret. use is the form's own.
 */
CHECKED enum err console_put_once(struct request *req, const char *use, const char *id,
                                  struct template_var ret_vars[2]);
/* The id of the form that was sent. ERR_FORM_TOKEN. */
CHECKED enum err console_check_once(struct request *req, const char *use, const char **ret_id);

/* How long what a form replaces works on, as it was sent: milliseconds. what is "key" or "secret".
 * ERR_VALIDATION. */
CHECKED enum err console_overlap(struct request *req, const char *seconds, const char *what,
                                 int64_t *ret_ms);

/* 303 to the page of a user, with ?notice=. */
CHECKED enum err console_redirect_user(struct request *req, struct response *res,
                                       const struct uuid *id, const char *notice);
/* The sentence above a form that was refused: the whole of it, or, when it stands beside a field,
 * where to look. NULL for ERR_OK. */
const char *console_refusal(struct request *req, enum err code, bool is_beside);
/* The roles that this user may give; ends with label NULL. */
const struct input_choice *console_role_choices(const struct user *me);
bool console_role(const char *word, enum role *ret_role);
