/* SPDX-License-Identifier: MIT
 *
 * avedge/main.c: edged-av, one worker of the A/V Edge; started by the supervisor only.
 */
#include "avedge/room.h"
#include "svc/svc.h"

int
main(int argc, char **argv)
{
	return svc_main(&avedge_room, argc, argv);
}
