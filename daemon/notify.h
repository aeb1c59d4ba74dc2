/* notify.h - what the service manager is told (sd_notify(3)). Main thread. */
#ifndef RAG_DAEMON_NOTIFY_H
#define RAG_DAEMON_NOTIFY_H

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC from the environment, so that no
 * child sees them. Returns milliseconds between pings, 0 for none. */
double rag_notify_init(void);
/* Sends "READY=1" and the like; does nothing without a service manager. */
void rag_notify(const char *state);
void rag_notify_close(void);

#endif
