/*
 * HTML answers: a template inside the common frame, with the headers that every page has (a strict
 * Content-Security-Policy, Vary), and the page that shows an error. Knows no tenant: what brands a
 * page is given. Any thread.
 */
#pragma once

#include "app/http.h"
#include "app/template.h"

struct page {
    const char *template_name; /* "login" is templates/login.html */
    const char *title;
    const char *brand;  /* whose page it is; NULL = the service's own */
    const char *slug;   /* decides the accent colour; NULL = the service's */
    const char *prefix; /* "" or "/t/<slug>": every link and form of the page begins with it */
    const struct template_var *vars;
    size_t var_count;
};

CHECKED enum err page_respond(struct request *req, struct response *res, int status,
                              const struct page *page);
/* Always answers: in plain text when a template is broken. */
void page_error(struct request *req, struct response *res, enum err code);

/* What a person reads about the error of ctx.failure, in the arena. */
const char *page_error_text(struct request *req, enum err code);
/* "/t/<slug>" when the request named its tenant by path, else "". NULL when out of memory. */
const char *page_prefix(struct request *req);
