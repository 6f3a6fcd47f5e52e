/* SPDX-License-Identifier: MIT
 *
 * nice_call: two libnice agents in one process, one behind the relay only, exchange packets through
 * it and count what is lost or corrupted. A client of the Lync dialect that we did not write.
 *
 *   nice_call oc2007r2|rfc5245 udp|tcp|hello SERVER PORT USER PASSWORD LOCAL PEER PACKETS
 *
 * USER and PASSWORD are base64 for oc2007r2, as A/V Authentication hands them out. LOCAL and PEER
 * are addresses of this host. Prints "sent=N received=N corrupted=N relayed=YES"; 0 when all came
 * back whole. "no relay" when the relay gave none.
 */
#include <nice/agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET 160

struct side {
	NiceAgent *agent;
	guint stream;
	const char *name;
	gboolean gathered, ready;
	guint64 received, corrupted, checks, sent;
	struct side *other;
};

static GMainLoop *loop;
static guint64 wanted;
static int failed;

static void
fill(guint8 *p, guint64 n)
{
	memcpy(p, &n, sizeof(n));
	for (size_t i = sizeof(n); i < PACKET; i++)
		p[i] = (guint8)(n * 31 + i);
}

static void
maybe_end(struct side *s)
{
	if (s->received + s->corrupted >= wanted &&
	    s->other->received + s->other->corrupted >= wanted)
		g_main_loop_quit(loop);
}

static void
on_recv(NiceAgent *agent, guint stream, guint component, guint len, gchar *buf, gpointer arg)
{
	struct side *s = arg;
	guint8 want[PACKET];
	guint64 n;

	(void)agent;
	(void)stream;
	(void)component;
	/* libnice hands a check of ICE that it no longer awaits to the application: not one of
	 * ours. */
	if (len >= 20 && len != PACKET && (buf[0] & 0xc0) == 0 &&
	    memcmp(buf + 4, "\x21\x12\xa4\x42", 4) == 0) {
		s->checks++;
		return;
	}
	if (len != PACKET) {
		fprintf(stderr, "%s got %u bytes: %02x%02x%02x%02x\n", s->name, len, (guint8)buf[0],
		    (guint8)buf[1], (guint8)buf[2], (guint8)buf[3]);
		s->corrupted++;
		return;
	}
	memcpy(&n, buf, sizeof(n));
	fill(want, n);
	if (memcmp(buf, want, PACKET) == 0)
		s->received++;
	else
		s->corrupted++;
	maybe_end(s);
}

/* A few a tick from both sides, never more than 200 ahead of what has arrived. */
static gboolean
on_tick(gpointer arg)
{
	struct side *s = arg;
	guint8 p[PACKET];

	for (int side = 0; side < 2; side++, s = s->other)
		for (int i = 0; i < 20 && s->ready && s->other->ready && s->sent < wanted &&
				s->sent < s->other->received + 200;
		     i++) {
			fill(p, s->sent);
			if (nice_agent_send(s->agent, s->stream, 1, PACKET, (gchar *)p) != PACKET)
				break;
			s->sent++;
		}
	return G_SOURCE_CONTINUE;
}

static void
exchange(struct side *from, struct side *to)
{
	gchar *ufrag = NULL, *password = NULL;
	GSList *c = nice_agent_get_local_candidates(from->agent, from->stream, 1);

	nice_agent_get_local_credentials(from->agent, from->stream, &ufrag, &password);
	nice_agent_set_remote_credentials(to->agent, to->stream, ufrag, password);
	nice_agent_set_remote_candidates(to->agent, to->stream, 1, c);
	g_free(ufrag);
	g_free(password);
	g_slist_free_full(c, (GDestroyNotify)nice_candidate_free);
}

/* The side behind the relay got no address of it: what it was refused, the log of the relay says.
 */
static gboolean
is_refused(struct side *s)
{
	GSList *c = nice_agent_get_local_candidates(s->agent, s->stream, 1);
	gboolean forced, any = FALSE;

	for (GSList *i = c; i; i = i->next)
		any |= ((NiceCandidate *)i->data)->type == NICE_CANDIDATE_TYPE_RELAYED;
	g_slist_free_full(c, (GDestroyNotify)nice_candidate_free);
	g_object_get(s->agent, "force-relay", &forced, NULL);
	return forced && !any;
}

