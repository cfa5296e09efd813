/*-------------------------------------------------------------------------
 *
 * hangup.c
 *		Whether the other end of a connection has closed it by itself.
 *
 * That is evidence of a death, so a reset, which a firewall can send in the
 * name of a server that is alive, must not be taken for it.  A reset leaves an
 * error on the socket, but only until somebody has met it: a query that is
 * sent at that moment takes it away, and libpq keeps it to itself until it
 * reads.  What stays is that a reset closes both directions, and the end of a
 * stream only one.  On a socket of this host (AF_UNIX) the two look alike, and
 * nobody can forge either.
 *
 * Knows nothing of PostgreSQL: the unit tests show it real sockets.
 *
 *-------------------------------------------------------------------------
 */
#include "net/hangup.h"

#include <sys/epoll.h>
#include <sys/socket.h>

static bool
is_local(int fd)
{
	int			domain = 0;
	socklen_t	length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

bool
fo_net_is_hung_up(int fd, uint32_t epoll_events)
{
	if ((epoll_events & EPOLLERR) != 0)
		return false;
	if ((epoll_events & EPOLLHUP) != 0)
		return is_local(fd);
	return (epoll_events & EPOLLRDHUP) != 0;
}
