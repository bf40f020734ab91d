/* Walks libyaml's events and builds the tree; whatever is outside the subset becomes a problem. */
#include "app/config_yaml.h"

#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct problems *problems;
    unsigned nodes;
    /* The current event. */
    yaml_event_type_t type;
    unsigned line;
    const char *text;
    size_t length;
    bool plain;
};

/* A list of members or items that doubles its room when it is full. */
struct growing {
    char *data;
    size_t count, room, item_size;
};

static enum err grow(struct reader *reader, struct growing *list, void **ret_item)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 8 : list->room * 2;
        char *data = arena_array(reader->arena, room, list->item_size);
        if (data == NULL)
            return ERR_MEMORY;
        if (list->count > 0)
            memcpy(data, list->data, list->count * list->item_size);
        list->data = data;
        list->room = room;
    }
    *ret_item = list->data + list->count * list->item_size;
    list->count++;
    return ERR_OK;
}

static enum err refuse_decoration(struct reader *reader, const void *anchor, const void *tag)
{
    if (anchor != NULL) {
        problem_add(reader->problems, reader->line,
                    "anchors are not allowed here; write the value where it is needed");
        return ERR_VALIDATION;
    }
    if (tag != NULL) {
        problem_add(reader->problems, reader->line,
                    "tags are not allowed here; leave out the word that begins with \"!\"");
        return ERR_VALIDATION;
    }
    return ERR_OK;
}

static enum err take_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    TRY(refuse_decoration(reader, event->data.scalar.anchor, event->data.scalar.tag));
    reader->length = event->data.scalar.length;
    reader->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (memchr(text, '\0', reader->length) != NULL) {
        problem_add(reader->problems, reader->line, "a value holds a NUL character; remove it");
        return ERR_VALIDATION;
    }
    reader->text = arena_strndup(reader->arena, text, reader->length);
    return reader->text != NULL ? ERR_OK : ERR_MEMORY;
}

static enum err take_event(struct reader *reader, const yaml_event_t *event)
{
    reader->type = event->type;
    reader->line = (unsigned)event->start_mark.line + 1;
    if (event->type == YAML_SCALAR_EVENT)
        return take_scalar(reader, event);
    if (event->type == YAML_MAPPING_START_EVENT)
        return refuse_decoration(reader, event->data.mapping_start.anchor,
                                 event->data.mapping_start.tag);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return refuse_decoration(reader, event->data.sequence_start.anchor,
                                 event->data.sequence_start.tag);
    if (event->type == YAML_ALIAS_EVENT) {
        problem_add(reader->problems, reader->line,
                    "aliases are not allowed here; write the value itself");
        return ERR_VALIDATION;
    }
    return ERR_OK;
}

static enum err next_event(struct reader *reader)
{
    yaml_event_t event;

    if (!yaml_parser_parse(&reader->parser, &event)) {
        const yaml_parser_t *parser = &reader->parser;
        if (parser->error == YAML_MEMORY_ERROR)
            return ERR_MEMORY;
        problem_add(reader->problems, (unsigned)parser->problem_mark.line + 1,
                    "this is not valid YAML: %s",
                    parser->problem != NULL ? parser->problem : "the text breaks off");
        return ERR_VALIDATION;
    }
    enum err taken = take_event(reader, &event);
    yaml_event_delete(&event);
    return taken;
}

static enum err read_node(struct reader *reader, unsigned depth, struct value *ret_value);

static const struct member *find_member(const struct growing *members, const char *name)
{
    const struct member *items = (const void *)members->data;

    for (size_t i = 0; i < members->count; i++) {
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    }
    return NULL;
}

static enum err read_member(struct reader *reader, unsigned depth, struct growing *members)
{
    struct member member = {.name = reader->text, .line = reader->line};

    if (reader->type != YAML_SCALAR_EVENT) {
        problem_add(reader->problems, reader->line, "a key must be a word");
        return ERR_VALIDATION;
    }
    TRY(next_event(reader));
    TRY(read_node(reader, depth, &member.value));

