/* SPDX-License-Identifier: MIT
 *
 * base/wipe.c: a secret gets whole pages of its own, so that locking and keeping it out of dumps
 * touches nothing else, with one inaccessible page behind it.
 */
#include "base/wipe.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

void
wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	__asm__ __volatile__("" : : "r"(p) : "memory"); /* the compiler must think it is read */
}

static size_t
pages_for(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

int
secret_init(struct secret *s, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len;
	uint8_t *p;

	s->p = NULL;
	s->n = 0;
	if (n == 0 || n > SIZE_MAX / 4)
		return ED_NOMEM;
	len = pages_for(n);
	p = mmap(NULL, len + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return ED_NOMEM;
	if (mprotect(p, len, PROT_READ | PROT_WRITE) < 0) {
		munmap(p, len + page);
		return ED_NOMEM;
	}
	/* Both are best effort: RLIMIT_MEMLOCK may be small, and a secret in swap is still ours. */
	(void)mlock(p, len);
	(void)madvise(p, len, MADV_DONTDUMP);
	s->p = p;
	s->n = n;
	return ED_OK;
}

void
secret_done(struct secret *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len;

	if (!s->p)
		return;
	len = pages_for(s->n);
	wipe(s->p, len);
	(void)munlock(s->p, len);
	munmap(s->p, len + page);
	s->p = NULL;
	s->n = 0;
}
