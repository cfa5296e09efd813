/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The static background worker that keeps the coordinator worker running.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_LAUNCHER_H
#define FO_COORDINATOR_LAUNCHER_H

/* Called from _PG_init while shared_preload_libraries are processed. */
extern void fo_coordinator_register_launcher(void);

#endif							/* FO_COORDINATOR_LAUNCHER_H */