    /* The first one stays; reading goes on so that everything else is reported too. */
    const struct member *earlier = find_member(members, member.name);
    if (earlier != NULL) {
        problem_add(reader->problems, member.line,
                    "the key \"%.60s\" stands here a second time (first in line %u); remove one",
                    member.name, earlier->line);
        return ERR_OK;
    }
    void *place = NULL;
    TRY(grow(reader, members, &place));
    memcpy(place, &member, sizeof member);
    return ERR_OK;
}

static enum err read_mapping(struct reader *reader, unsigned depth, struct value *ret_value)
{
    struct growing members = {.item_size = sizeof(struct member)};

    *ret_value = (struct value){.type = VALUE_OBJECT, .line = reader->line};
    TRY(next_event(reader));
    while (reader->type != YAML_MAPPING_END_EVENT) {
        TRY(read_member(reader, depth, &members));
        TRY(next_event(reader));
    }
    ret_value->object.members = (void *)members.data;
    ret_value->object.count = members.count;
    return ERR_OK;
}

static enum err read_sequence(struct reader *reader, unsigned depth, struct value *ret_value)
{
    struct growing items = {.item_size = sizeof(struct value)};

    *ret_value = (struct value){.type = VALUE_ARRAY, .line = reader->line};
    TRY(next_event(reader));
    while (reader->type != YAML_SEQUENCE_END_EVENT) {
        struct value item;
        void *place = NULL;
        TRY(read_node(reader, depth, &item));
        TRY(grow(reader, &items, &place));
        memcpy(place, &item, sizeof item);
        TRY(next_event(reader));
    }
    ret_value->array.items = (void *)items.data;
    ret_value->array.count = items.count;
    return ERR_OK;
}

/* The node that begins with the current event; afterwards the current event is its last one. */
static enum err read_node(struct reader *reader, unsigned depth, struct value *ret_value)
{
    reader->nodes++;
    if (depth > CONFIG_YAML_MAX_DEPTH || reader->nodes > CONFIG_YAML_MAX_NODES) {
        problem_add(reader->problems, reader->line,
                    "this is nested too deep or too large; at most "
                    "%d levels and %d values are read",
                    CONFIG_YAML_MAX_DEPTH, CONFIG_YAML_MAX_NODES);
        return ERR_VALIDATION;
    }
    if (reader->type == YAML_MAPPING_START_EVENT)
        return read_mapping(reader, depth + 1, ret_value);
    if (reader->type == YAML_SEQUENCE_START_EVENT)
        return read_sequence(reader, depth + 1, ret_value);
    *ret_value = (struct value){
        .type = VALUE_STRING,
        .plain = reader->plain,
        .line = reader->line,
        .string = {.text = reader->text, .length = reader->length},
    };
    return ERR_OK;
}

static enum err read_stream(struct reader *reader, struct value *ret_root)
{
    *ret_root = (struct value){.type = VALUE_OBJECT, .line = 1};
    TRY(next_event(reader)); /* stream start */
    TRY(next_event(reader));
    if (reader->type == YAML_STREAM_END_EVENT)
        return ERR_OK;
    TRY(next_event(reader)); /* the document's first node */
    TRY(read_node(reader, 0, ret_root));
    TRY(next_event(reader)); /* document end */
    TRY(next_event(reader));
    if (reader->type != YAML_STREAM_END_EVENT) {
        problem_add(reader->problems, reader->line,
                    "a second document begins here; the file must hold one: remove the \"---\"");
        return ERR_VALIDATION;
    }
    if (ret_root->type != VALUE_OBJECT) {
        problem_add(reader->problems, ret_root->line,
                    "the file must be a list of \"key: value\" lines");
        return ERR_VALIDATION;
    }
    return ERR_OK;
}

enum err config_yaml_parse(const char *text, size_t length, struct problems *problems,
                           struct value *ret_root)
{
    struct reader reader = {.arena = problems->arena, .problems = problems};

    if (length > CONFIG_YAML_MAX_SIZE) {
        problem_add(problems, 0, "the file is larger than %zu KiB", CONFIG_YAML_MAX_SIZE / 1024);
        return ERR_VALIDATION;
    }
    if (!yaml_parser_initialize(&reader.parser))
        return ERR_MEMORY;
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    enum err err = read_stream(&reader, ret_root);
    yaml_parser_delete(&reader.parser);
    return err;
}
