/* SPDX-License-Identifier: MIT
 *
 * svc/wire.h: what supervisor and service say to each other on fd 3 (a SOCK_SEQPACKET pair).
 *
 * Each message is one kind octet and its fields, in the order written beside it (net/ipc.h). Slices
 * are longer than a datagram wants to be and come as a sealed memory file beside the message. The
 * supervisor trusts nothing that comes up: kinds, numbers and lengths are checked, texts are cut.
 */
#ifndef EDGED_SVC_WIRE_H
#define EDGED_SVC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

struct ipc_reader;
struct ipc_writer;

enum wire_kind {
	/* down, before START */
	WIRE_HELLO = 1,   /* see struct wire_hello */
	WIRE_SLICE,       /* fd: the slice */
	WIRE_LISTENERS,   /* u16 n, n times: u8 kind, address; n fds. Several messages may come */
	WIRE_KEY_CHANNEL, /* fd: channel to keyd. Also later: keyd was restarted */
	WIRE_SIBLING,     /* u16 slot; fd. Also later */
	WIRE_SHARED,      /* fd: memory of role_row.shared bytes */
	WIRE_KRELAY,      /* u32 epoch, str struct krelay_conf; 2 fds: flows, accounts */
	WIRE_KEYS,        /* keyd: str key plan. Also before PREPARE */
	WIRE_START,
	/* down, later */
	WIRE_CHANNEL,  /* keyd: u8 role, u16 worker; fd */
	WIRE_PREPARE,  /* u32 number; fd: the next slice */
	WIRE_COMMIT,   /* u32 number */
	WIRE_ROLLBACK, /* u32 number */
	WIRE_DRAIN,
	WIRE_STOP,
	WIRE_PING,       /* u32 number */
	WIRE_CONTROL,    /* u32 number, str verb, str argument */
	WIRE_STATS,      /* u32 number */
	WIRE_LOG_LEVEL,  /* u8 enum log_level */
	WIRE_LOG_SOCKET, /* fd */
	/* up */
	WIRE_READY = 64, /* u16 n, n times: str warning (kernel features missing, lab exceptions) */
	WIRE_REFUSED,    /* str why: start failed */
	WIRE_PREPARED,   /* u32 number, u8 ok, str why */
	WIRE_COMMITTED,  /* u32 number */
	WIRE_PONG,       /* u32 number */
	WIRE_REPLY,      /* u32 number, str JSON */
	WIRE_COUNTS,     /* u32 number, u16 n, n times: str name, u8 kind, str help, u64 value */
	WIRE_DRAINED,
	WIRE_LOG_LOST,
};

#define WIRE_WARNINGS_MAX 16u
#define WIRE_SLICE_MAX    (32u * 1024u * 1024u)
#define WIRE_REPLY_MAX    (200u * 1024u)

struct wire_hello {
	struct str version; /* both ends must be of one build */
	uint8_t role;
	uint16_t worker, workers;
	uint64_t counter_base;
	uint64_t hash_key[2];
	struct str root;   /* directory to be locked into; empty: none (laboratory) */
	uint32_t uid, gid; /* UINT32_MAX: stay (laboratory) */
	uint8_t lab;
};
void wire_put_hello(struct ipc_writer *w, const struct wire_hello *h);
void wire_get_hello(struct ipc_reader *r, struct wire_hello *ret);

void wire_put_addr(struct ipc_writer *w, const struct addr *a);
int wire_get_addr(struct ipc_reader *r, struct addr *ret) ED_MUST_CHECK;

/* A sealed memory file with these bytes. */
int wire_blob_new(const void *p, size_t n, int *ret_fd) ED_MUST_CHECK;
/* A memory file of n zero bytes that nobody can make shorter or longer; what workers share. */
int wire_shared_new(size_t n, int *ret_fd) ED_MUST_CHECK;
/* Maps one of exactly n bytes. Closes fd. NULL: it is not what it should be. */
void *wire_shared_map(int fd, size_t n);
/* Reads all of it into heap memory (caller frees); ED_LIMIT beyond max. Closes fd. */
int wire_blob_read(int fd, size_t max, char **ret_p, size_t *ret_n) ED_MUST_CHECK;

#endif
