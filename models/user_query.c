/*
 * From a query to a page. Each way of the plan is tried for a short time; most queries end there,
 * at the price of one find. What takes longer is asked again with a budget of documents.
 */
#include "models/user_query.h"

#include <string.h>

#include "app/db.h"
#include "models/custom_fields.h"
#include "models/tenant.h"
#include "models/user.h"
#include "models/user_plan.h"

#define QUICK_MS 100   /* of one way, unwatched */
#define BUDGET   10000 /* users that one page may look at, or sort */

struct search {
    struct ctx *ctx;
    const struct user_query *query;
    struct user_plan plan;
    struct cursor_list list;
    const char *parameters[4];
    bool begun; /* there is a position */
    struct user_position position;
    struct list users;
    bool cut; /* for their size */
    bool more;
    const struct user *last;    /* where the next page begins, when there is one */
    const struct user_way *way; /* that led to them */
    int64_t budget;             /* … within it; 0 = without */
};

/* ---- documents for the database ---- */

/* What one way asks for; each is NULL when it is nothing. */
struct documents {
    bson_t *access, *rest, *sort, *keys, *after;
};

static void documents_free(struct documents *documents)
{
    bson_destroy(documents->access);
    bson_destroy(documents->rest);
    bson_destroy(documents->sort);
    bson_destroy(documents->keys);
    bson_destroy(documents->after);
}

static inline void documents_free_p(struct documents *documents)
{
    documents_free(documents);
}

/* Each condition in a document of its own: {$and: [...]} */
static enum err put_all(const struct search *search, const struct user_filter *conditions,
                        bson_t *list, uint32_t *count)
{
    for (const struct user_filter *one = conditions; one != NULL; one = one->next) {
        const char *key;
        char room[16];
        bson_t part;

        bson_uint32_to_string((*count)++, &key, room, sizeof room);
        BSON_APPEND_DOCUMENT_BEGIN(list, key, &part);

        const enum err put = user_filter_put(search->ctx, one, search->plan.ignores_case, &part);

        bson_append_document_end(list, &part);
        TRY(put);
    }
    return ERR_OK;
}

static void put_range(bson_t *list, uint32_t *count, const char *element, const char *operator,
                      const struct user_value * value)
{
    bson_t part, range;
    const char *key;
    char room[16];

    bson_uint32_to_string((*count)++, &key, room, sizeof room);
    BSON_APPEND_DOCUMENT_BEGIN(list, key, &part);
    bson_append_document_begin(&part, element, -1, &range);
    user_value_put(&range, operator, value);
    bson_append_document_end(&part, &range);
    bson_append_document_end(list, &part);
}

static const char *direction(bool down)
{
    return down ? "$lt" : "$gt";
}

/* Behind the position along the index: {$or: [{f: value, _id: {$gt: id}}, {f: {$gt: value}, what
 * the way asks of f}]}, so that each branch is one interval of the index. */
static enum err put_behind(const struct search *search, const struct user_way *way, bson_t *out)
{
    const struct user_value id = {.type = USER_VALUE_ID, .id = search->position.id};
    const struct user_value *value = &search->position.values[0];
    const bool down = search->plan.order.down[0];
    const char *element = way->field.element;
    bson_t alternatives, alternative, list;
    uint32_t count = 0;

    BSON_APPEND_ARRAY_BEGIN(out, "$or", &alternatives);
    BSON_APPEND_DOCUMENT_BEGIN(&alternatives, "0", &alternative);
    BSON_APPEND_ARRAY_BEGIN(&alternative, "$and", &list);
    put_range(&list, &count, element, "$eq", value);
    put_range(&list, &count, "_id", direction(search->plan.order.id_down), &id);
    bson_append_array_end(&alternative, &list);
    bson_append_document_end(&alternatives, &alternative);
    BSON_APPEND_DOCUMENT_BEGIN(&alternatives, "1", &alternative);
    BSON_APPEND_ARRAY_BEGIN(&alternative, "$and", &list);
    count = 0;
    put_range(&list, &count, element, direction(down), value);