static void
on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct side *s = arg;

	(void)agent;
	(void)stream;
	s->gathered = TRUE;
	if (is_refused(s)) {
		printf("no relay\n");
		failed = 1;
		g_main_loop_quit(loop);
	}
	if (failed || !s->other->gathered)
		return;
	exchange(s, s->other);
	exchange(s->other, s);
}

static void
on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
	struct side *s = arg;

	(void)agent;
	(void)stream;
	(void)component;
	if (state == NICE_COMPONENT_STATE_READY)
		s->ready = TRUE;
	/* A side may fail first and be rescued by the other's check: over TCP its own connection to
	 * the relay is refused until the other has sent to it. The clock decides. */
	if (state == NICE_COMPONENT_STATE_FAILED)
		printf("failed for now=%s\n", s->name);
}

static gboolean
on_late(gpointer arg)
{
	(void)arg;
	printf("late\n");
	failed = 1;
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

static void
side_init(struct side *s, const char *name, NiceCompatibility compat, gboolean tcp,
    const char *address, gboolean controlling)
{
	NiceAddress a;

	s->name = name;
	s->agent = nice_agent_new(g_main_loop_get_context(loop), compat);
	g_object_set(s->agent, "controlling-mode", controlling, "upnp", FALSE, "ice-tcp", tcp,
	    "ice-udp", !tcp, NULL);
	nice_address_init(&a);
	nice_address_set_from_string(&a, address);
	nice_agent_add_local_address(s->agent, &a);
	g_signal_connect(s->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), s);
	g_signal_connect(s->agent, "component-state-changed", G_CALLBACK(on_state), s);
	s->stream = nice_agent_add_stream(s->agent, 1);
	nice_agent_set_stream_name(s->agent, s->stream, "audio");
	nice_agent_attach_recv(s->agent, s->stream, 1, g_main_loop_get_context(loop), on_recv, s);
}

static gboolean
is_relayed(struct side *s)
{
	NiceCandidate *local = NULL, *remote = NULL;

	return nice_agent_get_selected_pair(s->agent, s->stream, 1, &local, &remote) && local &&
	       local->type == NICE_CANDIDATE_TYPE_RELAYED;
}

int
main(int argc, char **argv)
{
	struct side a = {0}, b = {0};
	NiceCompatibility compat;
	NiceRelayType how;
	gboolean relayed, tcp;

	if (argc != 10)
		return 2;
	compat = strcmp(argv[1], "oc2007r2") == 0 ? NICE_COMPATIBILITY_OC2007R2
						  : NICE_COMPATIBILITY_RFC5245;
	how = strcmp(argv[2], "udp") == 0   ? NICE_RELAY_TYPE_TURN_UDP
	      : strcmp(argv[2], "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP
					    : NICE_RELAY_TYPE_TURN_TLS;
	wanted = strtoull(argv[9], NULL, 10);
	/* In the Lync dialect what is relayed goes as it came; TURN relays UDP to both. */
	tcp = how != NICE_RELAY_TYPE_TURN_UDP && compat == NICE_COMPATIBILITY_OC2007R2;
	loop = g_main_loop_new(NULL, FALSE);
	side_init(&a, "a", compat, tcp, argv[7], TRUE);
	side_init(&b, "b", compat, tcp, argv[8], FALSE);
	a.other = &b;
	b.other = &a;
	g_object_set(a.agent, "force-relay", TRUE, NULL);
	nice_agent_set_relay_info(
	    a.agent, a.stream, 1, argv[3], (guint)atoi(argv[4]), argv[5], argv[6], how);
	g_timeout_add(5, on_tick, &a);
	g_timeout_add_seconds(60, on_late, NULL);
	if (!nice_agent_gather_candidates(a.agent, a.stream) ||
	    !nice_agent_gather_candidates(b.agent, b.stream))
		return 1;
	g_main_loop_run(loop);
	relayed = is_relayed(&a);
	printf("sent=%llu received=%llu/%llu corrupted=%llu relayed=%s checks=%llu\n",
	    (unsigned long long)a.sent, (unsigned long long)b.received,
	    (unsigned long long)a.received, (unsigned long long)(a.corrupted + b.corrupted),
	    relayed ? "yes" : "no", (unsigned long long)(a.checks + b.checks));
	nice_agent_remove_stream(a.agent, a.stream);
	g_object_unref(a.agent);
	g_object_unref(b.agent);
	return failed || a.received != wanted || b.received != wanted || a.corrupted ||
	       b.corrupted || !relayed;
}
