#include "app/settings.h"

#include "core/address.h"
#include "relay/relay.h"
#include "turn/turn_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What --config=FILE, or coturn's -c FILE, names; *out is NULL without. The first one counts.
 */
static int find_file(int argc, char **argv, const char **out,
                     char error[static OPTIONS_ERROR_MAX])
{
    *out = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            *out = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "-c") == 0)
            *out = i + 1 < argc ? argv[i + 1] : "";
        else
            continue;
        if (**out)
            return RC_OK;
        snprintf(error, OPTIONS_ERROR_MAX, "--config: needs a value: --config=FILE");
        return RC_BAD;
    }
    return RC_OK;
}

/* --- what cannot be said of one option alone -----------------------------------------------
 */

static int say(char error[static OPTIONS_ERROR_MAX], const char *sentence)
{
    snprintf(error, OPTIONS_ERROR_MAX, "%s", sentence);
    return RC_BAD;
}

static int check_count(const struct option_list *list, const char *name, size_t max,
                       char error[static OPTIONS_ERROR_MAX])
{
    if (list->count <= max)
        return RC_OK;
    snprintf(error, OPTIONS_ERROR_MAX, "%s: more than %zu", name, max);
    return RC_BAD;
}

static int check_together(const struct settings *s, char error[static OPTIONS_ERROR_MAX])
{
    if (check_count(&s->listening_ip, "listening-ip", RELAY_ADDRESSES_MAX, error) != RC_OK ||
        check_count(&s->external_ip, "external-ip", RELAY_ADDRESSES_MAX, error) != RC_OK ||
        check_count(&s->relay_ip, "relay-ip", RELAY_ADDRESSES_MAX, error) != RC_OK ||
        check_count(&s->static_auth_secret, "static-auth-secret", TURN_SECRETS_MAX, error) !=
            RC_OK)
        return RC_BAD;
    if (!s->cert != !s->pkey)
        return say(error, s->cert ? "cert and pkey go together: pkey is missing"
                                  : "cert and pkey go together: cert is missing");
    if (s->min_port > s->max_port)
        return say(error, "min-port is above max-port");
    if (s->stun_only && s->no_stun)
        return say(error, "stun-only and no-stun leave nothing");
    if (s->rfc5780 && s->no_rfc5780)
        return say(error, "rfc5780 and no-rfc5780 contradict each other");
    if (s->use_auth_secret && s->static_auth_secret.count == 0)
        return say(error,
                   "use-auth-secret needs static-auth-secret: no database is read for it");
    return RC_OK;
}

static int note_together(struct settings *s)
{
    int rc = RC_OK;

    if (s->static_auth_secret.count > 0 && s->user.count > 0)
        rc = options_note(&s->notes,
                          "user: nobody by these while there is a static-auth-secret, "
                          "as in coturn");
    if (rc == RC_OK && s->bps_capacity > 0 && s->max_bps == 0)
        rc = options_note(&s->notes,
                          "bps-capacity: limits nothing without max-bps, as in coturn");
    return rc;
}

/* coturn's words for what has another name or form here. */
static void translate(struct settings *s)
{
    static const char *const no_file[] = {"stdout", "-", "syslog"};

    if (s->workers == 0)
        s->workers = s->relay_threads;
    s->no_software_attribute |= s->prod;
    for (size_t i = 0; i < ARRAY_LEN(no_file) && s->log_file; i++) {
        if (strcmp(s->log_file, no_file[i]) == 0) {
            free(s->log_file);
            s->log_file = NULL;
        }
    }
}

/* --- loading -------------------------------------------------------------------------------
 */

static int read_sources(struct settings *out, int argc, char **argv, char **environment,
                        char error[static OPTIONS_ERROR_MAX])
{
    static const char *const own[] = {
        "help", "version", "check-config", "config=", "c=", "n", NULL};
    const struct option *table = settings_table;
    const char *file;

    int rc = find_file(argc, argv, &file, error);
    if (rc == RC_OK)
        rc = options_defaults(table, settings_count, out);
    if (rc == RC_OK && file)
        rc = options_read_file(table, settings_count, out, file, error);
    if (rc == RC_OK)
        rc = options_read_environment(table, settings_count, out, environment, error);
    if (rc == RC_OK)
        rc = options_read_arguments(table, settings_count, out, argc, argv, own, error);
    return rc;
}

int settings_read(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX])
{
    memset(out, 0, sizeof *out);
    int rc = read_sources(out, argc, argv, environment, error);
    if (rc == RC_OK) {
        translate(out);
        rc = check_together(out, error);
    }
    if (rc == RC_OK)
        rc = note_together(out);
    if (rc == RC_NOMEM)
        snprintf(error, OPTIONS_ERROR_MAX, "no memory");
    if (rc != RC_OK)
        settings_clear(out);
    return rc;
}

int settings_load(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX])
{
    const int rc = settings_read(out, argc, argv, environment, error);

    if (rc != RC_OK || out->refused.count == 0)
        return rc;
    snprintf(error, OPTIONS_ERROR_MAX, "%s%s", out->refused.item[0],
             out->refused.count > 1 ? " (and more: --check-config lists all)" : "");
    settings_clear(out);
    return RC_BAD;
}

void settings_clear(struct settings *settings)
{
    options_clear(settings_table, settings_count, settings);
}