    const enum err put = put_all(search, way->served, &list, &count);

    bson_append_array_end(&alternative, &list);
    bson_append_document_end(&alternatives, &alternative);
    bson_append_array_end(out, &alternatives);
    return put;
}

/* A partial index serves those that have the field; the database wants to be told. */
static bool needs_presence(const struct user_way *way)
{
    return way->kind == USER_WAY_INDEX && way->served == NULL && !way->field.whole;
}

static void put_presence(bson_t *list, uint32_t *count, const char *element)
{
    bson_t part, range;
    const char *key;
    char room[16];

    bson_uint32_to_string((*count)++, &key, room, sizeof room);
    BSON_APPEND_DOCUMENT_BEGIN(list, key, &part);
    bson_append_document_begin(&part, element, -1, &range);
    bson_put_bool(&range, "$exists", true);
    bson_append_document_end(&part, &range);
    bson_append_document_end(list, &part);
}

/* The position as one more bound: of the id, or of a unique field. */
static void put_bound(const struct search *search, const struct user_way *way, bson_t *list,
                      uint32_t *count)
{
    const struct user_order *order = &search->plan.order;
    const struct user_value id = {.type = USER_VALUE_ID, .id = search->position.id};

    if (order->count == 0)
        put_range(list, count, "_id", direction(order->id_down), &id);
    else
        put_range(list, count, way->field.element, direction(order->down[0]),
                  &search->position.values[0]);
}

static enum err build_access(const struct search *search, const struct user_way *way, bson_t **ret)
{
    const bool bound = search->begun && way->ordered;
    bson_t *access = *ret = bson_new(), list;
    uint32_t count = 0;
    enum err put = ERR_OK;

    if (bound && search->plan.order.count > 0 && !way->field.unique)
        return put_behind(search, way, access);
    BSON_APPEND_ARRAY_BEGIN(access, "$and", &list);
    put = put_all(search, way->served, &list, &count);
    if (needs_presence(way))
        put_presence(&list, &count, way->field.element);
    if (bound)
        put_bound(search, way, &list, &count);
    bson_append_array_end(access, &list);
    if (count == 0) {
        bson_destroy(access);
        *ret = NULL;
    }
    return put;
}

static enum err build_rest(const struct search *search, const struct user_way *way, bson_t **ret)
{
    uint32_t count = 0;
    bson_t list;

    if (way->rest == NULL)
        return ERR_OK;
    *ret = bson_new();
    BSON_APPEND_ARRAY_BEGIN(*ret, "$and", &list);

    const enum err put = put_all(search, way->rest, &list, &count);

    bson_append_array_end(*ret, &list);
    return put;
}

/* Along the index, or by keys that the database computes. */
static enum err build_order(const struct search *search, const struct user_way *way,
                            struct documents *documents)
{
    const struct user_order *order = &search->plan.order;

    if (way->one)
        return ERR_OK;
    documents->sort = bson_new();
    if (!way->ordered) {
        documents->keys = bson_new();
        TRY(user_order_put_keys(search->ctx, order, documents->keys));
        user_order_put_sort(order, documents->sort);
        if (search->begun) {
            documents->after = bson_new();
            user_order_put_after(order, &search->position, documents->after);
        }
        return ERR_OK;
    }
    if (order->count > 0)
        (void)bson_append_int32(documents->sort, order->fields[0].element, -1,
                                order->down[0] ? -1 : 1);
    if (order->count == 0 || !way->field.unique)
        (void)bson_append_int32(documents->sort, "_id", -1, order->id_down ? -1 : 1);
    return ERR_OK;
}

static enum err build(const struct search *search, const struct user_way *way,
                      struct documents *documents)
{
    TRY(build_access(search, way, &documents->access));
    TRY(build_rest(search, way, &documents->rest));
    return build_order(search, way, documents);
}

static const char *hint_of(const struct user_way *way)
{
    if (way->kind == USER_WAY_SEVERAL)
        return NULL;
    return way->kind == USER_WAY_ALL ? "_id_" : way->field.index;
}

