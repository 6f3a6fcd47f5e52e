/* SPDX-License-Identifier: MIT */
#include "net/keycall.h"
#include "net/keycall_in.h"
void
keycall_enter(struct keycall_wait *w)
{
}
void
keycall_leave(void)
{
}
void
keycall_abandon(struct keycall_wait *w)
{
}
EVP_PKEY *
keycall_pkey(struct keycall *k, uint16_t slot, X509 *leaf)
{
	return NULL;
}
