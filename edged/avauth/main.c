/* SPDX-License-Identifier: MIT
 *
 * avauth/main.c: edged-avauth, the A/V Authentication service; started by the supervisor only.
 */
#include "avauth/room.h"
#include "svc/svc.h"

int
main(int argc, char **argv)
{
	return svc_main(&avauth_room, argc, argv);
}
