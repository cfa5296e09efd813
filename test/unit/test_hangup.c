/*-------------------------------------------------------------------------
 *
 * test_hangup.c
 *		net/hangup.c on real sockets: a stream that ends, and one that is reset.
 *
 *-------------------------------------------------------------------------
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/hangup.h"
#include "unit.h"

#define WAIT_MS 60000

/* Both ends of one connection. */
typedef struct Pair
{
	int			near;
	int			far;
} Pair;

static Pair
connect_tcp(void)
{
	Pair		pair;
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	length = sizeof(address);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(bind(listener, (struct sockaddr *) &address, length) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *) &address, &length) == 0);
	pair.near = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(pair.near, (struct sockaddr *) &address, length) == 0);
	pair.far = accept(listener, NULL, NULL);
	CHECK(pair.far >= 0);
	close(listener);
	return pair;
}

static Pair
connect_local(void)
{
	int			fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	return (Pair) {fds[0], fds[1]};
}

/* As a firewall, or a kernel that throws unread bytes away. */
static void
reset(int fd)
{
	struct linger at_once = {1, 0};

	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	close(fd);
}

/* What epoll says of the near end, as soon as it says anything. */
static uint32_t
events_of(int fd)
{
	struct epoll_event asked = {.events = EPOLLIN | EPOLLRDHUP};
	struct epoll_event told = {0};
	int			epoll = epoll_create1(0);

	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &asked) == 0);
	CHECK(epoll_wait(epoll, &told, 1, WAIT_MS) == 1);
	close(epoll);
	return told.events;
}

TEST("hang-up: the end of a stream is one")
{
	Pair		pair = connect_tcp();

	close(pair.far);
	CHECK(fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.near);
}

TEST("hang-up: the end of a stream behind unread bytes is one")
{
	Pair		pair = connect_tcp();

	CHECK(write(pair.far, "words", 5) == 5);
	close(pair.far);
	while ((events_of(pair.near) & EPOLLRDHUP) == 0)
		;
	CHECK(fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.near);
}

TEST("hang-up: bytes that can be read are none")
{
	Pair		pair = connect_tcp();

	CHECK(write(pair.far, "words", 5) == 5);
	CHECK(!fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.far);
	close(pair.near);
}

TEST("hang-up: a reset is none")
{
	Pair		pair = connect_tcp();

	reset(pair.far);
	CHECK(!fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.near);
}

TEST("hang-up: a reset whose error a query has met before is none")
{
	Pair		pair = connect_tcp();

	reset(pair.far);
	(void) events_of(pair.near);
	CHECK(send(pair.near, "query", 5, MSG_NOSIGNAL) < 0);
	CHECK((events_of(pair.near) & EPOLLERR) == 0);
	CHECK(!fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.near);
}

TEST("hang-up: on a socket of this host a close is one")
{
	Pair		pair = connect_local();

	close(pair.far);
	CHECK(fo_net_is_hung_up(pair.near, events_of(pair.near)));
	close(pair.near);
}
