/* The framing gate. */
#include "app/gate.h"

#include <string.h>
#include <strings.h>

#define MAX_LENGTH_DIGITS 18

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A token of RFC 9110 §5.6.2. */
static bool is_token(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (!is_alnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`|~", *text) == NULL)
            return false;
    }
    return true;
}

/* The text is NUL-terminated before the limit. */
static bool ends_before(const char *text, const char *limit)
{
    return text < limit && memchr(text, '\0', (size_t)(limit - text)) != NULL;
}

static bool is_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

/* Digits of a port, which may be empty (RFC 3986 §3.2.3). */
static bool is_port(const char *text)
{
    unsigned long port = 0;

    if (strlen(text) > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text))
            return false;
        port = port * 10 + (unsigned long)(*text - '0');
    }
    return port <= 65535;
}

bool gate_is_host(const char *host)
{
    size_t length;

    if (host[0] == '[') {
        length = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (length < 3 || host[length] != ']')
            return false;
        length++;
    } else {
        length = 0;
        while (is_alnum((unsigned char)host[length]) || host[length] == '-' ||
               host[length] == '_' ||
               (host[length] == '.' && length > 0 && host[length - 1] != '.'))
            length++;
        if (length == 0 || length > 255)
            return false;
    }
    if (host[length] == '\0')
        return true;
    return host[length] == ':' && is_port(host + length + 1);
}

/* "GET", one blank, "/path?query", one blank, "HTTP/1.1", then what ends_line says. */
static const char *check_request_line(const struct gate_head *head)
{
    const char *method_end = head->method + strlen(head->method);
    const char *target_end = head->query != NULL ? head->query + strlen(head->query)
                                                 : head->target + strlen(head->target);

    /* CivetWeb skips blank lines before a request but counts its length without them, and then
     * reads the rest of this request as the next one. One empty line (RFC 9112 §2.2) it gets right.
     */
    if (head->method != head->start &&
        !(head->method - head->start == 2 && memcmp(head->start, "\r\n", 2) == 0))
        return "There is white space before the request line.";
    if (!is_token(head->method))
        return "The method is not a token.";
    if (head->target != method_end + 1 || head->version != target_end + 1 + strlen("HTTP/"))
        return "The parts of the request line are separated by one blank each.";
    if (head->target[0] != '/')
        return "The request target must be a path that begins with a slash.";
    if (!is_text(head->target) || (head->query != NULL && !is_text(head->query)))
        return "The request target holds a control character.";
    if (strcmp(head->version, "1.1") != 0 && strcmp(head->version, "1.0") != 0)
        return "The version must be HTTP/1.1 or HTTP/1.0.";
    return NULL;
}

/* What stands between the end of a line and the next name: CR and LF, cut to two NULs. A bare LF
 * leaves one, CR CR LF three. */
static bool is_line_end(const char *end, const char *next)
{
    return next - end == 2 && end[0] == '\0' && end[1] == '\0';
}

/* After the last line: CR LF cut to NULs, then CR as it was sent, then LF cut. A folded line or a
 * name that CivetWeb did not understand shows here: it stops there and drops the rest silently. */
static bool is_head_end(const char *end, const char *limit)
{
    return limit - end >= 4 && end[0] == '\0' && end[1] == '\0' && end[2] == '\r' && end[3] == '\0';
}

static const char *check_header(const struct http_header *header, const char *next_line,
                                const char *limit)
{
    const char *name_end = header->name + strlen(header->name);
    const char *value_end;

    if (!is_token(header->name))
        return "A header name is not a token.";
    if (header->value <= name_end || header->value >= limit)
        return "A header has no value.";
    /* The colon was cut to the NUL at name_end; a second NUL was a blank before it. */
    for (const char *gap = name_end + 1; gap < header->value; gap++) {
        if (*gap != ' ')
            return "There is a blank before the colon of a header.";
    }
    if (!ends_before(header->value, limit))
        return "The head is not complete.";
    if (!is_text(header->value))
        return "A header value holds a control character.";
    value_end = header->value + strlen(header->value);
    if (next_line != NULL ? !is_line_end(value_end, next_line) : !is_head_end(value_end, limit))
        return "Lines end with CR LF and do not go on with a blank.";
    return NULL;
}

static const char *check_headers(const struct gate_head *head)
{
    const struct http_header *headers = head->headers;
    const char *version_end = head->version + strlen(head->version);

    if (head->header_count == 0)
        /* Without headers all four bytes of the empty line are cut. */
        return head->limit - version_end >= 4 && memcmp(version_end, "\0\0\0\0", 4) == 0
                   ? NULL
                   : "Lines end with CR LF and do not go on with a blank.";
    if (!is_line_end(version_end, headers[0].name))
        return "Lines end with CR LF and do not go on with a blank.";
    for (size_t i = 0; i < head->header_count; i++) {
        bool last = i + 1 == head->header_count;
        const char *reason =
            check_header(&headers[i], last ? NULL : headers[i + 1].name, head->limit);
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

struct framing_headers {
    const char *length, *encoding, *host, *expect, *connection;
    size_t lengths, encodings, hosts, expects;
};

static void collect(const struct gate_head *head, struct framing_headers *found)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const char *name = head->headers[i].name;
        const char *value = head->headers[i].value;

        if (strcasecmp(name, "Content-Length") == 0) {
            found->length = value;
            found->lengths++;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
            found->encoding = value;
            found->encodings++;
        } else if (strcasecmp(name, "Host") == 0) {
            found->host = value;
            found->hosts++;
        } else if (strcasecmp(name, "Expect") == 0) {
            found->expect = value;
            found->expects++;
        } else if (strcasecmp(name, "Connection") == 0 && found->connection == NULL) {
            found->connection = value; /* CivetWeb reads the first one */
        }
    }
}

/* Content-Length: digits and nothing else, small enough to be exact everywhere. */
static bool read_length(const char *text, uint64_t *ret_length)
{
    uint64_t length = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > MAX_LENGTH_DIGITS || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        length = length * 10 + (uint64_t)(text[i] - '0');
    *ret_length = length;
    return true;
}

static const char *check_framing(const struct framing_headers *found, bool is_http_1_0,
                                 struct gate_result *result)
{
    if (found->lengths > 0 && found->encodings > 0)
        return "Content-Length and Transfer-Encoding exclude each other.";
    if (found->lengths > 1)
        return "Content-Length stands there more than once.";
    if (found->lengths == 1 && !read_length(found->length, &result->length))
        return "Content-Length is not a number.";
    if (found->encodings > 1 ||
        (found->encodings == 1 && strcasecmp(found->encoding, "chunked") != 0))
        return "The only Transfer-Encoding is chunked.";
    if (found->encodings == 1 && is_http_1_0)
        return "HTTP/1.0 knows no Transfer-Encoding.";
    if (found->hosts > 1)
        return "Host stands there more than once.";
    if (found->hosts == 0 && !is_http_1_0)
        return "Host is missing.";
    if (found->hosts == 1 && !gate_is_host(found->host))
        return "Host is not a valid host.";
    return NULL;
}

/* A comma-separated list holds the word (without case). */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, " \t,");
        if (item == length && strncasecmp(list, word, length) == 0)
            return true;
        list += item;
    }
    return false;
}

static const char *check_sizes(const struct gate_head *head)
{
    if (head->header_count == 0)
        return NULL;

    const struct http_header *last = &head->headers[head->header_count - 1];
    const char *end = last->value + strlen(last->value);
    if ((size_t)(end - head->headers[0].name) > GATE_MAX_HEADERS)
        return "The headers are larger than 16 KiB.";
    return NULL;
}

static enum err refuse(enum err code, const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return code;
}

enum err gate_check(const struct gate_head *head, struct gate_result *ret_result,
                    const char **ret_reason)
{
    struct framing_headers found = {0};
    const char *reason;

    *ret_result = (struct gate_result){0};
    /* CivetWeb drops what comes after its last slot, so a full table may hide a Content-Length. */
    if (head->header_count >= HTTP_MAX_HEADERS)
        return refuse(ERR_BAD_REQUEST, "There are more than 63 headers.", ret_reason);
    reason = check_request_line(head);
    if (reason == NULL)
        reason = check_headers(head);
    if (reason != NULL)
        return refuse(ERR_BAD_REQUEST, reason, ret_reason);
    if (strlen(head->target) + (head->query != NULL ? strlen(head->query) : 0) > GATE_MAX_TARGET)
        return refuse(ERR_TARGET_TOO_LONG, "The request target is longer than 12 KiB.", ret_reason);
    reason = check_sizes(head);
    if (reason != NULL)
        return refuse(ERR_HEADERS_TOO_LARGE, reason, ret_reason);

    bool is_http_1_0 = strcmp(head->version, "1.0") == 0;
    collect(head, &found);
    reason = check_framing(&found, is_http_1_0, ret_result);
    if (reason != NULL)
        return refuse(ERR_BAD_REQUEST, reason, ret_reason);
    ret_result->chunked = found.encodings == 1;
    ret_result->has_length = found.lengths == 1;
    ret_result->host = found.host;
    /* HTTP/1.0 does not know it, and it says nothing there (RFC 9110 §10.1.1). */
    if (!is_http_1_0 && found.expects > 0) {
        if (found.expects > 1 || strcasecmp(found.expect, "100-continue") != 0)
            return refuse(ERR_EXPECTATION, "The only expectation that is met is 100-continue.",
                          ret_reason);
        ret_result->expects_continue = true;
    }
    ret_result->keep_alive =
        found.connection != NULL ? list_has(found.connection, "keep-alive") : !is_http_1_0;
    return ERR_OK;
}
