/*
 * sync_peer.h: what other sites hold.
 */
#ifndef SYNC_PEER_H
#define SYNC_PEER_H

#include "crdt/version.h"
#include "utils/snapshot.h"

extern bool sync_is_retired(Site site);
extern void sync_refuse_retired(Site site);
extern void sync_refuse_unknown_dots(Site own, const Version *since);
extern void sync_refuse_late(const Version *since, Snapshot snapshot);
extern void sync_note_peer(Site site, const Version *version);
extern void sync_meet_peer(Site site);

#endif							/* SYNC_PEER_H */
