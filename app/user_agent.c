/* Names of devices. Browsers name each other in their headers, so the order of the lists decides.
 */
#include "app/user_agent.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LOOKED_AT ((size_t)512)

struct word {
    const char *mark; /* what the header holds */
    const char *name; /* what people call it */
};

static const struct word systems[] = {
    {"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"},       {"iPod", "iPod"},
    {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"},  {"Macintosh", "macOS"},
    {"Linux", "Linux"},     {"X11", "Linux"},     {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"},
};

static const struct word browsers[] = {
    {"Edg/", "Edge"},
    {"EdgA/", "Edge"},
    {"EdgiOS/", "Edge"},
    {"Edge/", "Edge"},
    {"OPR/", "Opera"},
    {"OPiOS/", "Opera"},
    {"Opera", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"Vivaldi/", "Vivaldi"},
    {"YaBrowser/", "Yandex Browser"},
    {"DuckDuckGo/", "DuckDuckGo"},
    {"FxiOS/", "Firefox"},
    {"Firefox/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"HeadlessChrome/", "Chrome"},
    {"Chrome/", "Chrome"},
    {"Chromium/", "Chromium"},
    {"MSIE ", "Internet Explorer"},
    {"Trident/", "Internet Explorer"},
    {"Safari/", "Safari"},
    {"Gecko/", "Browser"},
    {"AppleWebKit/", "Browser"},
};

/* Programs stand at the beginning of their header. */
static const struct word programs[] = {
    {"curl/", "curl"},
    {"Wget/", "Wget"},
    {"HTTPie/", "HTTPie"},
    {"PostmanRuntime/", "Postman"},
    {"insomnia/", "Insomnia"},
    {"python-requests/", "Python"},
    {"python-httpx/", "Python"},
    {"python-urllib3/", "Python"},
    {"Python-urllib/", "Python"},
    {"Python/", "Python"},
    {"aiohttp/", "Python"},
    {"Go-http-client/", "Go"},
    {"okhttp/", "Android app"},
    {"Dalvik/", "Android app"},
    {"Java/", "Java"},
    {"Java-http-client/", "Java"},
    {"Apache-HttpClient/", "Java"},
    {"axios/", "Node.js"},
    {"node-fetch/", "Node.js"},
    {"undici", "Node.js"},
    {"node", "Node.js"},
    {"Deno/", "Deno"},
    {"Bun/", "Bun"},
    {"Ruby", "Ruby"},
    {"Faraday", "Ruby"},
    {"GuzzleHttp/", "PHP"},
    {"PHP/", "PHP"},
    {"libwww-perl/", "Perl"},
    {"Dart/", "Dart app"},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const char *find_in(const struct word *words, size_t count, const char *text, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (memmem(text, length, words[i].mark, strlen(words[i].mark)) != NULL)
            return words[i].name;
    }
    return NULL;
}

static const char *program_of(const char *text)
{
    for (size_t i = 0; i < COUNT(programs); i++) {
        if (strncmp(text, programs[i].mark, strlen(programs[i].mark)) == 0)
            return programs[i].name;
    }
    return NULL;
}

/* An app of Apple's systems that calls through their library: "MyApp/1.0 CFNetwork/1408 …". */
static const char *library_of(const char *text, size_t length)
{
    static const struct word libraries[] = {{"CFNetwork/", "Apple app"}, {"Darwin/", "Apple app"}};

    return find_in(libraries, COUNT(libraries), text, length);
}

void user_agent_device(const char *text, char ret_device[USER_AGENT_DEVICE_SIZE])
{
    const size_t length = text != NULL ? strnlen(text, LOOKED_AT) : 0;
    const char *program = length > 0 ? program_of(text) : NULL;
    const char *system, *browser;

    if (length > 0 && program == NULL)
        program = library_of(text, length);
    if (length == 0 || program != NULL) {
        (void)snprintf(ret_device, USER_AGENT_DEVICE_SIZE, "%s",
                       program != NULL ? program : "Unknown device");
        return;
    }
    system = find_in(systems, COUNT(systems), text, length);
    browser = find_in(browsers, COUNT(browsers), text, length);
    if (browser != NULL && system != NULL)
        (void)snprintf(ret_device, USER_AGENT_DEVICE_SIZE, "%s on %s", browser, system);
    else
        (void)snprintf(ret_device, USER_AGENT_DEVICE_SIZE, "%s",
                       browser != NULL  ? browser
                       : system != NULL ? system
                                        : "Unknown device");
}
