/* Outgoing requests by libcurl. */
#include "app/fetch.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "app/fetch_library.h"
#include "app/network.h"

#define USER_AGENT   "tenantd"
#define SCHEMES      "http,https"
#define ANSWER_BYTES 4096 /* more than that of an answer is not read */

/* A request on its way. */
struct flight {
    const struct app *app;
    const struct config *config;
    struct fetch_answer *answer;
    size_t received, line; /* bytes */
    bool line_ended;
    bool refused, tried; /* some address of the name was */
    const struct curl_library *library;
    CURL *curl;
    struct curl_slist *headers;
};

/* --- the line that is left of an answer --- */

static char cleaned(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

static void set_line(struct fetch_answer *answer, const char *text)
{
    size_t length = 0;

    for (; text[length] != '\0' && length < FETCH_LINE_SIZE - 1; length++)
        answer->line[length] = cleaned(text[length]);
    answer->line[length] = '\0';
}

/* The first line that is not empty. */
static void take_line(struct flight *flight, const char *data, size_t size)
{
    for (size_t i = 0; i < size && !flight->line_ended; i++) {
        const bool ends = data[i] == '\n' || data[i] == '\r';

        if (ends && flight->line > 0)
            flight->line_ended = true;
        if (ends)
            continue;
        flight->answer->line[flight->line++] = cleaned(data[i]);
        flight->line_ended = flight->line == FETCH_LINE_SIZE - 1;
    }
    flight->answer->line[flight->line] = '\0';
}

/* --- what libcurl asks --- */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    struct flight *flight = arg;

    (void)one; /* is 1 */
    take_line(flight, data, size);
    flight->received += size;
    /* Anything but size ends the transfer. */
    return flight->received > ANSWER_BYTES ? 0 : size;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct flight *flight = arg;
    const struct address address = address_of(&to->addr);

    if (purpose != CURLSOCKTYPE_IPCXN ||
        (!address_is_public(&address) &&
         !network_list_has(&flight->config->fetch.allow, &address))) {
        flight->refused = true;
        return CURL_SOCKET_BAD;
    }
    flight->tried = true;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int on_progress(void *arg, curl_off_t to_come, curl_off_t come, curl_off_t to_go,
                       curl_off_t gone)
{
    const struct flight *flight = arg;

    (void)to_come;
    (void)come;
    (void)to_go;
    (void)gone;
    return atomic_load(&flight->app->stopping) ? 1 : 0;
}

/* --- one request --- */

static bool set_headers(struct flight *flight, struct ctx *ctx, const struct fetch *fetch)
{
    const char *type = arena_printf(ctx->arena, "Content-Type: %s", fetch->content_type);
    /* Without this libcurl waits a second for "100 Continue" before larger bodies. */
    static const char *const others[] = {"Expect:", "Accept: */*"};
    struct curl_slist *list = type != NULL ? flight->library->slist_append(NULL, type) : NULL;

    for (size_t i = 0; list != NULL && i < sizeof others / sizeof others[0]; i++) {
        struct curl_slist *longer = flight->library->slist_append(list, others[i]);

        if (longer == NULL)
            flight->library->slist_free_all(list);
        list = longer;
    }
    flight->headers = list;
    return list != NULL;
}

static bool set_limits(struct flight *flight)
{
    __typeof__(flight->library->easy_setopt) set = flight->library->easy_setopt;
    CURL *curl = flight->curl;
    const long timeout = (long)flight->config->fetch.timeout_ms;

    return set(curl, CURLOPT_PROTOCOLS_STR, SCHEMES) == CURLE_OK &&
           set(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           set(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           set(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           set(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           set(curl, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           set(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout) == CURLE_OK &&
           set(curl, CURLOPT_BUFFERSIZE, (long)ANSWER_BYTES) == CURLE_OK &&
           set(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
           set(curl, CURLOPT_OPENSOCKETDATA, flight) == CURLE_OK &&
           set(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           set(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           set(curl, CURLOPT_XFERINFODATA, flight) == CURLE_OK;
}

static bool set_request(struct flight *flight, const struct fetch *fetch)
{
    __typeof__(flight->library->easy_setopt) set = flight->library->easy_setopt;
    CURL *curl = flight->curl;

    return set(curl, CURLOPT_URL, fetch->url) == CURLE_OK &&
           set(curl, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK &&
           set(curl, CURLOPT_HTTPHEADER, flight->headers) == CURLE_OK &&
           set(curl, CURLOPT_POSTFIELDSIZE, (long)fetch->body.size) == CURLE_OK &&
           set(curl, CURLOPT_POSTFIELDS, fetch->body.data) == CURLE_OK &&
           set(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           set(curl, CURLOPT_WRITEDATA, flight) == CURLE_OK;
}

/* An answer that was cut off for its length, or that ended early, is one. */
static void judge(struct flight *flight, CURLcode code)
{
    struct fetch_answer *answer = flight->answer;
    long status = 0;

    (void)flight->library->easy_getinfo(flight->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        answer->outcome = FETCH_STOPPED;
    } else if (status >= 200) {
        answer->outcome = FETCH_ANSWERED;
        return;
    } else if (flight->refused && !flight->tried) {
        answer->outcome = FETCH_REFUSED;
        set_line(answer, "the address is not public, and fetch.allow does not list it");
        return;
    } else if (code == CURLE_URL_MALFORMAT) {
        answer->outcome = FETCH_REFUSED;
    } else {
        answer->outcome = FETCH_FAILED;
    }
    set_line(answer, flight->library->easy_strerror(code));
}

/* libcurl guesses where there is none. */
static bool has_scheme(const char *url)
{
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

enum err fetch_run(struct ctx *ctx, const struct fetch *fetch, struct fetch_answer *ret_answer)
{
    struct flight flight = {.app = ctx->app,
                            .config = app_config(ctx->app),
                            .answer = ret_answer,
                            .library = curl_library()};
    bool ready;

    *ret_answer = (struct fetch_answer){.outcome = FETCH_REFUSED};
    if (!has_scheme(fetch->url)) {
        set_line(ret_answer, "the address is none of http or https");
        return ERR_OK;
    }
    if (flight.library == NULL) {
        ret_answer->outcome = FETCH_FAILED;
        set_line(ret_answer, "libcurl is not installed");
        return ERR_OK;
    }
    flight.curl = flight.library->easy_init();
    ready = flight.curl != NULL && set_headers(&flight, ctx, fetch) && set_limits(&flight) &&
            set_request(&flight, fetch);
    if (ready)
        judge(&flight, flight.library->easy_perform(flight.curl));
    flight.library->slist_free_all(flight.headers);
    flight.library->easy_cleanup(flight.curl);
    return ready ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a request to another");
}
