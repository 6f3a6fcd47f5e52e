/* SPDX-License-Identifier: MIT
 *
 * keyd/main.c: edged-keyd, the holder of the private keys; started by the supervisor only.
 */
#include "keyd/room.h"
#include "svc/svc.h"

int
main(int argc, char **argv)
{
	return svc_main(&keyd_room, argc, argv);
}
