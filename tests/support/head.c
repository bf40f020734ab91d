/* A head as CivetWeb leaves it. */
#include "support/head.h"

#include <ctype.h>
#include <string.h>

/* Bytes up to the empty line, bare line feeds included; 0 when there is none or a byte is bad. */
static size_t head_length(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 128 && c != '\r' && c != '\n' && !isprint(c))
            return 0;
        if (i + 1 < size && text[i] == '\n' && text[i + 1] == '\n')
            return i + 2;
        if (i + 3 < size && memcmp(text + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    }
    return 0;
}

/* Ends a word of the request line; *at moves to the next one. */
static bool end_word(char **at, bool is_last)
{
    while (isgraph((unsigned char)**at))
        (*at)++;
    if (is_last ? **at != '\r' && **at != '\n' : **at != ' ')
        return false;
    do
        *(*at)++ = '\0';
    while (isspace((unsigned char)**at));
    return is_last || isgraph((unsigned char)**at);
}

/* One header line; false ends the list, *bad says whether the head is refused for it. */
static bool cut_header(char **line, struct http_header *header, bool *bad)
{
    char *at = *line;

    while (*at != ':' && *at >= 33 && *at <= 126)
        at++;
    if (at == *line)
        return false;
    while (*at == ' ')
        *at++ = '\0';
    if (*at != ':') {
        *bad = true;
        return false;
    }
    *at++ = '\0';
    while (*at == ' ' || *at == '\t')
        at++;
    header->name = *line;
    header->value = at;
    at += strcspn(at, "\r\n");
    if (*at == '\r') {
        *at++ = '\0';
        if (*at != '\n') {
            *bad = true;
            return false;
        }
    }
    if (*at != '\0')
        *at++ = '\0';
    *line = at;
    return true;
}

bool cut_head(char *text, size_t size, struct cut_head *ret_head)
{
    struct gate_head *gate = &ret_head->gate;
    char *at = text;
    bool bad = false;

    *gate = (struct gate_head){.start = text, .limit = text + size, .headers = ret_head->headers};
    while (at < text + size && isspace((unsigned char)*at))
        at++;
    size_t length = head_length(at, size - (size_t)(at - text));
    if (length == 0)
        return false;
    at[length - 1] = '\0';
    gate->method = at;
    if (!end_word(&at, false))
        return false;
    gate->target = at;
    char *target = at;
    if (!end_word(&at, false))
        return false;
    gate->version = at;
    if (!end_word(&at, true) || strncmp(gate->version, "HTTP/", 5) != 0)
        return false;
    gate->version += 5;
    while (gate->header_count < HTTP_MAX_HEADERS && *at != '\r' && *at != '\n' &&
           cut_header(&at, &ret_head->headers[gate->header_count], &bad))
        gate->header_count++;
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        gate->query = query + 1;
    }
    return !bad;
}
