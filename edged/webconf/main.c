/* SPDX-License-Identifier: MIT
 *
 * edged-webconf: the Web Conferencing Edge as a process; started by the supervisor only.
 */
#include "svc/svc.h"
#include "webconf/room.h"

int
main(int argc, char **argv)
{
	return svc_main(&webconf_room, argc, argv);
}
