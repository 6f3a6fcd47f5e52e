/* SPDX-License-Identifier: MIT
 *
 * net/ipc.h: typed, bounded messages between our own processes, over SOCK_SEQPACKET pairs, with
 * descriptors alongside where the supervisor hands them out. No struct crosses raw; leftover bytes
 * are an error; the reader trusts nothing.
 */
#ifndef EDGED_NET_IPC_H
#define EDGED_NET_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define IPC_MSG_MAX (256u * 1024u)
#define IPC_FDS_MAX 64u

/* Writer: numbers are big-endian; text is a 32-bit length and its bytes. Errors stick in w->err. */
struct ipc_writer {
	uint8_t *p;
	size_t n, room;
	int err;
};
void ipc_put_u8(struct ipc_writer *w, uint8_t v);
void ipc_put_u16(struct ipc_writer *w, uint16_t v);
void ipc_put_u32(struct ipc_writer *w, uint32_t v);
void ipc_put_u64(struct ipc_writer *w, uint64_t v);
void ipc_put_str(struct ipc_writer *w, struct str s);

/* Reader: a short or malformed field sets r->err and yields 0 / empty from then on. */
struct ipc_reader {
	struct str left;
	int err;
};
uint8_t ipc_get_u8(struct ipc_reader *r);
uint16_t ipc_get_u16(struct ipc_reader *r);
uint32_t ipc_get_u32(struct ipc_reader *r);
uint64_t ipc_get_u64(struct ipc_reader *r);
struct str ipc_get_str(struct ipc_reader *r);
/* ED_OK when all was read without error and nothing is left. */
int ipc_get_end(const struct ipc_reader *r) ED_MUST_CHECK;

/*
 * One message with up to IPC_FDS_MAX descriptors (borrowed); big ones use a sealed memfd beside a
 * small frame. ED_STATE: the socket is full (non-blocking fd), nothing was sent; ED_GONE: the other
 * end closed; ED_LIMIT: too large; ED_SYS.
 */
int ipc_send(int fd, struct str msg, const int *fds, size_t n_fds) ED_MUST_CHECK;
/* Non-blocking if the fd is. ED_OK, ED_STATE (nothing there), ED_GONE, ED_MALFORMED, ED_LIMIT
 * (larger than room; the message is lost), ED_SYS. buf is the caller's; *ret_n its filled part.
 * Descriptors come close-on-exec; surplus ones are closed. */
int ipc_recv(int fd, uint8_t *buf, size_t room, size_t *ret_n, int *ret_fds, size_t fds_room,
    size_t *ret_n_fds) ED_MUST_CHECK;

#endif
