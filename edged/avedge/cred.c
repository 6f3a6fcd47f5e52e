/* SPDX-License-Identifier: MIT
 *
 * avedge/cred.c: keys of users, asked of keyd once per allocation. The relay holds no secret that
 * could mint one.
 *
 * Spec: mras.md 6.4 (tokens), ms-turn 7.3 (users of the file, time-limited names).
 */
#include "avedge/internal.h"
#include "base/wipe.h"
#include "net/keycall.h"

static void
on_key(void *arg, uint32_t ticket, const struct keycall_turn *answer)
{
	struct avedge *av = arg;
	struct turn_key key = {.verdict = ED_SYS};

	if (answer) {
		key.verdict = answer->verdict;
		key.remaining_s = answer->remaining_s;
		_Static_assert(sizeof(key.key) == sizeof(answer->key), "as many keys");
		memcpy(key.key, answer->key, sizeof(key.key));
		key.n_keys = answer->n_keys;
		memcpy(key.user, answer->user, sizeof(key.user));
	}
	turn_server_key_ready(av->server, ticket, &key, loop_now_ms(av->loop), &av->acts);
	wipe(&key, sizeof(key));
	egress_run(av);
}

void
cred_ask(struct avedge *av, uint32_t ticket, struct str username)
{
	/* When it cannot even be asked nobody answers; the client retransmits, the request is
	 * forgotten by time. */
	if (keycall_turn_key(svc_keys(av->svc), username, ticket, on_key, av) < 0)
		return;
}
