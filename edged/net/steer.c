/* SPDX-License-Identifier: MIT */
#include "net/steer.h"

#include <linux/filter.h>
#include <sys/socket.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

#define IPV4_SOURCE 12
#define IPV6_SOURCE 8
#define MIX         0x9e3779b1u /* so that neighbours do not share a worker in step */

static int
attach(int fd, struct sock_filter *code, unsigned short n)
{
	struct sock_fprog prog = {.len = n, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0
		   ? ED_SYS
		   : ED_OK;
}

int
steer_by_source(int fd, uint8_t family, uint32_t n_workers)
{
	struct sock_filter v4[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + IPV4_SOURCE),
	    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n_workers),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_filter v6[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + IPV6_SOURCE),
	    BPF_STMT(BPF_MISC | BPF_TAX, 0),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + IPV6_SOURCE + 4),
	    BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
	    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n_workers),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};

	return family == 4 ? attach(fd, v4, sizeof(v4) / sizeof(v4[0]))
			   : attach(fd, v6, sizeof(v6) / sizeof(v6[0]));
}
