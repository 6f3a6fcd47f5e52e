/* SPDX-License-Identifier: MIT
 *
 * net/nic.h: what the kernel says of a network interface. Asks each time; for the start, not for
 * packets.
 */
#ifndef EDGED_NET_NIC_H
#define EDGED_NET_NIC_H

#include <stdbool.h>
#include <stdint.h>

/* With the IP header; 0: there is no such interface, or it cannot be told. */
uint32_t nic_mtu(const char *device);
/* Its frames have Ethernet's head (loopback's do); those of tunnels have none. */
bool nic_is_ethernet(const char *device);

#endif
