/* The console's page of the schema of custom fields, in each of its states. */
#pragma once

#include "app/http.h"
#include "app/page.h"
#include "handlers/console_forms.h"
#include "models/custom_schema.h"
#include "models/user.h"

struct fields_page {
    const struct user *me;
    const char *draft;          /* what stands in the editor */
    struct fields_form field;   /* what stands in the form of one field */
    struct custom_trial *trial; /* it was held against the users; or NULL */
    const char *done;           /* what came of the step; or NULL */
    enum err code;              /* why it was refused */
    bool is_sent;               /* a form was: the editor has what must not be lost */
};

/* --- shared by its parts --- */

/* Users who do not fit, as the rows "name". */
CHECKED enum err console_fields_sample(struct request *req, const struct list *failures,
                                       const char *name, struct template_var *ret_var);
/* "3 of 12 users do not fit this schema." */
const char *console_fields_verdict(struct ctx *ctx, int64_t failing, int64_t checked);
/* The publication or dry run that goes on or failed, as variables of the page; *ret_publishing: one
 * is going on that will change the schema. */
CHECKED enum err console_fields_progress(struct request *req, struct page *page,
                                         bool *ret_publishing);

CHECKED enum err console_fields_respond(struct request *req, struct response *res,
                                        const struct fields_page *page);
