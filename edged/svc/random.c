/* SPDX-License-Identifier: MIT
 *
 * svc/random.c: random bytes or no process.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "svc/svc.h"

void
svc_random(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t k = getrandom(at, n, 0);

		if (k < 0)
			abort();
		at += k;
		n -= (size_t)k;
	}
}
