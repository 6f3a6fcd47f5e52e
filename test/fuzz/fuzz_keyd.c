/* SPDX-License-Identifier: MIT
 *
 * fuzz_keyd.c: what a taken-over service may send to keyd, and what a taken-over supervisor link
 * may send as a key plan. First octet: role; its high bit: the rest is a plan.
 */
#include <stdlib.h>
#include <string.h>

#include "keyd/keyd.h"
#include "net/ipc.h"
#include "svc/keyplan.h"
#include "testcert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keyd *
make(void)
{
	static uint8_t bytes[16384];
	struct ipc_writer w = {.p = bytes, .room = sizeof(bytes)};
	struct keyplan *p = calloc(1, sizeof(*p));
	struct testcert ec = testcert_new(&(struct testcert_spec){.cn = "fuzz"}, NULL);
	struct keyd *k = keyd_new();
	const char *why;

	p->pool_secret = STR("0123456789abcdef0123456789abcdef");
	p->n_slots = 1;
	p->slots[0] = (struct keyplan_slot){
	    .slot = 1, .binding = STR("external"), .key_pem = str_of(ec.key_pem)};
	for (int r = 0; r < ROLE__N; r++) {
		p->roles[r].ops = ~0u;
		p->roles[r].bindings = STR("external");
	}
	keyplan_put(&w, p);
	if (keyd_stage(k, (struct str){(const char *)bytes, w.n}, &why) < 0)
		abort();
	keyd_commit(k);
	testcert_free(&ec);
	free(p);
	return k;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyd *k;
	uint8_t answer[KEYD_ANSWER_MAX];
	enum keyproto_verdict v;
	const char *why;
	struct str rest;
	size_t n;

	if (!k)
		k = make();
	if (size == 0)
		return 0;
	rest = (struct str){(const char *)data + 1, size - 1};
	if (data[0] & 0x80) {
		(void)!keyd_stage(k, rest, &why);
		keyd_rollback(k);
	} else if (keyd_answer(k, (enum role)(data[0] % (ROLE__N + 1)), 20000 * 86400LL, rest,
		       answer, &n, &v) == ED_OK &&
		   n > sizeof(answer)) {
		abort();
	}
	return 0;
}
