/*
 * HTML answers: a template inside the common frame, with the headers of every page (a strict
 * Content-Security-Policy, Vary). Knows no tenant: what brands a page is given. Any thread.
 */
#pragma once

#include "app/http.h"
#include "app/template.h"

struct page {
    const char *template_name; /* "login" is templates/login.html */
    const char *title;
    const char *brand;       /* whose page it is; NULL = the service's own */
    const char *slug;        /* decides the accent colour; NULL = the service's */
    const char *prefix;      /* "" or "/t/<slug>": every link and form of the page begins with it */
    const char *form_action; /* an address that its forms lead to by way of redirects; or NULL */
    bool submits_itself;     /* has a script of one line: it sends the page's form */
    const char *script;      /* a file of templates/static that it runs, which may fetch from the
                                page's own origin; or NULL */
    const char *script_nonce; /* page_respond makes it */
    const struct template_var *vars;
    size_t var_count;
};

/* The finished page into out, which is initialised. For the error page of app/http_error.c, too. */
CHECKED enum err page_render(struct ctx *ctx, const struct page *page, struct buf *out);
CHECKED enum err page_respond(struct request *req, struct response *res, int status,
                              const struct page *page);
/* The class of a tenant's colour. */
const char *page_accent(struct ctx *ctx, const char *slug);
/* The headline of an error page. */
const char *page_status_title(int status);
/* What a person reads about an error that a form shows again with its fields, in the arena. */
const char *page_error_text(struct ctx *ctx, enum err code);
