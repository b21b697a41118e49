#include "signaling/static_files.h"

#include "core/table.h"

#include <errno.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <zlib.h>

enum {
    ETAG_BYTES = 16,                   /* of the SHA-256, as hexadecimal digits */
    ETAG_MAX = 2 + 2 * ETAG_BYTES + 1, /* with its quotes and a NUL */
    GZIP_OVER = 256,                   /* bytes: shorter files do not gain by compression */
    GZIP_WINDOW = 15 + 16,             /* zlib's way to say gzip format */
};

/* One form of a file: as it is, or compressed. */
struct form {
    uint8_t *bytes; /* owned; NULL: there is none */
    size_t n;
    char etag[ETAG_MAX];
};

struct file {
    char *path;       /* owned; "/assets/app.1a2b.js" */
    const char *type; /* static */
    bool immutable;
    struct form plain, gzip;
    UT_hash_handle hh;
};

struct static_files {
    struct file *table; /* owned: uthash by path */
    size_t count, bytes;
    unsigned references; /* the owner's, and one for each answer that is being written */
};

/* clang-format off */
static const struct {
    const char *extension, *type;
    bool compressible;
} types[] = {
    {".html", "text/html; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".mjs", "text/javascript; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".json", "application/json; charset=utf-8", true},
    {".map", "application/json; charset=utf-8", true},
    {".webmanifest", "application/manifest+json; charset=utf-8", true},
    {".txt", "text/plain; charset=utf-8", true},
    {".xml", "application/xml; charset=utf-8", true},
    {".svg", "image/svg+xml", true},
    {".wasm", "application/wasm", true},
    {".ico", "image/x-icon", true},
    {".png", "image/png", false},
    {".jpg", "image/jpeg", false},
    {".jpeg", "image/jpeg", false},
    {".gif", "image/gif", false},
    {".webp", "image/webp", false},
    {".avif", "image/avif", false},
    {".woff", "font/woff", false},
    {".woff2", "font/woff2", false},
    {".mp3", "audio/mpeg", false},
    {".ogg", "audio/ogg", false},
    {".mp4", "video/mp4", false},
    {".webm", "video/webm", false},
};
/* clang-format on */

/* ---- loading
 * ----------------------------------------------------------------------------------- */

/* The type of a name, and whether it is worth compressing. */
static const char *type_of(const char *path, bool *compressible)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < ARRAY_LEN(types); i++) {
        if (strcasecmp(dot, types[i].extension) == 0) {
            *compressible = types[i].compressible;
            return types[i].type;
        }
    }
    *compressible = false;
    return "application/octet-stream";
}

static int make_etag(struct form *form)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!EVP_Digest(form->bytes, form->n, digest, NULL, EVP_sha256(), NULL))
        return RC_NOMEM;
    form->etag[0] = '"';
    for (int i = 0; i < ETAG_BYTES; i++)
        snprintf(form->etag + 1 + 2 * i, 3, "%02x", digest[i]);
    form->etag[ETAG_MAX - 2] = '"';
    form->etag[ETAG_MAX - 1] = '\0';
    return RC_OK;
}

/* Leaves out->bytes NULL when the file does not get shorter. */
static int compress_form(const struct form *plain, struct form *out)
{
    z_stream z = {0};

    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return RC_NOMEM;
    uint8_t *bytes = malloc(plain->n);
    z.next_in = plain->bytes;
    z.avail_in = (uInt)plain->n;
    z.next_out = bytes;
    z.avail_out = (uInt)plain->n;
    const bool shorter = bytes && deflate(&z, Z_FINISH) == Z_STREAM_END;
    out->n = plain->n - z.avail_out;
    deflateEnd(&z);
    if (!shorter) {
        free(bytes);
        return bytes ? RC_OK : RC_NOMEM;
    }
    uint8_t *fitted = realloc(bytes, out->n);
    out->bytes = fitted ? fitted : bytes;
    return make_etag(out);
}

static int read_whole(const char *name, size_t size, uint8_t **bytes)
{
    FILE *stream = fopen(name, "rb");

    if (!stream)
        return RC_SYS;
    *bytes = malloc(size ? size : 1);
    const size_t got = *bytes ? fread(*bytes, 1, size, stream) : 0;
    fclose(stream);
    if (*bytes && got == size)
        return RC_OK;
    const int rc = *bytes ? RC_SYS : RC_NOMEM;
    free(*bytes);
    *bytes = NULL;
    errno = EIO; /* it shrank while we read it */
    return rc;
}

static void file_free(struct file *file)
{
    free(file->path);
    free(file->plain.bytes);
    free(file->gzip.bytes);
    free(file);
}

static int fill(struct file *file, const char *name, size_t size)
{
    bool compressible;

    file->type = type_of(file->path, &compressible);
    file->immutable = strncmp(file->path, "/assets/", 8) == 0;
    int rc = read_whole(name, size, &file->plain.bytes);
    if (rc != RC_OK)
        return rc;
    file->plain.n = size;
    rc = make_etag(&file->plain);
    if (rc == RC_OK && compressible && size > GZIP_OVER)
        rc = compress_form(&file->plain, &file->gzip);
    return rc;
}

static int add_file(struct static_files *files, const char *name, const char *path, size_t size)
{
    if (files->count == STATIC_FILES_MAX || size > STATIC_FILE_BYTES_MAX ||
        size > STATIC_BYTES_MAX - files->bytes)
        return RC_FULL;
    struct file *file = calloc(1, sizeof *file);
    if (!file)
        return RC_NOMEM;
    file->path = strdup(path);
    const int rc = file->path ? fill(file, name, size) : RC_NOMEM;
    if (rc != RC_OK) {
        file_free(file);
        return rc;
    }
    HASH_ADD_KEYPTR(hh, files->table, file->path, strlen(file->path), file);
    files->count++;
    files->bytes += size;
    return RC_OK;
}

