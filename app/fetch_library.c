/* Loading libcurl. */
#include "app/fetch_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "app/log.h"

#define LIBRARY "libcurl.so.4"

static struct curl_library library;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

/* ISO C has no cast from an object's address to a function's. */
static bool find(void *handle, const char *name, void *ret_function, size_t size)
{
    void *symbol = dlsym(handle, name);

    memcpy(ret_function, &symbol, size);
    return symbol != NULL;
}

#define FIND(handle, member) find((handle), "curl_" #member, &library.member, sizeof library.member)

static bool find_all(void *handle)
{
    __typeof__(curl_global_init) *global_init;

    return FIND(handle, easy_init) && FIND(handle, easy_perform) && FIND(handle, easy_cleanup) &&
           FIND(handle, easy_strerror) && FIND(handle, slist_append) &&
           FIND(handle, slist_free_all) && FIND(handle, easy_setopt) &&
           FIND(handle, easy_getinfo) &&
           find(handle, "curl_global_init", &global_init, sizeof global_init) &&
           global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* It stays until the process ends. */
static void load(void)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const char *why = handle == NULL ? dlerror() : "libcurl lacks a function";

    loaded = handle != NULL && find_all(handle);
    if (!loaded)
        log_event(LOG_ERROR, "fetch.no_library", "message", why, NULL);
}

const struct curl_library *curl_library(void)
{
    (void)pthread_once(&once, load);
    return loaded ? &library : NULL;
}
