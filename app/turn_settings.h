/*
 * app/turn_settings.h - what turn/ wants to know, made of the settings.
 *
 * Pure. The options that are filled in point into the settings, which must outlive the call
 * that they are for.
 */
#ifndef APP_TURN_SETTINGS_H
#define APP_TURN_SETTINGS_H

#include "app/settings.h"
#include "core/address.h"
#include "turn/turn_auth.h"
#include "turn/turn_policy.h"

/* `made` is the secret to hand out credentials with where no static-auth-secret is configured;
 * it lives as long as the options. Users are left out where one is, as coturn does. */
void turn_settings_auth(const struct settings *settings, const char *const *made,
                        struct turn_auth_options *out);
/* The secret that handed out credentials are made with. */
const char *turn_settings_secret(const struct settings *settings, const char *made);

/* All but the addresses: media, own and their counts are the caller's to add. */
void turn_settings_policy(const struct settings *settings, struct turn_policy_options *out);

/* The halves of an external-ip: PUBLIC/PRIVATE, or PUBLIC alone (then *private has no family).
 */
int turn_settings_external(const char *text, struct address *public, struct address *private);

/* The first alternate-server of this family, its port 3478 unless it names one. No family:
 * none. */
struct address turn_settings_alternate(const struct settings *settings, sa_family_t family);

#endif
