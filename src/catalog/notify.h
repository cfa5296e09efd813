/*-------------------------------------------------------------------------
 *
 * notify.h
 *		Sending notifications with the commit of a transaction.
 *
 * fo_catalog_begin and fo_catalog_end call all but the first two.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CATALOG_NOTIFY_H
#define FO_CATALOG_NOTIFY_H

/* From now on this process is the worker: it sends only where that cannot block. */
extern void fo_catalog_notify_as_worker(void);

/* Send payload (less than 8000 bytes) when the transaction commits.  Nothing for a channel that is NULL, '' or too long. */
extern void fo_catalog_notify(const char *channel, const char *payload);

/* A transaction of the worker begins: what an aborted one wanted to send is forgotten. */
extern void fo_catalog_notify_begin(void);

/* Just before the commit: hand over what waits, if that is possible now. */
extern bool fo_catalog_notify_send(void);

/* After the commit, with the result of fo_catalog_notify_send. */
extern void fo_catalog_notify_committed(bool is_sent);

#endif							/* FO_CATALOG_NOTIFY_H */
