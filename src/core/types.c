/*-------------------------------------------------------------------------
 *
 * types.c
 *		The words of the decision core's enumerations, and text that fits.
 *
 *-------------------------------------------------------------------------
 */
#include "core/types.h"

#include <string.h>

const char *
fo_core_error_class_name(FoErrorClass error)
{
	switch (error)
	{
		case FO_ERROR_NONE:
			return "none";
		case FO_ERROR_REFUSED:
			return "refused";
		case FO_ERROR_TIMEOUT:
			return "timeout";
		case FO_ERROR_RESET:
			return "reset";
		case FO_ERROR_DNS:
			return "dns";
		case FO_ERROR_AUTH:
			return "auth";
		case FO_ERROR_TOO_MANY_CONNECTIONS:
			return "too_many_connections";
		case FO_ERROR_STARTING_UP:
			return "starting_up";
		case FO_ERROR_SHUTTING_DOWN:
			return "shutting_down";
		case FO_ERROR_PROTOCOL:
			return "protocol";
		case FO_ERROR_DISK_FULL:
			return "disk_full";
		case FO_ERROR_QUERY:
			return "query";
		case FO_ERROR_N:
			break;
	}
	return "unknown";
}

const char *
fo_core_health_name(FoHealth health)
{
	switch (health)
	{
		case FO_HEALTH_UNKNOWN:
			return "unknown";
		case FO_HEALTH_HEALTHY:
			return "healthy";
		case FO_HEALTH_DEGRADED:
			return "degraded";
		case FO_HEALTH_UNHEALTHY:
			return "unhealthy";
		case FO_HEALTH_N:
			break;
	}
	return "unknown";
}

const char *
fo_core_group_kind_name(FoGroupKind kind)
{
	switch (kind)
	{
		case FO_KIND_STREAMING:
			return "streaming";
		case FO_KIND_SERVICE:
			return "service";
		case FO_KIND_N:
			break;
	}
	return "unknown";
}

const char *
fo_core_receiver_name(FoReceiver receiver)
{
	switch (receiver)
	{
		case FO_RECEIVER_NONE:
			return "none";
		case FO_RECEIVER_STARTING:
			return "starting";
		case FO_RECEIVER_WAITING:
			return "waiting";
		case FO_RECEIVER_STREAMING:
			return "streaming";
		case FO_RECEIVER_N:
			break;
	}
	return "unknown";
}

/*
 * PROTOCOL proves that something listens, not that it is our server; DNS says
 * nothing about the host at all.  Both are judged by their own rules.
 */
bool
fo_core_error_proves_life(FoErrorClass error)
{
	switch (error)
	{
		case FO_ERROR_AUTH:
		case FO_ERROR_TOO_MANY_CONNECTIONS:
		case FO_ERROR_STARTING_UP:
		case FO_ERROR_SHUTTING_DOWN:
		case FO_ERROR_DISK_FULL:
		case FO_ERROR_QUERY:
			return true;
		case FO_ERROR_NONE:
		case FO_ERROR_REFUSED:
		case FO_ERROR_TIMEOUT:
		case FO_ERROR_RESET:
		case FO_ERROR_DNS:
		case FO_ERROR_PROTOCOL:
		case FO_ERROR_N:
			break;
	}
	return false;
}

bool
fo_core_error_shows_service(FoErrorClass error)
{
	return fo_core_error_proves_life(error) && error != FO_ERROR_STARTING_UP && error != FO_ERROR_SHUTTING_DOWN;
}

int
fo_core_clip(const char *text, int limit)
{
	int			length = (int) strnlen(text, (size_t) limit + 1);

	if (length <= limit)
		return length;
	length = limit;
	while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80)
		length--;
	return length;
}

/*
 * The rest of the buffer is zeroed, so that equal texts are equal bytes and
 * nothing that lay there before is published with them.
 */
void
fo_core_copy_text(char *to, size_t size, const char *from)
{
	size_t		length;

	if (size == 0)
		return;
	length = (size_t) fo_core_clip(from, (int) size - 1);
	memmove(to, from, length);
	memset(to + length, 0, size - length);
}
