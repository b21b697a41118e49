#include "signaling/static_files.h"

#include "tests/signaling/web_lib.h"
#include "tests/t.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- a folder with a page, and a server that has loaded it
 * ------------------------------------ */

static char folder[64];
static struct static_files *files;
static struct web web;
static char script[4000];
static struct http_route routes[] = {
    {.path = "/", .prefix = true, .methods = METHOD_GET, .handle = static_files_handle},
};

static void put(const char *name, const char *text)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "w");
    T_OK(stream);
    fputs(text, stream);
    fclose(stream);
}

static void put_folder(const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    T_EQ(mkdir(path, 0700), 0);
}

static void make_page(void)
{
    char link[160];

    snprintf(folder, sizeof folder, "/tmp/static-files-XXXXXX");
    T_OK(mkdtemp(folder));
    put_folder("assets");
    put_folder(".git");
    put_folder("docs");
    memset(script, 'x', sizeof script - 1);
    put("index.html", "<!doctype html><title>the page</title>");
    put("dashboard.html", "the dashboard");
    put("docs/index.html", "the docs");
    put("assets/app.1a2b.js", script);
    put("assets/tone.ogg", "OggS");
    put("unknown.xyz", "?");
    put("empty.css", "");
    put(".secret", "secret");
    put(".git/config", "secret");
    snprintf(link, sizeof link, "%s/passwd.txt", folder);
    T_EQ(symlink("/etc/passwd", link), 0);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void set_up(void)
{
    const struct http_options options = {.routes = routes, .route_count = 1};
    char error[STATIC_ERROR_MAX];

    make_page();
    T_EQ(static_files_load(&files, folder, error), RC_OK);
    T_STR(error, "");
    routes[0].arg = files;
    web_open(&web, &options);
}

static void tear_down(void)
{
    web_close(&web);
    static_files_free(files);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Asks with further fields (each with its CRLF). */
static struct web_client *ask(const char *method, const char *path, const char *fields)
{
    struct web_client *client = web_connect(&web);
    char text[512];

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: here\r\n%s\r\n", method, path, fields);
    web_say(client, text);
    for (int i = 0; i < 5; i++)
        web_settle(&web);
    return client;
}

static bool has(const struct web_client *client, const char *text)
{
    return strstr(client->text, text) != NULL;
}

static const char *body_of(const struct web_client *client)
{
    return strstr(client->text, "\r\n\r\n") + 4;
}

/* ---- the cases
 * --------------------------------------------------------------------------------- */

static void paths_find_their_files(void)
{
    static const struct {
        const char *path, *body, *type;
    } rows[] = {
        {"/", "<!doctype html><title>the page</title>", "text/html; charset=utf-8"},
        {"/index.html", "<!doctype html><title>the page</title>", "text/html; charset=utf-8"},
        {"/?room=1", "<!doctype html><title>the page</title>", "text/html; charset=utf-8"},
        {"/dashboard", "the dashboard", "text/html; charset=utf-8"},
        {"/docs", "the docs", "text/html; charset=utf-8"},
        {"/docs/", "the docs", "text/html; charset=utf-8"},
        {"/assets/app.1a2b.js", script, "text/javascript; charset=utf-8"},
        {"/assets/tone.ogg", "OggS", "audio/ogg"},
        {"/unknown.xyz", "?", "application/octet-stream"},
        {"/empty.css", "", "text/css; charset=utf-8"},
    };
    set_up();
    T_EQ(static_files_count(files), 7);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char type[80];

        printf("#   %s\n", rows[i].path);
        struct web_client *client = ask("GET", rows[i].path, "");
        T_OK(strncmp(client->text, "HTTP/1.1 200 OK\r\n", 17) == 0);
        T_STR(body_of(client), rows[i].body);
        snprintf(type, sizeof type, "\r\nContent-Type: %s\r\n", rows[i].type);
        T_OK(has(client, type));
        web_free(client);
    }
    tear_down();
}

static void nothing_else_is_found(void)
{
    static const char *const paths[] = {
        "/nothing",
        "/assets",
        "/assets/",
        "/.secret",
        "/.git/config",
        "/passwd.txt",
        "/../etc/passwd",
        "/assets/../index.html",
        "/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/docs//index.html",
        "/index.html/",
        "/assets%2fapp.1a2b.js%20",
        "/..%2f..%2fetc/passwd",
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        printf("#   %s\n", paths[i]);
        struct web_client *client = ask("GET", paths[i], "");
        T_OK(strncmp(client->text, "HTTP/1.1 404 ", 13) == 0);
        web_free(client);
    }
    tear_down();
}

static void text_is_sent_compressed_to_who_takes_it(void)
{
    static const struct {
        const char *fields;
        bool gzip;
    } rows[] = {
        {"Accept-Encoding: gzip, deflate, br\r\n", true},
        {"Accept-Encoding: br, gzip;q=0.5\r\n", true},
        {"Accept-Encoding: GZIP\r\n", true},
        {"Accept-Encoding: gzip;q=0\r\n", false},
        {"Accept-Encoding: xgzip\r\n", false},
        {"Accept-Encoding: br\r\n", false},
        {"", false},
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("#   %s\n", rows[i].fields);
        struct web_client *client = ask("GET", "/assets/app.1a2b.js", rows[i].fields);
        T_EQ(has(client, "\r\nContent-Encoding: gzip\r\n"), rows[i].gzip);
        T_OK(has(client, "\r\nVary: Accept-Encoding\r\n"));
        if (rows[i].gzip) {
            const char *body = body_of(client);
            uint8_t plain[5000];
            z_stream z = {.next_in = (Bytef *)(uintptr_t)body,
                          .avail_in = (uInt)(client->text + client->n - body),
                          .next_out = plain,
                          .avail_out = sizeof plain};

            T_EQ(inflateInit2(&z, 15 + 16), Z_OK);
            T_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
            T_EQ(z.total_out, sizeof script - 1);
            T_MEM(plain, script, sizeof script - 1);
            inflateEnd(&z);
        }
        web_free(client);
    }
    struct web_client *client = ask("GET", "/assets/tone.ogg", "Accept-Encoding: gzip\r\n");
    T_OK(!has(client, "Content-Encoding") && !has(client, "Vary"));
    web_free(client);
    tear_down();
}

static void hashed_names_are_immutable_and_pages_are_asked_for_again(void)
{
    set_up();
    struct web_client *client = ask("GET", "/assets/app.1a2b.js", "");
    T_OK(has(client, "\r\nCache-Control: public, max-age=31536000, immutable\r\n"));
    web_free(client);
    client = ask("GET", "/", "");
    T_OK(has(client, "\r\nCache-Control: no-cache\r\n"));
    web_free(client);
    tear_down();
}

/* The ETag of an answer, with its quotes. */
static void etag_of(const struct web_client *client, char etag[static 64])
{
    const char *at = strstr(client->text, "\r\nETag: \"");

    T_OK(at);
    T_EQ(sscanf(at + 8, "%63[^\r]", etag), 1);
    T_EQ(strlen(etag), 34);
}

static void a_known_etag_is_answered_304_for_each_form(void)
{
    char plain[64], gzip[64], fields[160];
    set_up();
    struct web_client *client = ask("GET", "/assets/app.1a2b.js", "");
    etag_of(client, plain);
    web_free(client);
    client = ask("GET", "/assets/app.1a2b.js", "Accept-Encoding: gzip\r\n");
    etag_of(client, gzip);
    web_free(client);
    T_OK(strcmp(plain, gzip) != 0);

    snprintf(fields, sizeof fields, "If-None-Match: \"x\", W/%s\r\n", plain);
    client = ask("GET", "/assets/app.1a2b.js", fields);
    T_OK(strncmp(client->text, "HTTP/1.1 304 Not Modified\r\n", 27) == 0);
    T_OK(has(client, plain) && has(client, "Cache-Control"));
    T_STR(body_of(client), "");
    T_OK(!has(client, "\r\nContent-Length") && !has(client, "\r\nContent-Type"));
    web_free(client);

    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", gzip);
    client = ask("GET", "/assets/app.1a2b.js", fields);
    T_OK(strncmp(client->text, "HTTP/1.1 200 ", 13) == 0);
    web_free(client);
    client = ask("GET", "/assets/app.1a2b.js", "If-None-Match: *\r\n");
    T_OK(strncmp(client->text, "HTTP/1.1 304 ", 13) == 0);
    web_free(client);
    tear_down();
}

static void head_tells_the_length(void)
{
    set_up();
    struct web_client *client = ask("HEAD", "/assets/app.1a2b.js", "");
    T_OK(has(client, "\r\nContent-Length: 3999\r\n"));
    T_STR(body_of(client), "");
    web_free(client);
    tear_down();
}

static void files_may_be_replaced_while_an_answer_is_written(void)
{
    char error[STATIC_ERROR_MAX];
    set_up();
    struct web_client *client = web_connect(&web);

    web_read(client, false);
    web_say(client, "GET /assets/app.1a2b.js HTTP/1.1\r\nHost: here\r\n\r\n");
    static_files_free(files);
    T_EQ(static_files_load(&files, folder, error), RC_OK);
    routes[0].arg = files;
    web_read(client, true);
    web_settle(&web);
    T_STR(body_of(client), script);
    web_free(client);
    tear_down();
}

static void a_folder_that_is_not_there_is_named(void)
{
    char error[STATIC_ERROR_MAX];

    T_EQ(static_files_load(&files, "/nowhere/at/all", error), RC_SYS);
    T_OK(strstr(error, "/nowhere/at/all: No such file"));
}

static const struct t_case cases[] = {
    T_CASE(paths_find_their_files),
    T_CASE(nothing_else_is_found),
    T_CASE(text_is_sent_compressed_to_who_takes_it),
    T_CASE(hashed_names_are_immutable_and_pages_are_asked_for_again),
    T_CASE(a_known_etag_is_answered_304_for_each_form),
    T_CASE(head_tells_the_length),
    T_CASE(files_may_be_replaced_while_an_answer_is_written),
    T_CASE(a_folder_that_is_not_there_is_named),
};
T_MAIN(cases)
