/* SPDX-License-Identifier: MIT
 *
 * supervisor/message.c: what a service says. Nothing of it is trusted: kinds, numbers and lengths
 * are checked, texts are cut and made printable; a service that speaks nonsense is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/ipc.h"
#include "supervisor/supervisor.h"
#include "svc/log.h"
#include "svc/wire.h"

static char *
clean_copy(struct str s, size_t max)
{
	char *p;

	s = str_first(s, max);
	p = malloc(s.n + 1);
	if (!p)
		return NULL;
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
	p[s.n] = '\0';
	return p;
}

/* keyd is there (again): every service gets a channel, those that wait may start. */
static void
on_keyd_ready(struct supervisor *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (child_is_alive(c))
			child_hand_key_channel(c);
		else if (c->state == CHILD_WAITING && !timer_is_set(&c->timer))
			child_start(c);
	}
}

static int
on_ready(struct child *c, struct ipc_reader *r)
{
	uint16_t n = ipc_get_u16(r);

	if (c->state == CHILD_STOPPING) /* told so before it was ready */
		return ED_OK;
	if (c->state != CHILD_STARTING || n > WIRE_WARNINGS_MAX)
		return ED_MALFORMED;
	for (uint16_t i = 0; i < n; i++) {
		struct str text = ipc_get_str(r);
		char *copy = r->err < 0 ? NULL : clean_copy(text, 200);

		if (copy)
			c->warnings[c->n_warnings++] = copy;
	}
	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	for (size_t i = 0; i < c->n_warnings; i++)
		log_warning(AREA_SYS, "SYS-1016", "service_degraded",
		    "role=%s worker=%u what=\"%s\"", role_name(c->role), c->worker, c->warnings[i]);
	c->state = CHILD_READY;
	c->why[0] = '\0';
	c->pong_ms = loop_now_ms(c->sup->loop);
	log_info(AREA_SYS, "SYS-1017", "service_ready", "role=%s worker=%u pid=%d restarts=%u",
	    role_name(c->role), c->worker, (int)c->pid, c->restarts);
	if (c->role == ROLE_KEYD)
		on_keyd_ready(c->sup);
	supervisor_on_child_state(c->sup);
	return ED_OK;
}

static int
on_refused(struct child *c, struct ipc_reader *r)
{
	struct str why = ipc_get_str(r);
	char *copy;

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	copy = clean_copy(why, sizeof(c->why) - 1);
	snprintf(c->why, sizeof(c->why), "%s", copy ? copy : "refused to start");
	free(copy);
	log_error(AREA_SYS, "SYS-1011", "service_refused", "role=%s worker=%u why=\"%s\"",
	    role_name(c->role), c->worker, c->why);
	return ED_OK;
}

static int
on_prepared(struct child *c, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);
	bool ok = ipc_get_u8(r) != 0;
	struct str why = ipc_get_str(r);

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	reload_on_prepared(c, number, ok, why);
	return ED_OK;
}

static int
on_committed(struct child *c, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	reload_on_committed(c, number);
	return ED_OK;
}

static int
on_pong(struct child *c, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	if (number == c->ping)
		c->pong_ms = loop_now_ms(c->sup->loop);
	return ED_OK;
}

static int
on_reply(struct child *c, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);
	struct str text = ipc_get_str(r);

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	gather_on_reply(c, number, text);
	return ED_OK;
}

static int
on_log_lost(struct child *c)
{
	uint8_t kind = WIRE_LOG_SOCKET;
	int fd = log_connect(c->sup->conf->log.target);

	if (fd < 0)
		return ED_OK; /* it asks again */
	child_say(c, (struct str){(char *)&kind, 1}, &fd, 1);
	close(fd);
	return ED_OK;
}

static int
dispatch(struct child *c, enum wire_kind kind, struct ipc_reader *r)
{
	switch (kind) {
	case WIRE_READY:
		return on_ready(c, r);
	case WIRE_REFUSED:
		return on_refused(c, r);
	case WIRE_PREPARED:
		return on_prepared(c, r);
	case WIRE_COMMITTED:
		return on_committed(c, r);
	case WIRE_PONG:
		return on_pong(c, r);
	case WIRE_REPLY:
		return on_reply(c, r);
	case WIRE_COUNTS: {
		uint32_t number = ipc_get_u32(r);

		if (r->err < 0)
			return ED_MALFORMED;
		gather_on_counts(c, number, r->left);
		return ED_OK;
	}
	case WIRE_DRAINED:
		if (c->state == CHILD_READY)
			c->state = CHILD_DRAINED;
		supervisor_on_child_state(c->sup);
		return ED_OK;
	case WIRE_LOG_LOST:
		return on_log_lost(c);
	default:
		return ED_MALFORMED;
	}
}

void
child_on_message(struct child *c, struct str msg)
{
	struct ipc_reader r = {.left = msg};
	enum wire_kind kind = (enum wire_kind)ipc_get_u8(&r);

	if (dispatch(c, kind, &r) < 0)
		child_kill(c, "sent a message that makes no sense");
}
