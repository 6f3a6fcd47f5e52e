/* SPDX-License-Identifier: MIT
 *
 * access/main.c: edged-access, one worker of the Access Edge; started by the supervisor only.
 */
#include "access/room.h"
#include "svc/svc.h"

int
main(int argc, char **argv)
{
	return svc_main(&access_room, argc, argv);
}
