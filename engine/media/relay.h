/* The packet path: what happens to a datagram between the socket it came in and the one it leaves. */
#pragma once

#include "media/stream.h"

/** Receive handler of every port; @p arg is its struct component. */
void relay_receive(void *arg, struct udp *udp, const struct datagram *v, size_t count);