static struct db_search describe(struct search *search, const struct user_way *way,
                                 const struct documents *documents)
{
    return (struct db_search){
        .access = documents->access,
        .filter = documents->rest,
        .sort = documents->sort,
        .keys = documents->keys,
        .after = documents->after,
        .index = hint_of(way),
        .ignores_case = search->plan.ignores_case,
        .limit = search->query->limit + 1,
        .most_bytes = search->query->most_bytes > 0 ? search->query->most_bytes : DB_PAGE_BYTES,
        .ret_cut = &search->cut};
}

/* ---- running ---- */

/* The index gives the order and serves all of the filter: what is looked at is shown. */
static bool needs_no_watch(const struct user_way *way)
{
    return way->bounded || (way->ordered && way->rest == NULL);
}

static void keep(struct search *search, const struct user_way *way)
{
    search->way = way;
    search->more = search->cut || search->users.count > (size_t)search->query->limit;
    if (search->users.count > (size_t)search->query->limit)
        search->users.count = (size_t)search->query->limit;
    if (search->users.count > 0)
        search->last = (const struct user *)search->users.items + search->users.count - 1;
}

static enum err try_quick(struct search *search, const struct user_way *way)
{
    AUTO(documents_free) struct documents documents = {.access = NULL};
    bool over = false;

    TRY(build(search, way, &documents));

    struct db_search quick = describe(search, way, &documents);

    quick.most_ms = needs_no_watch(way) ? 0 : QUICK_MS;
    TRY(db_search(search->ctx, &user_schema, &quick, &over, &search->users));
    if (!over)
        keep(search, way);
    return ERR_OK;
}

/* The last user of the budget, whom the filter does not find: the next page begins behind. */
static enum err find_end(struct search *search, const struct db_search *bounded)
{
    struct db_search end = *bounded;
    struct list users = {0};
    bool over = false;

    end.filter = NULL;
    end.skip = bounded->budget - 1;
    end.limit = 1;
    TRY(db_search(search->ctx, &user_schema, &end, &over, &users));
    search->last = users.count > 0 ? users.items : NULL;
    return ERR_OK;
}

/* Along the index until the budget is used up: what was found till then is a page. */
static enum err run_along(struct search *search, const struct user_way *way,
                          const struct documents *documents)
{
    struct db_search bounded = describe(search, way, documents);
    bool over = false;
    int64_t size = 0;

    bounded.budget = BUDGET;
    TRY(db_search(search->ctx, &user_schema, &bounded, &over, &search->users));
    if (search->users.count <= (size_t)search->query->limit)
        TRY(db_search_size(search->ctx, &user_schema, &bounded, &size));
    if (size > BUDGET && search->users.count == 0) {
        if (search->query->patient)
            TRY(find_end(search, &bounded));
        if (search->last == NULL)
            return ERR_OK;
    }
    keep(search, way);
    search->budget = BUDGET;
    search->more = search->more || size > BUDGET;
    return ERR_OK;
}

/* All that the index finds, sorted, when that is not too many. */
static enum err run_sorted(struct search *search, const struct user_way *way,
                           const struct documents *documents)
{
    struct db_search whole = describe(search, way, documents), sized = whole;
    bool over = false;
    int64_t size = 0;

    sized.budget = BUDGET;
    TRY(db_search_size(search->ctx, &user_schema, &sized, &size));
    if (size > BUDGET)
        return ERR_OK;
    TRY(db_search(search->ctx, &user_schema, &whole, &over, &search->users));
    keep(search, way);
    return ERR_OK;
}

static enum err try_bounded(struct search *search, const struct user_way *way)
{
    AUTO(documents_free) struct documents documents = {.access = NULL};

    TRY(build(search, way, &documents));
    return way->ordered ? run_along(search, way, &documents) : run_sorted(search, way, &documents);
}

static enum err run_ways(struct search *search)
{
    const struct user_plan *plan = &search->plan;

