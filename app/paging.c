/* Lists in pages. */
#include "app/paging.h"

enum err paging_read(struct request *req, const struct cursor_list *list, size_t value_count,
                     struct paging *ret_paging)
{
    const char *cursor = NULL;

    *ret_paging = (struct paging){.list = *list, .value_count = value_count};
    TRY(request_limit(req, PAGING_STANDARD, PAGING_MAXIMUM, &ret_paging->limit));
    TRY(request_query(req, "cursor", &cursor));
    if (cursor == NULL)
        return ERR_OK;
    ret_paging->begun = true;
    return cursor_read(&req->ctx, list, cursor, ret_paging->values, value_count);
}

bool paging_cut(const struct paging *paging, struct list *rows)
{
    const bool more = rows->count > (size_t)paging->limit;

    if (more)
        rows->count = (size_t)paging->limit;
    return more;
}

enum err paging_next(struct request *req, const struct paging *paging, const char *const *values,
                     const char **ret_next)
{
    return cursor_make(&req->ctx, &paging->list, values, paging->value_count, ret_next);
}
