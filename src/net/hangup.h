/*-------------------------------------------------------------------------
 *
 * hangup.h
 *		Whether the other end of a connection has closed it by itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_HANGUP_H
#define FO_NET_HANGUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What epoll_wait() says of a connected socket: did the process at the other
 * end, or its kernel when it died, end the stream in good order?  False as well
 * where that cannot be told from a reset.
 */
extern bool fo_net_is_hung_up(int fd, uint32_t epoll_events);

#endif							/* FO_NET_HANGUP_H */
