/* SPDX-License-Identifier: MIT
 *
 * supervisor/krelay_object.c: krelay/relay.bpf.c, compiled, as bytes of this program.
 */
#include "supervisor/krelay.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".global krelay_object_begin\n"
	"krelay_object_begin: .incbin \"" KRELAY_OBJECT "\"\n"
	".global krelay_object_end\n"
	"krelay_object_end: .byte 0\n"
	".popsection\n");