    for (size_t i = 0; i < plan->count && search->way == NULL; i++)
        TRY(try_quick(search, &plan->ways[i]));
    for (size_t i = 0; i < plan->count && search->way == NULL; i++)
        TRY(try_bounded(search, &plan->ways[i]));
    return search->way != NULL ? ERR_OK : user_plan_refuse(search->ctx, plan, BUDGET);
}

/* ---- cursors ---- */

/* A cursor is good for the same filter and order, seen with the same eyes. */
static enum err describe_list(struct search *search)
{
    static const char *const parties[] = {"", "user", "admin", "server"};

    search->parameters[0] = search->query->filter;
    search->parameters[1] = search->query->sort;
    search->parameters[2] = parties[custom_party(search->ctx)];
    search->list = (struct cursor_list){
        .name = "users.query", .parameters = search->parameters, .parameter_count = 4};
    return user_order_text(search->ctx, &search->plan.order, &search->parameters[3]);
}

static enum err read_cursor(struct search *search)
{
    const struct user_order *order = &search->plan.order;
    const char *values[USER_ORDER_MAX + 1];

    if (search->query->cursor == NULL)
        return ERR_OK;
    search->begun = true;
    TRY(cursor_read(search->ctx, &search->list, search->query->cursor, values, order->count + 1));
    return user_order_parse(order, values, &search->position);
}

static enum err write_cursor(struct search *search, const char **ret_next)
{
    const struct user_order *order = &search->plan.order;
    const char *values[USER_ORDER_MAX + 1] = {NULL};

    if (!search->more)
        return ERR_OK;
    TRY(user_order_position(search->ctx, order, search->last, values));
    return cursor_make(search->ctx, &search->list, values, order->count + 1, ret_next);
}

/* ---- all ---- */

static enum err tell_cost(struct search *search, struct user_cost *ret_cost)
{
    AUTO(documents_free) struct documents documents = {.access = NULL};
    const struct user_way *way = search->way;

    if (!search->query->explain)
        return ERR_OK;
    TRY(build(search, way, &documents));

    struct db_search again = describe(search, way, &documents);

    again.budget = search->budget;
    TRY(db_search_explain(search->ctx, &user_schema, &again, &ret_cost->examined));
    ret_cost->access = way->kind == USER_WAY_ALL ? "scan" : "index";
    ret_cost->index = way->index;
    ret_cost->returned = (int64_t)search->users.count;
    ret_cost->is_told = true;
    return ERR_OK;
}

static enum err prepare(struct search *search)
{
    const struct user_query *query = search->query;

    if (query->filter != NULL)
        TRY(user_filter_read(search->ctx, query->filter, &search->plan.filter));
    TRY(user_order_read(search->ctx, query->sort, &search->plan.order));
    TRY(user_plan_make(search->ctx, query->sort != NULL, &search->plan));
    TRY(describe_list(search));
    return read_cursor(search);
}

static enum err run(struct ctx *ctx, const struct user_query *query, struct user_page *page)
{
    struct search *search = ARENA_NEW(ctx->arena, struct search);

    if (search == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a search");
    search->ctx = ctx;
    search->query = query;
    TRY(prepare(search));
    TRY(run_ways(search));
    TRY(write_cursor(search, &page->next));
    TRY(tell_cost(search, &page->cost));
    page->users = search->users;
    return ERR_OK;
}

enum err user_query_run(struct ctx *ctx, const struct user_query *query, struct user_page *ret_page)
{
    const int64_t version = ctx->tenant->schema_version;
    struct user_page page = {.next = NULL};
    enum err done = run(ctx, query, &page);

    /* The index went with a version that this instance, or this long export, still goes by. */
    if (done == ERR_DOCUMENT_REFUSED) {
        tenant_forget(ctx, ctx->tenant);
        TRY(tenant_refresh(ctx));
        if (ctx->tenant->schema_version == version)
            return fail_retry(ctx, ERR_DOCUMENT_REFUSED, 1);
        fail_clear(ctx);
        page = (struct user_page){.next = NULL};
        done = run(ctx, query, &page);
    }
    TRY(done);
    *ret_page = page;
    return ERR_OK;
}
