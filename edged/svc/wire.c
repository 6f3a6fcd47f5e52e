/* SPDX-License-Identifier: MIT
 *
 * svc/wire.c: the composite fields of fd 3's messages, and blobs.
 */
#include "svc/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/ipc.h"

void
wire_put_hello(struct ipc_writer *w, const struct wire_hello *h)
{
	ipc_put_str(w, h->version);
	ipc_put_u8(w, h->role);
	ipc_put_u16(w, h->worker);
	ipc_put_u16(w, h->workers);
	ipc_put_u64(w, h->counter_base);
	ipc_put_u64(w, h->hash_key[0]);
	ipc_put_u64(w, h->hash_key[1]);
	ipc_put_str(w, h->root);
	ipc_put_u32(w, h->uid);
	ipc_put_u32(w, h->gid);
	ipc_put_u8(w, h->lab);
}

void
wire_get_hello(struct ipc_reader *r, struct wire_hello *ret)
{
	ret->version = ipc_get_str(r);
	ret->role = ipc_get_u8(r);
	ret->worker = ipc_get_u16(r);
	ret->workers = ipc_get_u16(r);
	ret->counter_base = ipc_get_u64(r);
	ret->hash_key[0] = ipc_get_u64(r);
	ret->hash_key[1] = ipc_get_u64(r);
	ret->root = ipc_get_str(r);
	ret->uid = ipc_get_u32(r);
	ret->gid = ipc_get_u32(r);
	ret->lab = ipc_get_u8(r);
}

void
wire_put_addr(struct ipc_writer *w, const struct addr *a)
{
	ipc_put_u8(w, a->family);
	ipc_put_u16(w, a->port);
	ipc_put_u32(w, a->scope);
	ipc_put_str(w, (struct str){(const char *)a->ip, sizeof(a->ip)});
}

int
wire_get_addr(struct ipc_reader *r, struct addr *ret)
{
	struct addr a = {0};
	struct str ip;

	a.family = ipc_get_u8(r);
	a.port = ipc_get_u16(r);
	a.scope = ipc_get_u32(r);
	ip = ipc_get_str(r);
	if (r->err < 0 || ip.n != sizeof(a.ip) || (a.family != 4 && a.family != 6))
		return ED_MALFORMED;
	memcpy(a.ip, ip.p, sizeof(a.ip));
	*ret = a;
	return ED_OK;
}

int
wire_blob_new(const void *p, size_t n, int *ret_fd)
{
	const char *at = p;
	int fd = memfd_create("edged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ED_SYS;
	while (n > 0) {
		ssize_t w = write(fd, at, n);

		if (w <= 0)
			goto fail;
		at += w;
		n -= (size_t)w;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	*ret_fd = fd;
	return ED_OK;
fail:
	close(fd);
	return ED_SYS;
}

int
wire_shared_new(size_t n, int *ret_fd)
{
	int fd = memfd_create("edged shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ED_SYS;
	if (ftruncate(fd, (off_t)n) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		close(fd);
		return ED_SYS;
	}
	*ret_fd = fd;
	return ED_OK;
}

void *
wire_shared_map(int fd, size_t n)
{
	struct stat st;
	void *p = MAP_FAILED;

	if (n && fstat(fd, &st) == 0 && (uint64_t)st.st_size == n)
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

int
wire_blob_read(int fd, size_t max, char **ret_p, size_t *ret_n)
{
	struct stat st;
	char *p = NULL;
	size_t n = 0;
	int r = ED_SYS;

	if (fstat(fd, &st) < 0)
		goto out;
	r = ED_LIMIT;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		goto out;
	r = ED_NOMEM;
	p = malloc((size_t)st.st_size + 1);
	if (!p)
		goto out;
	r = ED_SYS;
	while (n < (size_t)st.st_size) {
		ssize_t k = pread(fd, p + n, (size_t)st.st_size - n, (off_t)n);

		if (k <= 0)
			goto out;
		n += (size_t)k;
	}
	*ret_p = p;
	*ret_n = n;
	p = NULL;
	r = ED_OK;
out:
	free(p);
	close(fd);
	return r;
}