/* What one entry of the walk means. Names that begin with a dot and everything below them are
 * left out; symbolic links are not followed. */
static int visit(struct static_files *files, FTS *walk, FTSENT *entry, size_t root_n)
{
    if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
        fts_set(walk, entry, FTS_SKIP);
        return RC_OK;
    }
    switch (entry->fts_info) {
    case FTS_F:
        return add_file(files, entry->fts_path, entry->fts_path + root_n,
                        (size_t)entry->fts_statp->st_size);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = entry->fts_errno;
        return RC_SYS;
    default:
        return RC_OK;
    }
}

static int walk_folder(struct static_files *files, char *folder, char *error)
{
    char *const roots[] = {folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry = NULL;
    int rc = walk ? RC_OK : RC_SYS;

    while (rc == RC_OK && (entry = fts_read(walk)))
        rc = visit(files, walk, entry, strlen(folder));
    if (rc != RC_OK) {
        const char *why = rc == RC_SYS    ? strerror(errno)
                          : rc == RC_FULL ? "too many files, or too large"
                                          : "no memory";
        snprintf(error, STATIC_ERROR_MAX, "%s: %s", entry ? entry->fts_path : folder, why);
    }
    if (walk)
        fts_close(walk);
    return rc;
}

int static_files_load(struct static_files **out, const char *folder,
                      char error[static STATIC_ERROR_MAX])
{
    struct static_files *files = calloc(1, sizeof *files);
    char *root = strdup(folder);
    int rc = RC_NOMEM;

    snprintf(error, STATIC_ERROR_MAX, "no memory");
    if (files && root) {
        size_t n = strlen(root);

        while (n > 1 && root[n - 1] == '/')
            root[--n] = '\0';
        files->references = 1;
        rc = walk_folder(files, root, error);
    }
    free(root);
    if (rc != RC_OK) {
        static_files_free(files);
        return rc;
    }
    error[0] = '\0';
    *out = files;
    return RC_OK;
}

static void unreference(struct static_files *files)
{
    struct file *file, *next;

    if (--files->references > 0)
        return;
    HASH_ITER(hh, files->table, file, next)
    {
        HASH_DEL(files->table, file);
        file_free(file);
    }
    free(files);
}

void static_files_free(struct static_files *files)
{
    if (!files)
        return;
    if (files->references == 0) /* never came to be whole */
        files->references = 1;
    unreference(files);
}

size_t static_files_count(const struct static_files *files)
{
    return files->count;
}

/* ---- answering
 * --------------------------------------------------------------------------------- */

static struct file *find_exact(struct static_files *files, const char *path, const char *suffix)
{
    char name[512];
    struct file *file;
    const int n = snprintf(name, sizeof name, "%s%s", path, suffix);

    if (n < 0 || (size_t)n >= sizeof name)
        return NULL;
    HASH_FIND(hh, files->table, name, (size_t)n, file);
    return file;
}

static struct file *find(struct static_files *files, const char *path)
{
    if (path[strlen(path) - 1] == '/')
        return find_exact(files, path, "index.html");
    struct file *file = find_exact(files, path, "");
    if (!file)
        file = find_exact(files, path, ".html");
    return file ? file : find_exact(files, path, "/index.html");
}

/* Is gzip named in Accept-Encoding, and not with a weight of zero (RFC 9110 section 12.5.3)? */
static bool takes_gzip(const char *accept)
{
    while (accept && *accept) {
        accept += strspn(accept, " \t,");
        const size_t n = strcspn(accept, ",");
        const size_t name_n = strcspn(accept, " \t;,");

        if (name_n == 4 && strncasecmp(accept, "gzip", 4) == 0) {
            const char *q = memmem(accept, n, "q=", 2);
            return !q || strtod(q + 2, NULL) > 0;
        }
        accept += n;
    }
    return false;
}

/* RFC 9110 section 13.1.2: If-None-Match is a list of tags, weak ones count as well, or a star.
 */
static bool is_known(const char *list, const char *etag)
{
    return list && (strcmp(list, "*") == 0 || strstr(list, etag) != NULL);
}

static void release(const void *body, size_t n, void *arg)
{
    (void)body;
    (void)n;
    unreference(arg);
}

void static_files_handle(struct http_request *request, void *arg)
{
    struct static_files *files = arg;
    const struct file *file = find(files, request->path);

    if (!file) {
        http_refuse(request, 404, REFUSAL_NOT_FOUND);
        return;
    }
    const bool gzip = file->gzip.bytes && takes_gzip(http_header(request, "Accept-Encoding"));
    const struct form *form = gzip ? &file->gzip : &file->plain;
    const struct http_field fields[] = {
        {"ETag", form->etag},
        {"Cache-Control", file->immutable ? "public, max-age=31536000, immutable" : "no-cache"},
        {file->gzip.bytes ? "Vary" : NULL, "Accept-Encoding"},
        {gzip ? "Content-Encoding" : NULL, "gzip"},
        {NULL, NULL},
    };

    if (is_known(http_header(request, "If-None-Match"), form->etag)) {
        http_respond(request, 304, NULL, fields, (struct span){0});
        return;
    }
    files->references++;
    http_respond_borrowed(request, 200, file->type, fields, (struct span){form->bytes, form->n},
                          release, files);
}
