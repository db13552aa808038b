// Package asynqredis provides the Redis clients under asynq. asynq runs one script
// at a time, and each costs both sides two system calls, which is more than most of
// its scripts cost; its servers poll. With these clients concurrent scripts share a
// round trip, idle servers wait, and asynq still decides which script runs.
//
//   - [Servers] is for the servers of a process. It runs their scripts only for lists
//     that may have a task. The servers of a [Group] are registered as one.
//   - [Notifier] announces new tasks to the Servers of idle workers.
//   - [Producer] is for a client that enqueues many tasks at once.
//   - [Lookups] is for an inspector that looks up many tasks at once.
//   - [WithoutMemory] is for an inspector whose Redis may forbid MEMORY.
//
// They rely on details of asynq that are not part of its API. A test checks each
// against the version in use:
//
//   - a task is enqueued by one script, which returns 1, or 0 for an existing task
//     (TestAsynqEnqueuesATaskByOneScript);
//   - the script that dequeues a task has four keys, the first two of which end in
//     :pending and :paused, and returns nil when there is none; the one that moves
//     due tasks has two, a list by time and :pending, and returns their number
//     (TestIdleServersRunNoScripts);
//   - the script that estimates the memory of a queue has seven keys, the last of
//     which ends in :groups (TestForbiddenMemoryTakesOnlyItsFigureAway);
//   - a server writes its entry in the list of servers by two ZADD and a script of two
//     keys, the entry first, in protobuf, and then its tasks (TestGroupIsListedAsOneServer);
//   - a server subscribes to one channel only, and go-redis opens a subscription with
//     HELLO, SUBSCRIBE and PING (TestCanceledTaskEnds);
//   - an inspector looks up a task by one script, after it has checked that the queue
//     exists (TestInspectorSharesRoundTrips).
package asynqredis
