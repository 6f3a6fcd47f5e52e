/* SPDX-License-Identifier: MIT
 *
 * ctl/main.c: edgectl: one question to the supervisor's socket, one answer, shown.
 *
 * Exit status: 0 done; 1 the answer is no; 2 usage; 3 the daemon cannot be reached.
 */
#include <getopt.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/wipe.h"
#include "ctl/ctl.h"
#include "ctl/import.h"

#define DEFAULT_SOCKET "/run/edged/control.sock"

static const struct {
	const char *verb;
	int (*print)(struct json_value v, FILE *out);
	const char *help;
} commands[] = {
    {"status", print_status, "services, listeners, warnings"},
    {"check", print_check, "check the configuration file, as a reload would; --live: the DNS too"},
    {"reload", print_reload, "take over the configuration and the certificates"},
    {"certs", print_certs, "certificates in use"},
    {"stats", print_stats, "counters, summed over all processes"},
    {"sessions", print_services, "connections and allocations [FILTER]"},
    {"partners", print_services, "federation partners and the watch list"},
    {"nexthop", print_services, "members of the next hop pool"},
    {"webconf", print_services, "conferencing servers and meetings"},
    {"kick", print_kick, "end a session: kick FLOW, or kick ADDRESS:PORT of a relay client"},
    {"release", print_services,
	"end what is held against a partner or an account: release DOMAIN or USER@DOMAIN"},
    {"drain", print_done, "accept nothing new, end when idle or after [SECONDS]"},
    {"log", print_done, "log level until the next reload: log error|warning|notice|info|debug"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *out)
{
	fputs("usage: edgectl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].verb, commands[i].help);
	fputs("  trace      messages of one call, user or connection: trace WORD [FILE[.pcap] "
	      "[SECONDS]]\n"
	      "  top        figures now, on the terminal\n"
	      "  diagram    this edge as a picture (SVG): interfaces, services, ports, "
	      "certificates, next hop\n"
	      "  turn-key   key for av.users: turn-key NAME REALM (password from the terminal)\n"
	      "  import-topology FILE [NAME] the edge of a published Lync topology as edged.conf\n"
	      "SOCKET is " DEFAULT_SOCKET " unless given or in $EDGED_CONTROL.\n",
	    out);
}

/* RFC 8489 9.2.2: the key of a long-term user, so that no password stands in the file. */
static int
turn_key(const char *name, const char *realm, FILE *out, FILE *err)
{
	struct termios before, quiet;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	uint8_t key[DIGEST_MD5_LEN];
	char password[256];
	struct str parts[5];

	if (terminal) {
		fputs("password: ", stderr);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	if (!fgets(password, sizeof(password), stdin))
		password[0] = '\0';
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputs("\n", stderr);
	}
	password[strcspn(password, "\n")] = '\0';
	parts[0] = str_of(name);
	parts[1] = STR(":");
	parts[2] = str_of(realm);
	parts[3] = STR(":");
	parts[4] = str_of(password);
	if (!*password || digest_setup() < 0 || digest_md5(parts, 5, key) < 0) {
		fputs("edgectl: no password, or no MD5 in libcrypto\n", err);
		return CTL_NO;
	}
	wipe(password, sizeof(password));
	for (size_t i = 0; i < sizeof(key); i++)
		fprintf(out, "%02x", key[i]);
	fputc('\n', out);
	wipe(key, sizeof(key));
	return CTL_DONE;
}

static void
put_member(struct json *j, const char *name, const char *text)
{
	struct str s = str_of(text ? text : "");

	while (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	json_key(j, name);
	json_text(j, s);
}

/* What asks no daemon: as it is, or as one answer with what was printed and what was said of it. */
static int
run_local(char **words, int n_words, bool json)
{
	char *text = NULL, *said = NULL;
	size_t text_n, said_n;
	FILE *out = json ? open_memstream(&text, &text_n) : stdout;
	FILE *err = json ? open_memstream(&said, &said_n) : stderr;
	bool key = strcmp(words[0], "turn-key") == 0;
	struct json j = {0};
	int code = CTL_NO;

	if (out && err)
		code = key ? turn_key(words[1], words[2], out, err)
			   : import_topology(words[1], n_words == 3 ? words[2] : NULL, out, err);
	if (!json)
		return code;
	if (out)
		fclose(out);
	if (err)
		fclose(err);
	json_fmt(&j, "{\"ok\":%s", code == CTL_DONE ? "true" : "false");
	if (code == CTL_DONE)
		put_member(&j, key ? "key" : "conf", text);
	put_member(&j, code == CTL_DONE ? "said" : "why", said);
	printf("%s}\n", j.failed ? "{\"ok\":false" : j.p);
	if (text)
		wipe(text, strlen(text));
	free(text);
	free(said);
	json_done(&j);
	return code;
}

static int
run(const char *socket_path, size_t command, char **words, int n_words, bool json)
{
	struct json line = {0}, answer = {0};
	struct str left;
	int code;

	json_raw(&line, str_of(commands[command].verb));
	for (int i = 0; i < n_words; i++) {
		json_raw(&line, STR(" "));
		json_raw(&line, str_of(words[i]));
	}
	code = ctl_ask(socket_path, line.failed ? "" : line.p, &answer);
	if (code == CTL_DONE) {
		left = (struct str){answer.p, answer.n};
		if (json)
			fwrite(answer.p, 1, answer.n, stdout);
		code = commands[command].print(
		    json_take(&left), json ? fopen("/dev/null", "we") : stdout);
	}
	json_done(&line);
	json_done(&answer);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
	    {"live", no_argument, NULL, 'l'}, {"socket", required_argument, NULL, 's'},
	    {"version", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	const char *path = getenv("EDGED_CONTROL");
	bool json = false, live = false;
	char live_word[] = "live", *live_words[] = {live_word};
	int o;

	while ((o = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
		if (o == 's') {
			path = optarg;
		} else if (o == 'l') {
			live = true;
		} else if (o == 'j') {
			json = true;
		} else if (o == 'v') {
			printf("edgectl %s\n", EDGED_VERSION);
			return CTL_DONE;
		} else {
			print_help(o == 'h' ? stdout : stderr);
			return o == 'h' ? CTL_DONE : CTL_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (live && argc == 1 && strcmp(argv[0], "check") == 0)
		return run(path ? path : DEFAULT_SOCKET, 1, live_words, 1, json);
	if (live) {
		print_help(stderr);
		return CTL_USAGE;
	}
	if ((argc == 3 && strcmp(argv[0], "turn-key") == 0) ||
	    ((argc == 2 || argc == 3) && strcmp(argv[0], "import-topology") == 0))
		return run_local(argv, argc, json);
	if (argc >= 1 && strcmp(argv[0], "trace") == 0)
		return ctl_trace(path ? path : DEFAULT_SOCKET, json, argc - 1, argv + 1);
	if (argc == 1 && strcmp(argv[0], "top") == 0)
		return ctl_top(path ? path : DEFAULT_SOCKET, json, stdout);
	if (argc == 1 && strcmp(argv[0], "diagram") == 0)
		return ctl_diagram(path ? path : DEFAULT_SOCKET, json, stdout);
	for (size_t i = 0; argc > 0 && i < N_COMMANDS; i++)
		if (strcmp(argv[0], commands[i].verb) == 0)
			return run(path ? path : DEFAULT_SOCKET, i, argv + 1, argc - 1, json);
	print_help(stderr);
	return CTL_USAGE;
}
