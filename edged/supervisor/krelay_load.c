/* SPDX-License-Identifier: MIT
 *
 * supervisor/krelay_load.c: loads the relay in the kernel and hangs it on interfaces (clsact: it is
 * there in every kernel that can run the program; with a fixed handle, so that one left behind by a
 * killed supervisor is replaced).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/krelay.h"

#define INTERFACES_MAX 4u
#define HANDLE         0xed9ed
#define PRIORITY       1

struct krelay_maps {
	struct bpf_object *object;
	struct krelay_conf conf;
	int program_fd;
	struct {
		int ifindex;
		bool made_qdisc;
	} at[INTERFACES_MAX];
	unsigned n;
	uint32_t epoch[KRELAY_WORKERS];
};

static char last_word[160]; /* of libbpf: its first complaint, for the log */

static int
on_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[sizeof(last_word)];
	size_t n;

	if (level != LIBBPF_WARN || last_word[0])
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	n = strcspn(line, "\r\n");
	for (size_t i = 0; i < n; i++)
		last_word[i] = line[i] == '"' || line[i] < ' ' ? '\'' : line[i];
	last_word[n] = '\0';
	return 0;
}

static const char *
why(void)
{
	if (errno == EPERM)
		return "it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
	return last_word[0] ? last_word : strerror(errno);
}

static int
load(struct krelay_maps *k)
{
	struct bpf_map *map;
	struct bpf_program *program;

	k->object = bpf_object__open_mem(
	    krelay_object_begin, (size_t)(krelay_object_end - krelay_object_begin), NULL);
	if (!k->object)
		return ED_SYS;
	bpf_object__for_each_map(map, k->object)
	{
		if (strstr(bpf_map__name(map), ".rodata") &&
		    bpf_map__set_initial_value(map, &k->conf, sizeof(k->conf)) < 0)
			return ED_SYS;
	}
	if (bpf_object__load(k->object) < 0)
		return ED_SYS;
	program = bpf_object__find_program_by_name(k->object, "krelay");
	if (!program)
		return ED_SYS;
	k->program_fd = bpf_program__fd(program);
	return ED_OK;
}

int
krelay_open(const struct krelay_conf *conf, struct krelay_maps **ret, const char **ret_why)
{
	struct krelay_maps *k = calloc(1, sizeof(*k));

	*ret_why = "out of memory";
	if (!k)
		return ED_NOMEM;
	k->conf = *conf;
	last_word[0] = '\0';
	libbpf_set_print(on_print);
	if (load(k) < 0) {
		*ret_why = why();
		krelay_close(k);
		return ED_SYS;
	}
	*ret = k;
	return ED_OK;
}

int
krelay_attach(struct krelay_maps *k, uint32_t ifindex, const char **ret_why)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY,
	    .prog_fd = k->program_fd, .flags = BPF_TC_F_REPLACE);
	int r;

	for (unsigned i = 0; i < k->n; i++)
		if (k->at[i].ifindex == (int)ifindex)
			return ED_OK;
	*ret_why = "too many interfaces";
	if (k->n >= INTERFACES_MAX)
		return ED_LIMIT;
	last_word[0] = '\0';
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST) {
		errno = -r;
		*ret_why = why();
		return ED_SYS;
	}
	k->at[k->n].ifindex = (int)ifindex;
	k->at[k->n++].made_qdisc = r == 0;
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0) {
		errno = -r;
		*ret_why = why();
		return ED_SYS;
	}
	return ED_OK;
}

static void
detach(int ifindex, bool made_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);

	/* An interface that has gone took it along. */
	(void)bpf_tc_detach(&hook, &opts);
	if (made_qdisc) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		(void)bpf_tc_hook_destroy(&hook);
	}
}

struct krelay_maps *
krelay_close(struct krelay_maps *k)
{
	if (!k)
		return NULL;
	for (unsigned i = 0; i < k->n; i++)
		detach(k->at[i].ifindex, k->at[i].made_qdisc);
	bpf_object__close(k->object);
	free(k);
	return NULL;
}

const struct krelay_conf *
krelay_conf_of(const struct krelay_maps *k)
{
	return &k->conf;
}

int
krelay_program_fd(const struct krelay_maps *k)
{
	return k->program_fd;
}

int
krelay_map_fd(const struct krelay_maps *k, const char *name)
{
	return bpf_object__find_map_fd_by_name(k->object, name);
}

uint32_t
krelay_epoch(const struct krelay_maps *k, unsigned worker)
{
	return k->epoch[worker];
}

void
krelay_end_epoch(struct krelay_maps *k, unsigned worker)
{
	uint32_t key = worker;

	k->epoch[worker]++;
	(void)bpf_map_update_elem(
	    krelay_map_fd(k, "krelay_epochs"), &key, &k->epoch[worker], BPF_ANY);
}
