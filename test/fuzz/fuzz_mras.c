/* SPDX-License-Identifier: MIT
 *
 * fuzz_mras: a credential request from a Front End: read, and answered with what was read from it.
 * Ids and URIs of the request stand in the answer escaped: no bare line break gets there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mras/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mras_relay relays[] = {{MRAS_INTRANET, false, {"edge", 4}, 3478, 443},
	    {MRAS_INTERNET, true, {"192.0.2.1", 9}, 3478, 0}};
	static const struct mras_grant grants[MRAS_CREDENTIALS_MAX];
	struct mras_request q;
	struct mras_answer answer = {
	    .request = &q, .realm = STR("r"), .grants = grants, .relays = relays, .n_relays = 2};
	struct str text;
	struct arena a;

	arena_init(&a, NULL, 0, 4u << 20);
	if (mras_request_read(&a, (struct str){(const char *)data, size}, &q) == ED_OK) {
		answer.reason = q.reason;
		text = mras_answer_write(&a, &answer);
		if (!text.p || memchr(text.p, '\n', text.n))
			abort();
		if (q.reason == MRAS_OK && q.n_asks > MRAS_CREDENTIALS_MAX)
			abort();
	}
	arena_done(&a);
	return 0;
}
