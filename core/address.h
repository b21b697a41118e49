/*
 * core/address.h - an IP address and a port, v4 or v6.
 *
 * Sans-IO. Plain value, 28 bytes: embed it, copy it, nothing to free. A v4-mapped v6 address
 * (::ffff:a.b.c.d) never lives in one of these: every constructor turns it into v4, so equality
 * is equality. IPv6 flow labels are dropped, scope ids (link-local) are kept.
 */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include "core/base.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct address {
    union {
        struct sockaddr sa; /* sa_family AF_UNSPEC (0): no address */
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

#define ADDRESS_TEXT_MAX 64 /* "[v6%scope]:port" and its NUL */

/* What an address may mean to a policy. More than one can hold: use the mask. */
enum address_class {
    ADDRESS_LOOPBACK = 1 << 0,    /* 127/8, ::1 */
    ADDRESS_PRIVATE = 1 << 1,     /* RFC 1918 */
    ADDRESS_LINK_LOCAL = 1 << 2,  /* 169.254/16, fe80::/10 */
    ADDRESS_MULTICAST = 1 << 3,   /* 224/4, ff00::/8 */
    ADDRESS_CGNAT = 1 << 4,       /* 100.64/10 */
    ADDRESS_ULA = 1 << 5,         /* fc00::/7 */
    ADDRESS_UNSPECIFIED = 1 << 6, /* 0/8, :: */
    ADDRESS_BROADCAST = 1 << 7,   /* 255.255.255.255 */
    ADDRESS_RESERVED = 1 << 8, /* 240/4, documentation and benchmark ranges, 64:ff9b::/96 … */
};

/* From the kernel's form. RC_BAD when the family is neither AF_INET nor AF_INET6 or len is
 * short. */
int address_from_sockaddr(struct address *out, const struct sockaddr *sa, socklen_t len);
/* Length of the sockaddr inside, 0 for "no address". */
socklen_t address_len(const struct address *a);

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", "*" (any v6, dual stack).
 * Port 0 when the text names none. RC_BAD for anything else; never asks DNS. */
int address_parse(struct address *out, const char *text);
/* "192.0.2.1:80" / "[2001:db8::1]:80"; writes at most `size` bytes and returns buf. */
const char *address_format(const struct address *a, char *buf, size_t size);
/* The same without the port and the brackets. */
const char *address_format_ip(const struct address *a, char *buf, size_t size);

uint16_t address_port(const struct address *a); /* host byte order */
void address_set_port(struct address *a, uint16_t port);

bool address_equal(const struct address *a, const struct address *b);    /* IP and port */
bool address_equal_ip(const struct address *a, const struct address *b); /* IP alone */
/* Seeded, fit for tables that strangers fill (SipHash or alike with a per-process key). */
uint32_t address_hash(const struct address *a);

/* Mask of enum address_class, 0 for an ordinary public address. */
unsigned address_classify(const struct address *a);

/* The v4-mapped v6 form that an AF_INET6 dual-stack socket wants to see. v6 is copied as it is.
 */
void address_to_v6(struct address *out, const struct address *a);

/* 0.0.0.0 or ::, "every address of this machine" to bind. */
bool address_is_wildcard(const struct address *a);

/* Fills up to `max` addresses of this machine's interfaces that are up, loopback and link-local
 * left out unless nothing else is there. Returns how many, or RC_SYS. Reads the kernel (glue).
 */
int address_local(struct address *out, int max);

/* A network: address and prefix length, "10.0.0.0/8" or one address. */
struct address_net {
    struct address base;
    uint8_t bits;
};
int address_net_parse(struct address_net *out, const char *text);
bool address_net_contains(const struct address_net *net, const struct address *a);

#endif
