/* Lists for the holder of an access key: the users of its tenant. The audit log: audit.c. */
#include "app/paging.h"
#include "handlers/clients.h"
#include "models/user.h"

struct user_page {
    struct list users;
    const char *next;
};

/* clang-format off */
static const struct field client_users_fields[] = {
    FIELD_LIST(struct user_page, users, "users", F_REQUIRED | F_ALWAYS, &user_schema, 200),
    FIELD_STR(struct user_page, next, "next", F_ALWAYS, 1, 1024, .doc = "Cursor of the next page; null on the last."),
};
const struct schema client_users_schema = {
    .name = "user_page", .size = sizeof(struct user_page), SCHEMA_FIELDS(client_users_fields),
};
/* clang-format on */

enum err handle_client_users(struct request *req, struct response *res)
{
    static const struct cursor_list list = {.name = "users"};
    struct user_page page = {0};
    struct uuid position = {0};
    struct paging paging;
    bool cut = false;

    TRY(paging_read(req, &list, 1, &paging));
    if (paging.begun && !uuid_parse(paging.values[0], &position))
        return ERR_BAD_CURSOR;
    TRY(user_list_page(&req->ctx, &position, paging.limit + 1, &cut, &page.users));

    const struct user *users = page.users.items;

    if (paging_cut(&paging, &page.users) || cut) {
        char last[UUID_TEXT_SIZE];
        const char *const values[] = {last};

        uuid_text(&users[page.users.count - 1].id, last);
        TRY(paging_next(req, &paging, values, &page.next));
    }
    return respond(req, res, 200, &page);
}
