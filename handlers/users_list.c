/* The users of a tenant for whoever administers it: what is asked, and the page. */
#include "handlers/users_list.h"

#include "app/filter.h"
#include "app/paging.h"
#include "models/user.h"
#include "models/user_fields.h"
#include "models/user_query.h"

struct users_query {
    struct user_query query;
    const char *fields;
};

#define FILTER_DOC                                                                               \
    "RFC 7644 §3.4.2.2: eq ne co sw ew gt ge lt le pr, and or not ( ), over id username email " \
    "name role is_active is_email_verified created_at updated_at last_login_at and "             \
    "custom_fields.<path>."
#define SORT_DOC \
    "At most three fields, a minus before those that go down; who has not the field comes first."

/* clang-format off */
static const struct field users_query_fields[] = {
    FIELD_STR(struct users_query, query.filter, "filter", F_NONE, 1, INT32_MAX, .doc = FILTER_DOC, .example = "custom_fields.department eq \"sales\" and is_active eq true"),
    FIELD_STR(struct users_query, query.sort, "sort", F_NONE, 1, 1000, .doc = SORT_DOC, .example = "custom_fields.age,-created_at"),
    FIELD_STR(struct users_query, fields, "fields", F_NONE, 1, 4000, .doc = USER_FIELDS_DOC, .example = "email,custom_fields.department"),
    FIELD_INT(struct users_query, query.limit, "limit", F_NONE, 1, 200, .doc = "Users of a page, 50 when absent."),
    FIELD_STR(struct users_query, query.cursor, "cursor", F_NONE, 1, CURSOR_TEXT_MAX, .doc = "What next of the page before said; filter and sort must be the same."),
    FIELD_BOOL(struct users_query, query.explain, "explain", F_NONE, .doc = "true: the answer tells in query how the users were found. Asks the database twice."),
};
const struct schema users_query_schema = {
    .name = "users_query", .size = sizeof(struct users_query), SCHEMA_FIELDS(users_query_fields),
};

static const char *const accesses[] = {"index", "scan", NULL};

static const struct field user_cost_fields[] = {
    FIELD_STR(struct user_cost, access, "access", F_NONE, 1, 16, .values = accesses, .doc = "scan: each user was looked at, as only small tenants allow."),
    FIELD_STR(struct user_cost, index, "index", F_NONE, 1, 8192, .doc = "The index that was used."),
    FIELD_INT_OPT(struct user_cost, examined, is_told, "examined", F_NONE, 0, INT64_MAX, .doc = "Users that the database looked at."),
    FIELD_INT_OPT(struct user_cost, returned, is_told, "returned", F_NONE, 0, INT64_MAX),
};
static const struct schema user_cost_schema = {
    .name = "user_query_cost", .size = sizeof(struct user_cost), SCHEMA_FIELDS(user_cost_fields),
};

static const struct field users_page_fields[] = {
    FIELD_LIST(struct user_page, users, "users", F_REQUIRED | F_ALWAYS, &user_schema, 200),
    FIELD_STR(struct user_page, next, "next", F_ALWAYS, 1, CURSOR_TEXT_MAX, .doc = "Cursor of the next page; null on the last. A page may hold fewer than limit and have a next one."),
    FIELD_OBJECT(struct user_page, cost, "query", F_NONE, &user_cost_schema),
};
const struct schema users_page_schema = {
    .name = "users_page", .size = sizeof(struct user_page), SCHEMA_FIELDS(users_page_fields),
};
/* clang-format on */

static enum err cut_down(struct ctx *ctx, const struct user_fields *fields, struct list *users)
{
    struct user *user = users->items;

    for (size_t i = 0; i < users->count; i++)
        TRY(user_fields_apply(ctx, fields, &user[i]));
    return ERR_OK;
}

enum err handle_users_list(struct request *req, struct response *res)
{
    struct user_page page = {.next = NULL};
    struct user_fields fields;
    struct users_query in;

    TRY(request_query_input(req, &in));
    TRY(user_fields_parse(&req->ctx, in.fields, &fields));
    if (in.query.limit == 0)
        in.query.limit = PAGING_STANDARD;
    TRY(user_query_run(&req->ctx, &in.query, &page));
    TRY(cut_down(&req->ctx, &fields, &page.users));
    return respond(req, res, 200, &page);
}
