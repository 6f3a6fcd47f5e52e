/* SPDX-License-Identifier: MIT */
#include "krelay/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_OF_KBYTE_AT_1_KBIT 8192000000ull /* 1,024 octets at 1,000 bit/s */

_Static_assert(sizeof(struct krelay_key) == 40, "no padding: keys are compared as octets");
_Static_assert(sizeof(struct krelay_flow) == 144, "no padding");
_Static_assert(sizeof(struct krelay_leg) == 32, "no padding");

struct krelay {
	struct krelay_grant grant;
	uint16_t worker;
};

static int
map_call(int cmd, int fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uint64_t)(uintptr_t)key;
	attr.value = (uint64_t)(uintptr_t)value;
	attr.flags = flags;
	return (int)syscall(SYS_bpf, cmd, &attr, sizeof(attr));
}

int
krelay_new(const struct krelay_grant *grant, unsigned worker, struct krelay **ret)
{
	struct krelay *k = worker < KRELAY_WORKERS ? calloc(1, sizeof(*k)) : NULL;

	if (!k) {
		close(grant->flows_fd);
		close(grant->accounts_fd);
		return worker < KRELAY_WORKERS ? ED_NOMEM : ED_LIMIT;
	}
	k->grant = *grant;
	k->worker = (uint16_t)worker;
	*ret = k;
	return ED_OK;
}

struct krelay *
krelay_free(struct krelay *k)
{
	if (!k)
		return NULL;
	close(k->grant.flows_fd);
	close(k->grant.accounts_fd);
	free(k);
	return NULL;
}

void
krelay_addr(uint8_t ret[16], const struct addr *a)
{
	memset(ret, 0, 16);
	memcpy(ret, a->ip, a->family == 4 ? 4 : 16);
}

int
krelay_leg_of_listener(const struct krelay *k, const struct addr *at, uint8_t *ret)
{
	uint8_t ip[16];

	krelay_addr(ip, at);
	for (uint8_t i = 0; i < KRELAY_LEGS; i++) {
		const struct krelay_leg *l = &k->grant.conf.leg[i];

		if (l->ifindex && l->family == at->family && l->listener == htons(at->port) &&
		    memcmp(l->addr, ip, sizeof(ip)) == 0) {
			*ret = i;
			return ED_OK;
		}
	}
	return ED_STATE;
}

int
krelay_leg_of_relay(const struct krelay *k, uint8_t family, uint8_t *ret)
{
	for (uint8_t i = 0; i < KRELAY_LEGS; i++) {
		const struct krelay_leg *l = &k->grant.conf.leg[i];

		if (l->ifindex && l->is_relay && l->family == family) {
			*ret = i;
			return ED_OK;
		}
	}
	return ED_STATE;
}

int
krelay_put(struct krelay *k, const struct krelay_key *key, struct krelay_flow *f)
{
	f->worker = k->worker;
	f->epoch = k->grant.epoch;
	return map_call(BPF_MAP_UPDATE_ELEM, k->grant.flows_fd, key, f, BPF_ANY) < 0 ? ED_SYS
										     : ED_OK;
}

int
krelay_get(const struct krelay *k, const struct krelay_key *key, struct krelay_flow *ret)
{
	return map_call(BPF_MAP_LOOKUP_ELEM, k->grant.flows_fd, key, ret, 0) < 0 ? ED_GONE : ED_OK;
}

void
krelay_drop(struct krelay *k, const struct krelay_key *key)
{
	/* One that the map has given up itself is as good. */
	(void)map_call(BPF_MAP_DELETE_ELEM, k->grant.flows_fd, key, NULL, 0);
}

int
krelay_charge(struct krelay *k, struct krelay_flow *f, unsigned i, uint64_t id, uint64_t kbit_per_s)
{
	struct krelay_account fresh = {.paid_ns = 0};

	f->account[i] = id;
	f->ns_per_kbyte[i] = NS_OF_KBYTE_AT_1_KBIT / kbit_per_s;
	if (map_call(BPF_MAP_UPDATE_ELEM, k->grant.accounts_fd, &id, &fresh, BPF_NOEXIST) < 0 &&
	    errno != EEXIST)
		return ED_SYS;
	return ED_OK;
}
