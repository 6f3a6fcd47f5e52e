/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "keyd/keyd.h"
#include "keyd/room.h"
#include "net/ipc.h"
#include "net/loop.h"
#include "svc/keyplan.h"
#include "testcert.h"

#define SLOT 7

static struct testcert ec;

struct scene {
	struct loop *l;
	struct keyd *k;
	struct keyd_channel *ch;
	int fd;
	int gone;
	unsigned rounds; /* left */
	struct loop_task task;
};

static void
on_gone(struct keyd_channel *ch, void *arg)
{
	struct scene *s = arg;

	s->gone++;
	s->ch = NULL;
}

static struct keyd *
keyd_with_a_key(void)
{
	static uint8_t plan[65536];
	struct ipc_writer w = {.p = plan, .room = sizeof(plan)};
	struct keyplan *p = calloc(1, sizeof(*p));
	struct keyd *k = keyd_new();
	const char *why;

	p->pool_secret = STR("0123456789abcdef0123456789abcdef");
	p->n_slots = 1;
	p->slots[0] = (struct keyplan_slot){.slot = SLOT,
	    .binding = STR("external"),
	    .key_pem = str_of(ec.key_pem),
	    .cert_pem = str_of(ec.pem)};
	p->roles[ROLE_ACCESS].ops = KEYD_OP_BIT(KEYD_OP_SIGN);
	p->roles[ROLE_ACCESS].bindings = STR("external");
	keyplan_put(&w, p);
	assert_int_equal(keyd_stage(k, (struct str){(const char *)plan, w.n}, &why), ED_OK);
	keyd_commit(k);
	free(p);
	return k;
}

static void
open_scene(struct scene *s)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	*s = (struct scene){.l = loop_new(), .k = keyd_with_a_key(), .fd = pair[0]};
	s->ch = keyd_channel_new(s->l, s->k, ROLE_ACCESS, 0, pair[1], on_gone, s);
	assert_non_null(s->ch);
}

static void
close_scene(struct scene *s)
{
	if (s->ch)
		keyd_channel_free(s->ch);
	close(s->fd);
	keyd_free(s->k);
	loop_free(s->l);
}

static void
on_round(struct loop_task *t)
{
	struct scene *s = LIST_OF(t, struct scene, task);

	if (s->rounds-- == 0)
		loop_stop(s->l);
	else
		loop_defer(s->l, t);
}

/* Rounds enough for all that was asked; each takes what is there and does not wait. */
static void
serve(struct scene *s)
{
	s->rounds = 20;
	s->task = (struct loop_task){.run = on_round};
	loop_defer(s->l, &s->task);
	assert_int_equal(loop_run(s->l), ED_OK);
}

static void
ask_signature(struct scene *s, uint32_t number)
{
	uint8_t buf[64];
	struct ipc_writer w = {.p = buf, .room = sizeof(buf)};

	ipc_put_u32(&w, number);
	ipc_put_u8(&w, KEYD_OP_SIGN);
	ipc_put_u16(&w, SLOT);
	ipc_put_u8(&w, KEYPROTO_ECDSA_SHA256);
	ipc_put_str(&w, STR("0123456789abcdef0123456789abcdef"));
	assert_int_equal(ipc_send(s->fd, (struct str){(const char *)buf, w.n}, NULL, 0), ED_OK);
}

/* The next message holds one answer, to number. */
static bool
answered(struct scene *s, uint32_t number)
{
	uint8_t buf[KEYD_ANSWER_MAX];
	struct ipc_reader r = {0};
	size_t len;

	if (ipc_recv(s->fd, buf, sizeof(buf), &len, NULL, 0, NULL) < 0)
		return false;
	r.left = (struct str){(const char *)buf, len};
	return ipc_get_u32(&r) == number && ipc_get_u8(&r) == KEYPROTO_OK &&
	       ipc_get_str(&r).n > 0 && ipc_get_end(&r) == ED_OK;
}

/* More than are served in one round; the worker is woken for each (docs/decisions/0003-keys.md). */
static void
test_in_turn(void **state)
{
	struct scene s;

	open_scene(&s);
	for (uint32_t i = 0; i < 10; i++)
		ask_signature(&s, 100 + i);
	serve(&s);
	for (uint32_t i = 0; i < 10; i++)
		assert_true(answered(&s, 100 + i));
	assert_false(answered(&s, 110));
	assert_int_equal(s.gone, 0);
	close_scene(&s);
}

/* What came before a broken request is answered still. */
static void
test_broken_request(void **state)
{
	struct scene s;

	open_scene(&s);
	ask_signature(&s, 1);
	assert_int_equal(ipc_send(s.fd, STR("?"), NULL, 0), ED_OK);
	serve(&s);
	assert_true(answered(&s, 1));
	assert_int_equal(s.gone, 1);
	close_scene(&s);
}

static int
make(void **state)
{
	ec = testcert_new(&(struct testcert_spec){.cn = "sip.contoso.com"}, NULL);
	return 0;
}

static int
unmake(void **state)
{
	testcert_free(&ec);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_turn),
	    cmocka_unit_test(test_broken_request),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
